"""Names of any signs in a picture on the page."""

from xml.etree import ElementTree

import pytest
from pydantic import ValidationError

from prunebench.records.record import Cell
from prunebench.reports.figures.drawing import configured, describe, mark_name, svg_text
from prunebench.reports.figures.inline import inline_svg
from prunebench.reports.figures.marks import field, finished, symbols

NAMES = ("a|b", 'say "x"', "it's", "<script>", "a & b", "\u202eright", "a b", "url(#x)", "#222222", "100%25")


@pytest.mark.parametrize("name", NAMES)
def test_a_mark_is_found_by_its_name_and_tells_its_words(name: str) -> None:
    row = {"x": 1, "py": 1, "colour": "red", "fill": "red", "shape": "circle", "words": describe(name, f"{name}: 1")}
    chart = finished([symbols([row], field("x"))], (50, 50), {"text": f"{name} | of a task"})
    root = ElementTree.fromstring(inline_svg(svg_text(configured(chart)), "f", name))
    marks = [one for one in root.iter() if "data-criterion" in one.attrib]
    assert [one.get("data-criterion") for one in marks] == [mark_name(name)]
    assert [one.findtext("title") for one in marks] == [f"{name}: 1"]
    assert len(mark_name(name).split()) == 1


def test_names_that_cannot_be_drawn_are_refused() -> None:
    with pytest.raises(ValidationError):
        Cell(dataset="\ufffe", model="lenet5", criterion="l1", seed=0, metric="macs", keep=0.5, ranking="local")
