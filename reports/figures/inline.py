"""An SVG as part of a page: tooltips, marks that scripts find, colours of the page's theme."""

import re
from html import escape

from prunebench.reports.figures.drawing import DOMAIN, FAINT, GRID, INK, SEPARATOR

BAND = "band"  # in place of words: an interval, which the page shows for the hovered criterion alone
BLACK = "#000000"  # of the baseline
THEMED = {INK: "var(--ink)", BLACK: "var(--ink)", FAINT: "var(--faint)", GRID: "var(--grid)", DOMAIN: "var(--rule)"}
DESCRIBED = re.compile(rf'<(\w+) aria-label="([^"{SEPARATOR}]*){re.escape(SEPARATOR)}([^"]*)"([^>]*?)/?>(?:(</\1>))?')
CONTAINER = re.compile(r' role="graphics-(?:object|symbol)"| aria-roledescription="[^"]*"| aria-label="[^"]*"')


def inline_svg(svg: str, name: str, label: str) -> str:
    """Make an SVG part of a page.

    name: prefix of its ids, as pictures share theirs. label: what a screen reader says of the whole picture. Marks
    that were described get `data-criterion` and a `title`, which browsers show as a tooltip; bands get `data-band`.
    """
    text = svg[svg.index("<svg") :]
    text = _number_ids(text, name)
    marks: list[str] = []

    def keep(found: re.Match[str]) -> str:
        tag, criterion, words, rest = found.group(1), found.group(2), found.group(3), found.group(4)
        rest = CONTAINER.sub("", rest)
        shown = "" if words == BAND else f"<title>{words}</title>"
        kind = " data-band" if words == BAND else ""
        marks.append(f'<{tag} data-criterion="{criterion}"{kind}{rest}>{shown}</{tag}>')
        return f"\0{len(marks) - 1}\0"

    text = CONTAINER.sub("", DESCRIBED.sub(keep, text))
    text = re.sub("\0(\\d+)\0", lambda found: marks[int(found.group(1))], text)
    for colour, variable in THEMED.items():
        text = text.replace(f'"{colour}"', f'"{variable}"')
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)


def _number_ids(text: str, name: str) -> str:
    """Rename the ids to a name and a number from 0, as the renderer goes on counting from figure to figure."""
    for number, old in enumerate(dict.fromkeys(re.findall(r'id="([^"]+)"', text))):
        new = f"{name}-{number}"
        text = text.replace(f'id="{old}"', f'id="{new}"').replace(f"url(#{old})", f"url(#{new})")
    return text
