from types import SimpleNamespace

import pytest

from prunebench.errors import UserError
from prunebench.reports.output.power import power_document
from prunebench.reports.output.writing import markdown
from prunebench.reports.results import gather_results


def test_every_primary_contrast_has_a_row(make: SimpleNamespace) -> None:
    text = markdown(
        power_document(gather_results("x", make.grid(("magnitude", "taylor", "random"), range(5))), 0.005, 0.8)
    )
    assert "difference of 0.5 points with a power of 80%" in text
    assert text.count("| mnist x lenet5 ") == 2 and "random" not in text


def test_equal_runs_and_no_spread(make: SimpleNamespace) -> None:
    tied = [make.record(c, s, accuracy=0.9) for c in ("magnitude", "taylor") for s in range(3)]
    assert "nan" not in markdown(power_document(gather_results("x", tied), 0.005, 0.8)).lower()
    with pytest.raises(UserError, match="x: no spread"):
        power_document(gather_results("x", make.grid(("magnitude", "taylor"), (0,))), 0.005, 0.8)
