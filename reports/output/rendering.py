"""Render a report as a page and as Markdown."""

from collections.abc import Callable
from functools import partial
from itertools import chain, count
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from prunebench.reports.document import Document, Figure, Panel, Section
from prunebench.reports.figures.drawing import mark_name
from prunebench.reports.figures.inline import inline_svg
from prunebench.reports.figures.palette import style_of
from prunebench.reports.language.languages import ENGLISH, Language, find_language
from prunebench.reports.output.escaping import escape_markdown
from prunebench.reports.output.page_words import LABELS, PAGE_WORDS, picture

OWN_IDS = ("numbers", "task", "theme")  # of the page itself
TEMPLATES = Path(__file__).parents[1] / "templates"


def markdown(document: Document) -> str:
    """Render the answers of a report as GitHub's Markdown. Pictures lie in `figures/`, all numbers in the CSV files."""
    environment = _environment(find_language(ENGLISH), escape=False)
    environment.finalize = escape_markdown
    return environment.get_template("report.md.j2").render(document=document)


def html_page(document: Document, language: Language | None = None) -> str:
    """Render a report as one HTML page, with its pictures, styles and script inside. English is the default."""
    language = language or find_language(ENGLISH)
    assets = {name: Markup((TEMPLATES / f"page.{name}").read_text(encoding="utf-8")) for name in ("css", "js")}
    words = {name: language.plain(text) for name, text in PAGE_WORDS.items()}
    given = {"document": document, "language": language, "words": words, "labels": LABELS.get(language.code, ())}
    template = _environment(language, escape=True).get_template("index.html.j2")
    given["picture"] = lambda number: language.plain(picture(number))
    return template.render(address=_addresses(document), **given, **assets)


def _addresses(document: Document) -> Callable[[Section], str]:
    """Give each section an address of its own: titles that differ in signs alone would share one."""
    found: dict[int, str] = {}
    for section in (*document.sections, *document.details):
        free = (section.address + end for end in chain([""], (f"-{number}" for number in count(2))))
        found[id(section)] = next(one for one in free if one not in {*found.values(), *OWN_IDS})
    return lambda section: found[id(section)]


def _environment(language: Language, escape: bool) -> Environment:
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
        "pictures": partial(_pictures, language=language),
        "element": language.element,
        "inline": language.inline,
        "cell": partial(language.inline, of_table=True),
        "plain": language.plain,
        "mark": mark_name,
    }
    environment.filters |= filters | {"colour": lambda criterion: style_of(criterion).colour}
    return environment


def _pictures(figure: Figure, language: Language) -> list[tuple[Panel, Markup]]:
    """Give each panel and its picture as part of the page."""
    label = language.plain(figure.title)
    return [
        (panel, Markup(inline_svg(panel.svg, f"{figure.name}-{number}", f"{panel.task} {label}".strip())))
        for number, panel in enumerate(figure.panels)
    ]
