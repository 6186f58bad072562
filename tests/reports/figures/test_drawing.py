from xml.etree import ElementTree

import altair as alt

from prunebench.reports.figures.drawing import (
    GAP,
    LINE,
    LONGEST,
    SIZE,
    Drawing,
    altair_figure,
    configured,
    describe,
    in_language,
    png_bytes,
    side_by_side,
    split_title,
    svg_text,
)
from prunebench.reports.language.languages import find_language
from prunebench.reports.language.message import say

CHART = {"data": {"values": [{"a": 1}]}, "mark": "point", "encoding": {"x": {"field": "a", "type": "quantitative"}}}


def test_a_figure_for_notebooks_is_one_of_altair() -> None:
    figure = altair_figure(Drawing("name", "title", (("", CHART), ("", CHART), ("", CHART))))
    assert isinstance(figure, alt.ConcatChart)
    assert "<svg" in svg_text(figure)


def test_a_chart_is_given_in_another_language_as_a_whole() -> None:
    mark = {"words": describe("taylor", say("{criterion}, keep {keep}", criterion="taylor", keep="0.5")), "x": 1}
    chart = {"layer": [{"values": [mark], "title": say("accuracy")}], "fontStyle": "italic", "size": (2, None)}
    persian = in_language(chart, find_language("fa"))
    assert persian["layer"][0]["values"][0]["words"].startswith("taylor|\u2067\u2066taylor\u2069")
    assert persian["layer"][0]["title"] == "\u2067دقت\u2069" and persian["size"] == [2, None]
    assert "fontStyle" not in persian
    assert in_language(chart, find_language("en")) == chart | {"size": [2, None]}


def test_panels_are_joined_in_rows_of_two() -> None:
    rule = CHART | {"mark": {"type": "rule", "clip": True}}
    one = svg_text(configured(rule))
    ((width, height),) = SIZE.findall(one)
    whole = ElementTree.fromstring(side_by_side([one] * 3))
    assert float(whole.get("width", 0)) == 2 * float(width) + GAP
    assert float(whole.get("height", 0)) == 2 * float(height) + GAP
    assert [part.get("transform") for part in whole if part.tag.endswith("}g")] == [
        "translate(0,0)",
        f"translate({float(width) + GAP:g},0)",
        f"translate(0,{float(height) + GAP:g})",
    ]
    ids = [part.get("id") for part in whole.iter() if part.get("id")]
    assert len(ids) == len(set(ids)) == 3
    assert png_bytes(side_by_side([one])).startswith(b"\x89PNG")


def test_the_background_of_the_page_is_its_own() -> None:
    assert 'fill="transparent"' in svg_text(configured(CHART)) or 'fill="white"' not in svg_text(configured(CHART))
    assert 'fill="white"' in svg_text(configured(CHART, "white"))


def test_a_figure_is_drawn_the_same_each_time() -> None:
    rule = CHART | {"mark": {"type": "rule", "clip": True}}
    first = svg_text(configured(rule))
    assert "url(#part0)" in first and svg_text(configured(rule)) == first


def test_titles_stand_above_the_pictures_of_a_file() -> None:
    chart, title, subtitle = split_title(CHART | {"title": {"text": "a & b", "subtitle": "local ranking", "limit": 9}})
    assert (chart, title, subtitle) == (CHART, "a & b", "local ranking") and split_title(CHART)[1:] == ("", "")
    one = svg_text(configured(chart))
    ((_, height),) = SIZE.findall(one)
    whole = ElementTree.fromstring(side_by_side([one] * 2, [(title, subtitle), ("n" * 900, "")]))
    assert float(whole.get("height", 0)) == float(height) + 2 * LINE
    texts = [part.text for part in whole if part.tag.endswith("text")]
    assert texts == ["a & b", "local ranking", "n" * LONGEST + "…"]
    placed = [part.get("transform", "") for part in whole if part.tag.endswith("}g")]
    assert len(placed) == 2 and all(move.endswith(f",{2 * LINE})") for move in placed)
