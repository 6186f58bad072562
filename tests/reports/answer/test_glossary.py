import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

from prunebench.plugins.registry import Registry
from prunebench.reports.answer.glossary import glossary_section
from prunebench.reports.criterion_lines import criterion_lines, own_lines
from prunebench.reports.results import gather_results


def test_every_criterion_of_the_page_has_its_line(make: SimpleNamespace) -> None:
    names = ("magnitude", "reg_obd", "scratch:taylor", "dense_continued", "my_own:power=2+l1")
    results = gather_results("x", [make.record(name) for name in names])
    lines = make.lines(glossary_section(results))
    assert lines[0].startswith("`magnitude`: Magnitude: the norm of a unit's weights")
    for name in ("hsqgl12", "obd", "taylor", "l1"):
        assert sum(line.startswith(f"`{name}`: ") for line in lines) == 1
    assert "`my_own`: these results do not say what this criterion is." in lines
    assert "`reg_obd`: another name of `hsqgl12+obd`." in lines
    told = replace(results, lines={"my_own": "The cube root.", "l1": "As it was then."})
    assert {"`my_own`: The cube root.", "`l1`: As it was then."} <= set(make.lines(glossary_section(told)))


def test_results_without_criteria_have_the_words_alone() -> None:
    assert criterion_lines(gather_results("x", [])) == {}
    assert "The criteria of this report" not in str(glossary_section(gather_results("x", [])))


def test_own_lines_are_of_all_criteria_and_need_no_torch() -> None:
    assert set(own_lines()) == set(Registry().criteria) and all(own_lines().values())
    code = "from prunebench.reports.criterion_lines import own_lines; own_lines(); import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert "torch" not in done.stdout.split()
