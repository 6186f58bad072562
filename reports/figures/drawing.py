"""Layout and output that all figures share. vl-convert makes SVG and PNG without a browser or a network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import vl_convert

from prunebench.reports.language.languages import Language

if TYPE_CHECKING:
    import altair as alt

Spec = dict[str, Any]  # a chart in the language of Vega-Lite: making one of Altair's objects takes longer than drawing
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
PADDING = 8
COLUMNS, GAP = 2, 36  # of a figure in a file; pixels between its charts
LINE, LONGEST = 17, 48  # pixels of a line of a title, and its most characters
NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
SIZE = re.compile(r'<svg[^>]* width="([\d.]+)" height="([\d.]+)"')
INK, FAINT, GRID, DOMAIN = "#222222", "#767676", "#e6e6e6", "#999999"  # each has its counterpart in the page's themes
FONT = "Helvetica, Arial, sans-serif"
DESCRIBED = re.compile(r"([^|'\"]+)\|(.*)", re.DOTALL)  # the renderer's own descriptions quote before any bar


@dataclass(frozen=True)
class Drawing:
    """A figure as charts. name: of its files; title: the caption; charts: (task, chart), no task for one of all.

    criteria: those that the charts show, in the order of the tables; the page makes its legend of them.
    """

    name: str
    title: str
    charts: tuple[tuple[str, Spec], ...] = field(repr=False)
    criteria: tuple[str, ...] = ()


class Described(str):
    """The description of a mark. criteria: the names that it bears; words: its tooltip."""

    criteria: str
    words: str


def describe(criteria: str | Sequence[str], text: str) -> Described:
    """Describe a mark: the page shows the text as its tooltip and finds the mark by its criteria.

    >>> describe("taylor", "taylor, keep 0.5: 98.2 %")
    'taylor|taylor, keep 0.5: 98.2 %'
    >>> describe(("obd", "a|b"), "two in one place")
    'obd a%7Cb|two in one place'
    """
    names = [criteria] if isinstance(criteria, str) else criteria
    bears = " ".join(map(mark_name, names))
    found = Described(f"{bears}|{text}")
    found.criteria, found.words = bears, text
    return found


def mark_name(criterion: str) -> str:
    """Write the name of a criterion without spaces, bars and quotes, as marks and legends of the page bear it.

    >>> mark_name("shuffle:taylor"), mark_name('my "own"')
    ('shuffle:taylor', 'my%20%22own%22')
    """
    return quote(criterion, safe=":=+,.()/@", errors="replace")


def in_language(part: Any, language: Language) -> Any:
    """Give a chart, or a part of one, with its words in a language of the page."""
    match part:
        case dict():
            upright = language.direction == "rtl"  # letters of such a language have no italics
            kept = {key: value for key, value in part.items() if not (upright and key == "fontStyle")}
            return {key: in_language(value, language) for key, value in kept.items()}
        case list() | tuple():
            return [in_language(value, language) for value in part]
        case Described(criteria=criteria, words=words):
            return f"{criteria}|{language.drawn(words)}"
        case str():
            return language.drawn(part)
        case _:
            return part


def altair_figure(drawing: Drawing) -> alt.TopLevelMixin:
    """Give all charts in rows of two as one of Altair, which notebooks show."""
    import altair

    charts = [chart for _, chart in drawing.charts]
    whole = configured({"concat": charts, "columns": COLUMNS, "spacing": GAP}, "white")
    figure: alt.ConcatChart = altair.ConcatChart.from_dict(whole, validate=False)
    return figure


def split_title(chart: Spec) -> tuple[Spec, str, str]:
    """Give a chart without its title, and the title and subtitle, which pages and files set above the picture."""
    title = chart.get("title", {})
    return (
        {key: part for key, part in chart.items() if key != "title"},
        title.get("text", ""),
        title.get("subtitle", ""),
    )


def side_by_side(pictures: Sequence[str], titles: Sequence[tuple[str, str]] = ()) -> str:
    """Arrange SVGs in rows of two, on white, as one SVG for a file. titles: title and subtitle of each, if any."""
    sizes = [tuple(map(float, SIZE.findall(picture)[0])) for picture in pictures]
    head = LINE * max((sum(map(bool, lines)) for lines in titles), default=0)
    wide, y, placed = max(width for width, _ in sizes), 0.0, []
    for start in range(0, len(pictures), COLUMNS):
        row = range(start, min(start + COLUMNS, len(pictures)))
        for i in row:
            x = (i - start) * (wide + GAP)
            placed += [*_title(titles[i] if titles else (), x, y), _placed(pictures[i], f"chart{i}", x, y + head)]
        y += max(sizes[i][1] for i in row) + head + GAP
    width, height = min(len(pictures), COLUMNS) * (wide + GAP) - GAP, y - GAP
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    white = '<rect width="100%" height="100%" fill="white"/>'
    return f"<svg {NAMESPACES} {size}>{white}{''.join(placed)}</svg>"


def _title(lines: Sequence[str], x: float, y: float) -> Iterator[str]:
    """Write a title in ink, and a subtitle in grey; a long one ends in an ellipsis."""
    for number, (line, size, weight, colour) in enumerate(zip(lines, (13, 11), (600, 400), (INK, FAINT), strict=False)):
        style = f'font-family="{FONT}" font-size="{size}" font-weight="{weight}" fill="{colour}"'
        text = line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
        if line:
            yield f'<text x="{x + PADDING:g}" y="{y + LINE * (number + 1):g}" {style}>{escape(text)}</text>'


def _placed(svg: str, name: str, x: float, y: float) -> str:
    """Move the content of an SVG. name: prefix of its ids, as pictures share theirs.

    A picture inside a picture would be cut at its edges, for which the PNG takes twice the time.
    """
    inside = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    named = re.sub(r'( id="|url\(#)(part\d)', rf"\g<1>{name}-\g<2>", inside)
    return f'<g transform="translate({x:g},{y:g})">{named}</g>'


def configured(chart: Spec, background: str = "transparent") -> Spec:
    """Set fonts, colours of axes and titles, and the background."""
    text = {"labelFont": FONT, "titleFont": FONT, "labelColor": INK, "titleColor": INK, "labelFontSize": 11}
    axis = text | {"titleFontSize": 12, "titleFontWeight": "normal", "gridColor": GRID, "domainColor": DOMAIN}
    title = {"font": FONT, "fontSize": 13, "color": INK, "anchor": "start", "fontWeight": 600, "offset": 10}
    config = {"font": FONT, "axis": axis, "title": title, "view": {"stroke": None}}
    return chart | {"$schema": SCHEMA, "background": background, "padding": PADDING, "config": config}


def svg_text(figure: alt.TopLevelMixin | Spec) -> str:
    """Draw a figure as SVG text, the same each time: the renderer goes on counting its ids from figure to figure."""
    text = str(vl_convert.vegalite_to_svg(_spec_of(figure)))
    names = {old: f"part{number}" for number, old in enumerate(dict.fromkeys(re.findall(r' id="([^"]+)"', text)))}
    return re.sub(r'( id="|url\(#)([^")]+)', lambda found: found[1] + names.get(found[2], found[2]), text)


def png_bytes(svg: str) -> bytes:
    """Turn an SVG into a PNG, two pixels a unit of length."""
    return bytes(vl_convert.svg_to_png(svg, scale=2))


def _spec_of(figure: alt.TopLevelMixin | Spec) -> Spec:
    spec: Spec = figure if isinstance(figure, dict) else figure.to_dict(validate=False)
    return spec
