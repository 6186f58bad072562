"""Render a report as a page and as Markdown."""

import re
from collections.abc import Callable
from itertools import chain, count
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from prunebench.reports.document import Document, Figure, Section
from prunebench.reports.figures.drawing import mark_name
from prunebench.reports.figures.inline import inline_svg
from prunebench.reports.figures.palette import style_of

OWN_IDS = ("numbers", "task", "theme")  # of the page itself
TEMPLATES = Path(__file__).parents[1] / "templates"


def markdown(document: Document) -> str:
    """Render the answers of a report as GitHub's Markdown. Pictures lie in `figures/`, all numbers in the CSV files."""
    return _environment(escape=False).get_template("report.md.j2").render(document=document)


def html_page(document: Document) -> str:
    """Render a report as one HTML page, with its pictures, styles and script inside."""
    assets = {name: Markup((TEMPLATES / f"page.{name}").read_text(encoding="utf-8")) for name in ("css", "js")}
    template = _environment(escape=True).get_template("index.html.j2")
    return template.render(document=document, address=_addresses(document), **assets)


def _addresses(document: Document) -> Callable[[Section], str]:
    """Give each section an address of its own: titles that differ in signs alone would share one."""
    found: dict[int, str] = {}
    for section in (*document.sections, *document.details):
        free = (section.address + end for end in chain([""], (f"-{number}" for number in count(2))))
        found[id(section)] = next(one for one in free if one not in {*found.values(), *OWN_IDS})
    return lambda section: found[id(section)]


def _environment(escape: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=escape,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    filters = {
        "kind": lambda block: type(block).__name__,
        "pictures": _pictures,
        "code": _code_markup,
        "mark": mark_name,
    }
    environment.filters |= filters | {"colour": lambda criterion: style_of(criterion).colour}
    return environment


def _pictures(figure: Figure) -> list[tuple[str, Markup]]:
    """Give the task of each panel and its picture as part of the page."""
    label = figure.title
    return [
        (panel.task, Markup(inline_svg(panel.svg, f"{figure.name}-{number}", f"{panel.task} {label}".strip())))
        for number, panel in enumerate(figure.panels)
    ]


def _code_markup(text: str) -> Markup:
    """Turn `names` in backticks into code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(Markup.escape(text))))
