"""An SVG as part of a page: tooltips, marks that scripts find, colours of the page's theme."""

import re
from xml.etree import ElementTree

from prunebench.reports.figures.drawing import DESCRIBED, DOMAIN, FAINT, GRID, INK

BAND = "band"  # in place of words: an interval, which the page shows for the hovered criterion alone
BLACK = "#000000"  # of the baseline
THEMED = {INK: "var(--ink)", BLACK: "var(--ink)", FAINT: "var(--faint)", GRID: "var(--grid)", DOMAIN: "var(--rule)"}
SPOKEN = ("role", "aria-roledescription", "aria-label")  # of the parts: the page describes the picture as a whole
Element = ElementTree.Element


def inline_svg(svg: str, name: str, label: str) -> str:
    """Make an SVG part of a page.

    name: prefix of its ids, as pictures share theirs. label: what a screen reader says of the whole picture. Marks
    that were described get `data-criterion` and a `title`, which browsers show as a tooltip; bands get `data-band`.
    """
    root = ElementTree.fromstring(svg)
    elements = list(root.iter())
    old_ids = dict.fromkeys(one.attrib["id"] for one in elements if "id" in one.attrib)
    ids = {old: f"{name}-{number}" for number, old in enumerate(old_ids)}
    for element in elements:
        element.tag = _local(element.tag)
        attributes = {_local(key): _themed(text, ids) for key, text in element.items()}
        described = DESCRIBED.fullmatch(attributes.get("aria-label", ""))
        element.attrib = {key: text for key, text in attributes.items() if key not in SPOKEN}
        if described:
            _mark(element, *described.groups())
    root.attrib = {"role": "img", "aria-label": label} | root.attrib
    return ElementTree.tostring(root, encoding="unicode")


def _mark(element: Element, criteria: str, words: str) -> None:
    """Name the criteria of a mark, and show its words as a tooltip."""
    band = {"data-band": ""} if words == BAND else {}
    element.attrib = {"data-criterion": criteria} | band | element.attrib
    if not band:
        title = Element("title")
        title.text = words
        element.insert(0, title)


def _themed(text: str, ids: dict[str, str]) -> str:
    """Give an attribute in the page's colours and ids. The renderer goes on counting ids from figure to figure."""
    text = re.sub(r"url\(#(.+?)\)", lambda found: f"url(#{ids.get(found[1], found[1])})", text)
    return ids.get(text, THEMED.get(text, text))


def _local(name: str) -> str:
    """Leave out the namespace, which a page does not need."""
    return name.rpartition("}")[2]
