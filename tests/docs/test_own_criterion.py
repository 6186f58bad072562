"""What the pages about criteria show must work as it stands there, and name everything."""

import doctest
import re
from pathlib import Path

import pytest

from prunebench.cli.check import check_criteria
from prunebench.plugins.criterion import EVIDENCE
from prunebench.plugins.registry import Registry
from prunebench.testing.criterion import checks

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "how-to/own-criterion.md").read_text()
REFERENCE = (DOCS / "reference/plugins.md").read_text()
FILES = {
    name: block
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    for name in re.findall(r"^CRITERION = (?:Criterion|ModelScore)\((\w+)", block, re.MULTILINE)
}


@pytest.mark.parametrize("name", ["peak", "units_lasso", "sensitivity"])
def test_a_criterion_of_the_page_passes_the_check(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.py"
    path.write_text(FILES[name])
    text, passed = check_criteria((str(path),), False, ())
    assert passed, text
    values: dict[str, object] = {}
    exec(FILES[name], values)
    examples = doctest.DocTestFinder().find(values[name], name, module=False, globs=values)
    assert all(doctest.DocTestRunner().run(example).failed == 0 for example in examples)


def test_every_check_and_all_evidence_is_on_the_page() -> None:
    section = REFERENCE.partition("## What is checked")[2].partition("##")[0]
    entries = Registry().criteria
    named = {name for entry in ("obd", "hsqgl12", "magnitude") for name, _ in checks(entries[entry].plugin)}
    for name in named:
        words = name.removeprefix("scores ")
        assert words in section or words.startswith("regulariser: "), name
    rows = re.findall(r"^\| (`.*?) \|", REFERENCE.partition("## What a score is given")[2], re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} >= set(EVIDENCE)
