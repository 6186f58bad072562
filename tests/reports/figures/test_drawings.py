"""What holds of every figure."""

import re
import warnings
from collections.abc import Callable
from types import SimpleNamespace

import altair as alt
import pandas as pd
import pytest

from prunebench.records.record import Record
from prunebench.reports.analysis.across_tasks import compare_across_tasks
from prunebench.reports.analysis.answers import find_answers
from prunebench.reports.figures.drawing import Drawing, configured, mark_name, svg_text
from prunebench.reports.figures.drawings import all_drawings
from prunebench.reports.output.all_tables import make_tables
from prunebench.reports.results import gather_results

NAMES = ["forest", "accuracy", "accuracy_params", "accuracy_ms", "smallest_keeps", "speed", "causes"]
NAMES += ["decomposition", "loss_curves"]
Draw = Callable[..., str]


def every_chart(drawings: dict[str, Drawing]) -> list[tuple[Drawing, int]]:
    return [(drawing, number) for drawing in drawings.values() for number in range(len(drawing.charts))]


def test_all_figures_come_in_the_order_of_the_page(drawings: dict[str, Drawing]) -> None:
    assert list(drawings) == NAMES


def test_every_chart_is_valid_vega_lite(drawings: dict[str, Drawing]) -> None:
    for drawing, number in every_chart(drawings):
        alt.LayerChart.from_dict(configured(drawing.charts[number][1]))


def test_charts_fit_a_phone_and_hold_no_missing_number(drawings: dict[str, Drawing], page_text: Draw) -> None:
    for drawing, number in every_chart(drawings):
        text = page_text(drawing, number)
        width, height = map(float, re.findall(r'<svg[^>]* width="([\d.]+)" height="([\d.]+)"', text)[0])
        assert width <= 360, drawing.name
        assert height <= 520, drawing.name
        assert "NaN" not in text and "undefined" not in text and "null" not in text


def test_every_mark_is_described_by_words(
    tables: dict[str, pd.DataFrame], drawings: dict[str, Drawing], page_text: Draw
) -> None:
    for drawing, number in every_chart(drawings):
        marks = re.findall(r'data-criterion="([^"]+)"[^>]*><title>([^<]*)</title>', page_text(drawing, number))
        assert marks, drawing.name
        known = {*drawing.criteria, "dense"}
        if drawing.name == "decomposition":
            known |= set(map(mark_name, tables["decomposition"]["source"]))
        for criteria, words in marks:
            assert set(criteria.split()) <= known
            assert words in ("band", criteria) or re.search(r"\d", words)


def test_a_figure_is_drawn_the_same_every_time(tables: dict[str, pd.DataFrame], drawings: dict[str, Drawing]) -> None:
    answers = find_answers(tables["summary"], tables["differences"])
    again = {
        drawing.name: drawing for drawing in all_drawings(tables, [], answers, 0.005, ("imaginary", "eager", 64, 1))
    }
    assert {name: drawing.charts for name, drawing in again.items()} == {n: d.charts for n, d in drawings.items()}


def test_colours_are_those_that_the_page_can_theme(drawings: dict[str, Drawing], page_text: Draw) -> None:
    for drawing, number in every_chart(drawings):
        text = page_text(drawing, number)
        assert '"black"' not in text and '"#222222"' not in text and '"#767676"' not in text


def test_captions_say_where_bands_are_seen(drawings: dict[str, Drawing]) -> None:
    """The page shows the band of one line at a time, a file those of all."""
    for drawing in drawings.values():
        assert ("under the pointer" in drawing.title) == ("Bands" in drawing.title)


def test_captions_are_one_to_three_sentences(drawings: dict[str, Drawing]) -> None:
    for drawing in drawings.values():
        assert 1 <= drawing.title.count(". ") + 1 <= 3
        assert "`" not in drawing.title


@pytest.mark.parametrize("records", ["none", "failed", "one", "all equal", "controls"])
def test_poor_results_draw_what_there_is(records: str, make: SimpleNamespace) -> None:
    given: dict[str, list[Record]] = {
        "none": [],
        "failed": [make.failure()],
        "one": [make.record(accuracy=1.0)],
        "controls": make.grid(("magnitude", "random", "dense_continued"), (0, 1)),
        "all equal": [make.record(name, seed, accuracy=0.5) for name in ("magnitude", "obd") for seed in range(3)],
    }
    results = gather_results("x", given[records])
    entries = compare_across_tasks(results)
    tables = make_tables(results, entries)
    answers = find_answers(tables["summary"], tables["differences"])
    found = all_drawings(tables, entries, answers, 0.005, None)
    assert bool(found) == (records not in ("none", "failed"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for drawing in found:
            for _, chart in drawing.charts:
                assert "NaN" not in svg_text(configured(chart))


def test_short_names_are_never_cut(page_text: Draw, make: SimpleNamespace) -> None:
    results = gather_results("x", make.grid(("magnitude", "random"), (0, 1)) + make.grid(("mmwmm",), (0, 1)))
    tables = make_tables(results, [])
    for drawing in all_drawings(tables, [], find_answers(tables["summary"], tables["differences"]), 0.005, None):
        assert "…" not in page_text(drawing), drawing.name
