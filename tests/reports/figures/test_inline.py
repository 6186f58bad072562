"""Names of any signs in a picture on the page."""

from xml.etree import ElementTree

import pytest

from prunebench.reports.figures.drawing import configured, describe, mark_name, svg_text
from prunebench.reports.figures.inline import inline_svg
from prunebench.reports.figures.marks import field, finished, symbols

NAMES = ("a|b", 'say "x"', "it's", "<script>", "a & b", "\u202eright", "a b", "url(#x)", "#222222", "100%25", "\ufffe")


@pytest.mark.parametrize("name", NAMES)
def test_a_mark_is_found_by_its_name_and_tells_its_words(name: str) -> None:
    row = {"x": 1, "py": 1, "colour": "red", "fill": "red", "shape": "circle", "words": describe(name, f"{name}: 1")}
    chart = finished([symbols([row], field("x"))], (50, 50), {"text": f"{name} | of a task"})
    root = ElementTree.fromstring(inline_svg(svg_text(configured(chart)), "f", name.replace("\ufffe", "")))
    marks = [one for one in root.iter() if "data-criterion" in one.attrib]
    assert [one.get("data-criterion") for one in marks] == [mark_name(name)]
    assert [one.findtext("title") for one in marks] == [f"{name}: 1".replace("\ufffe", "\ufffd")]
    assert len(mark_name(name).split()) == 1
