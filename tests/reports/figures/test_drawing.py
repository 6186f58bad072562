import altair as alt

from prunebench.reports.figures.drawing import Drawing, altair_figure, configured, png_bytes, svg_text, whole_figure

CHART = {"data": {"values": [{"a": 1}]}, "mark": "point", "encoding": {"x": {"field": "a", "type": "quantitative"}}}


def test_a_whole_figure_is_one_of_altair_and_draws_as_its_specification() -> None:
    drawing = Drawing("name", "title", (("", CHART), ("", CHART), ("", CHART)))
    figure = altair_figure(drawing)
    assert isinstance(figure, alt.ConcatChart)
    assert svg_text(figure) == svg_text(whole_figure(drawing))
    assert png_bytes(svg_text(figure)).startswith(b"\x89PNG")


def test_the_background_of_the_page_is_its_own() -> None:
    assert 'fill="transparent"' in svg_text(configured(CHART)) or 'fill="white"' not in svg_text(configured(CHART))
    assert 'fill="white"' in svg_text(configured(CHART, "white"))


def test_a_figure_is_drawn_the_same_each_time() -> None:
    rule = CHART | {"mark": {"type": "rule", "clip": True}}
    first = svg_text(configured(rule))
    assert "url(#part0)" in first and svg_text(configured(rule)) == first
