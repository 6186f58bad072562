"""Differences of cuts with BatchNorm re-estimated, by hand."""

from types import SimpleNamespace

from prunebench.records.record import Record
from prunebench.reports.document import Table
from prunebench.reports.results import gather_results
from prunebench.reports.sections.reestimated import reestimated_sections


def cut(make: SimpleNamespace, criterion: str, seed: int, accuracy: float, anew: float, *, epochs: int = 0) -> Record:
    record: Record = make.record(criterion, seed)
    scores = record.accuracy.model_copy(update={"cut": accuracy, "cut_bn": anew, "finetuned": accuracy})  # type: ignore[union-attr]
    return record.model_copy(update={"accuracy": scores, "protocol": {"finetune_epochs": epochs}})


def test_both_accuracies_are_paired_by_seed(make: SimpleNamespace) -> None:
    records = [cut(make, "magnitude", seed, 0.5, 0.6) for seed in (0, 1)]
    records += [cut(make, "taylor", 0, 0.4, 0.7), cut(make, "taylor", 1, 0.42, 0.7), cut(make, "taylor", 2, 0.9, 0.9)]
    (section,) = reestimated_sections(gather_results("x", records))
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    assert table.rows == (
        ("mnist x lenet5", "local", "0.5 MACs", "taylor", "2", "-9.00 [-21.71, +3.71]", "+10.00 (all 2 equal)"),
    )


def test_it_is_for_cuts_alone(make: SimpleNamespace) -> None:
    records = [cut(make, name, 0, 0.5, 0.6, epochs=1) for name in ("magnitude", "taylor")]
    assert reestimated_sections(gather_results("x", records)) == []
    (alone,) = reestimated_sections(gather_results("x", [cut(make, "taylor", 0, 0.5, 0.6)]))
    assert alone.why_empty == "No criterion was run beside `magnitude`."
