from types import SimpleNamespace
from typing import Any

from prunebench.records.record import StageValues
from prunebench.reports.analysis.damage import damages
from prunebench.reports.output.overview import overview
from prunebench.reports.results import gather_results
from prunebench.reports.sections.reestimated import spoilt_sections

PROTOCOL = {"batch": 128, "rate": 0.1, "finetune_rate": 0.3, "finetune_epochs": 10}


def record(make: SimpleNamespace, before: float, after: float, **changes: Any) -> Any:
    scores = StageValues(dense=0.9, cut=0.2, cut_bn=before, finetuned=after)
    environment = make.record().environment.model_copy(update={"steps": {"dense": 90, "finetune": 40}})
    fields = {"protocol": PROTOCOL, "environment": environment} | changes
    return make.record(**fields).model_copy(update={"accuracy": scores})


def test_fine_tuning_that_lowers_the_accuracy_is_flagged_with_steps_and_cure(make: SimpleNamespace) -> None:
    records = [record(make, 0.80, 0.70), record(make, 0.80, 0.85, criterion="taylor")]
    results = gather_results("x", records)
    (section,) = spoilt_sections(results)
    text = make.text(section)
    assert "at 1 of 2 points, most for `magnitude` at 0.5 of the MACs: from 80.00 %" in text
    assert "to 70.00 %. It trained 10 epochs (40 steps) in batches of 128, at a peak rate of 0.03." in text
    assert "raise --finetune-epochs, lower --batch" in text
    assert "Check this first" in overview(results)


def test_no_flag_where_fine_tuning_helped_or_there_was_none(make: SimpleNamespace) -> None:
    assert spoilt_sections(gather_results("x", [record(make, 0.7, 0.8)])) == []
    untrained = record(make, 0.8, 0.7, protocol=PROTOCOL | {"finetune_epochs": 0})
    assert damages(gather_results("x", [untrained])) == []
    assert damages(gather_results("x", [record(make, 0.8, 0.7, criterion="scratch:taylor")])) == []


def test_a_record_without_steps_is_flagged_as_well(make: SimpleNamespace) -> None:
    old = record(make, 0.8, 0.7, environment=make.record().environment)
    (found,) = damages(gather_results("x", [old]))
    assert found.steps is None and (found.batch, found.epochs) == (128, 10)
