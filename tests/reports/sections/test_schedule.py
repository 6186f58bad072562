from types import SimpleNamespace

from prunebench.reports.document import Table, Text
from prunebench.reports.results import gather_results
from prunebench.reports.sections.schedule import schedule_section

PROTOCOL = {"rate": 0.1, "epochs": 20, "sparse_epochs": 4, "sparse_rate": 0.3, "rung": 0.8, "rung_epochs": 1}
PROTOCOL |= {"finetune_epochs": 6, "finetune_rate": 0.1, "restart": False, "weights": "", "normalise": "data"}


def rows(make: SimpleNamespace, **changes: object) -> tuple[list[object], tuple[str, ...]]:
    record = make.record().model_copy(update={"protocol": {**PROTOCOL, **changes}})
    section = schedule_section(gather_results("here", [record]))
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    return [block for block in section.blocks if isinstance(block, Text)], tuple(map(str, table.rows[0]))


def test_epochs_and_rates_of_every_stage(make: SimpleNamespace) -> None:
    texts, row = rows(make)
    assert texts == []
    assert row[2:] == ("none", "20 at 0.1", "4 at 0.03", "1 at 0.01", "6 at 0.01", "ladder of x0.8")


def test_a_checkpoint_that_was_only_cut(make: SimpleNamespace) -> None:
    nothing = dict.fromkeys(("epochs", "sparse_epochs", "rung_epochs", "finetune_epochs"), 0)
    texts, row = rows(make, **nothing, weights="resnet20.th 0123", normalise="imagenet", restart=True)
    assert len(texts) == 1
    assert row[1] == "resnet20.th 0123, ImageNet's colours"
    assert set(row[2:7]) == {"none"}


def test_a_ladder_of_equal_steps_with_fewer_epochs_each(make: SimpleNamespace) -> None:
    texts, row = rows(make, rung_step=0.121212, rung_epochs="3,2,1", optimiser="adam", constant_rate=True)
    assert texts == []
    assert row[1].endswith("; trained by Adam; constant rates")
    assert (row[5], row[7]) == ("3,2,1 at 0.01", "ladder of 12.1 % of the dense network")


def test_a_repair_after_every_cut(make: SimpleNamespace) -> None:
    assert rows(make, repair="least-squares")[1][7] == "ladder of x0.8; then repaired: least-squares"


def test_scores_that_were_normalised_by_layer(make: SimpleNamespace) -> None:
    assert rows(make, normalise_scores="mean")[1][7] == "ladder of x0.8; scores normalised by layer: mean"


def test_a_new_classifier(make: SimpleNamespace) -> None:
    _, row = rows(make, frozen_epochs=3, frozen_rate=0.5)
    assert row[2] == "3 at 0.05"
