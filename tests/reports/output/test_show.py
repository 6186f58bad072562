from types import SimpleNamespace

from prunebench.records.sparse import ChoiceChange, PushedUnits
from prunebench.reports.output.show import layer_table


def test_layers_costs_and_accuracies(make: SimpleNamespace) -> None:
    lines = layer_table(make.record("taylor", 2, 0.5, "global", accuracy=0.8)).splitlines()
    cells = {line.split()[0]: line.split()[1:] for line in lines if line.strip()}
    assert lines[1] == "key taylor-2-0.5-global, version 1 of the protocol's rules"
    assert lines[0] == "mnist x lenet5 | taylor | global ranking | seed 2 | keep 0.5 of MACs"
    # widths 20 35 50 10: 576*25*20 + 64*25*20*35 + 16*35*50 + 50*10 = 1,436,500
    assert cells["MACs"] == ["2,293,000", "1,436,500", "62.65", "%", "1.60x"]
    assert cells["fc1"] == ["500", "50", "10.0", "%", "floor"]
    assert cells["conv1"] == ["20", "20", "100.0", "%"]
    assert any(line.endswith("fine-tuned 80.00 %") for line in lines)


def test_batchnorm_is_named_only_where_new_statistics_change_the_accuracy(make: SimpleNamespace) -> None:
    record = make.record("taylor")
    assert record.accuracy
    told = [
        layer_table(
            record.model_copy(update={"accuracy": record.accuracy.model_copy(update={"cut": 0.3, "cut_bn": bn})})
        )
        for bn in (0.3, 0.4)
    ]
    assert "cut 30.00 %, fine-tuned" in told[0]
    assert "cut 30.00 %, BatchNorm re-estimated 40.00 %, fine-tuned" in told[1]


def test_a_failed_point_says_why(make: SimpleNamespace) -> None:
    assert layer_table(make.failure(reason="out of memory")).splitlines()[-1] == "failed: out of memory"


def test_removed_blocks_are_named(make: SimpleNamespace) -> None:
    record = make.record("taylor", 1)
    shallow = record.model_copy(update={"blocks": ("layer1.0", "layer3.2")})
    assert "residual blocks removed: layer1.0, layer3.2" in layer_table(shallow).splitlines()
    assert "blocks" not in layer_table(record)


def test_ineffective_sparse_training_is_said(make: SimpleNamespace) -> None:
    assert "went from 100 to 97; it acts on 50 % of the units; it fell by less than 5 %" in layer_table(
        make.record("l1", 0)
    )
    assert "it fell by less than 5 %" not in layer_table(make.record("l1", 1))
    changed = make.record("l1", 0).model_copy(update={"change": ChoiceChange(overlap=0.7, by_chance=0.5)})
    told = layer_table(changed)
    assert "70 % of the removed units would go without it, too (50 % by chance)" in told and "hardly" not in told
    same = make.record("l1", 1).model_copy(update={"change": ChoiceChange(overlap=0.95, by_chance=0.5)})
    assert "; the choice hardly changed" in layer_table(same)


def test_pushed_units_are_said(make: SimpleNamespace) -> None:
    pushed = PushedUnits(units=570, pushed=285, cut=428, both=280)
    told = layer_table(make.record("l1", 1, pushed=pushed))
    assert "sparse training: 285 of 570 units pushed; 428 were cut, 280 of them pushed" in told
