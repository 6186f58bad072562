from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prunebench.errors import CellError
from prunebench.records.protocol import LATER, PROTOCOL_VERSION, Protocol
from prunebench.records.record import Record
from prunebench.records.stage import read_stage_facts
from prunebench.study.cut import Cutter
from prunebench.study.environment import cpu_kernels
from prunebench.study.grid import Job, make_trajectory
from prunebench.study.networks import load, network_digest
from prunebench.study.outcome import measured
from prunebench.study.store import Store
from prunebench.study.trajectory import Trajectory
from prunebench.training.evaluate import Result, evaluate

KEEPS = (0.9, 0.7, 0.5, 0.3)


def trajectory_of(computed: Any, criterion: str) -> Trajectory:
    job = Job("digits", "lenet5", criterion, 0)
    return make_trajectory(computed.spec, Store(computed.spec.results), job)


def epochs(record: Record) -> Counter[str]:
    return Counter(epoch.stage for epoch in record.curves)


def test_four_keeps_cost_the_deepest_ladder_and_a_branch_each(computed: Any) -> None:
    trained = Counter(computed.trained)
    ladders = 5  # all but scratch
    assert trained == {
        "dense": 1,
        "sparse": 2,  # the plain one is shared, l1 has its own
        **{f"rung {number}": ladders for number in (1, 2, 3, 4, 5)},  # .8 .64 .512 .4096 .32768
        **{f"finetune {keep:g}": ladders for keep in KEEPS},
        **{f"scratch {keep:g}": 1 for keep in KEEPS},
    }
    stages = [folder for folder in (computed.spec.results / "stages").iterdir() if folder.is_dir()]
    assert len(stages) == trained.total()


def test_every_point_stands(computed: Any) -> None:
    assert len(computed.records) == 6 * 4
    assert {(r.status, r.reason) for r in computed.records.values()} == {("ok", "")}


@pytest.mark.parametrize("keep", KEEPS)
def test_achieved_keeps(computed: Any, keep: float) -> None:
    for (criterion, asked), record in computed.records.items():
        if asked == keep and criterion != "dense_continued":
            assert keep - 0.05 < record.keep["macs"] <= keep
            assert record.keep["macs"] == record.pruned.macs / record.dense.macs


@pytest.mark.parametrize("keep", KEEPS)
def test_controls_have_exactly_the_widths_that_they_copy(computed: Any, keep: float) -> None:
    widths = computed.records["magnitude", keep].widths
    assert any(after < before for before, after in widths.values())
    for criterion in ("shuffle:magnitude", "scratch:magnitude"):
        assert computed.records[criterion, keep].widths == widths
        assert computed.records[criterion, keep].per_image != computed.records["magnitude", keep].per_image


def test_dense_continued_keeps_everything(computed: Any) -> None:
    for keep in KEEPS:
        record = computed.records["dense_continued", keep]
        assert record.keep == {"macs": 1.0, "params": 1.0, "units": 1.0}
        assert record.cell.keep == keep


@pytest.mark.parametrize(("keep", "rungs"), [(0.9, 0), (0.7, 1), (0.5, 3), (0.3, 5)])
def test_everybody_trains_as_long(computed: Any, keep: float, rungs: int) -> None:
    ladder = {f"rung {number}": 1 for number in range(1, rungs + 1)}
    for criterion in ("magnitude", "random", "l1", "shuffle:magnitude", "dense_continued"):
        found = epochs(computed.records[criterion, keep])
        assert found == {"dense": 3, "sparse": 1, **ladder, f"finetune {keep:g}": 1}
    scratch = epochs(computed.records["scratch:magnitude", keep])
    assert scratch == {"dense": 3, f"scratch {keep:g}": 3 + 1 + rungs + 1}


def test_a_block_shares_its_dense_network(computed: Any) -> None:
    assert len({(r.accuracy.dense, r.loss.dense) for r in computed.records.values()}) == 1
    assert len({r.dense for r in computed.records.values()}) == 1


def test_scratch_forgets_the_trained_weights(computed: Any) -> None:
    scratch, shuffled = (computed.records[f"{name}:magnitude", 0.9] for name in ("scratch", "shuffle"))
    assert scratch.loss.cut > 2.2  # of ten classes: log(10) = 2.3 for a network that knows nothing
    assert shuffled.loss.cut < 2.2


def test_the_regulariser_is_in_its_own_records_only(computed: Any) -> None:
    assert computed.records["l1", 0.5].sparse.before > computed.records["l1", 0.5].sparse.after > 0
    assert computed.records["magnitude", 0.5].sparse is None
    assert computed.records["l1", 0.5].evidence == ("weight",)


def test_numbers_of_a_record_fit_together(computed: Any) -> None:
    task = trajectory_of(computed, "magnitude").task
    labels = task.loaded.test.labels.numpy()
    for record in computed.records.values():
        right = record.per_image.predicted.unpack(record.per_image.pictures) == labels
        assert np.array_equal(record.per_image.correct.unpack(record.per_image.pictures), right)
        assert record.accuracy.finetuned == right.mean()
        assert record.loss.finetuned == pytest.approx(
            record.per_image.loss.unpack(record.per_image.pictures).astype(float).mean(), rel=1e-3
        )
        assert record.top5 is None
        assert record.environment.threads == 1
        assert record.protocol_version == PROTOCOL_VERSION
        assert set(record.protocol) == {*Protocol.model_fields} - LATER
        assert set(record.environment.kernels.values()) == {cpu_kernels()}
        assert set(record.environment.seconds) == {label.split(" 0.")[0] for label in epochs(record)}


def test_a_stage_states_its_network_and_what_it_was_made_from(computed: Any) -> None:
    ready, store = trajectory_of(computed, "shuffle:magnitude"), Store(computed.spec.results)
    point = ready.plan.point(ready.method, 0.5)
    found = {stage.label: read_stage_facts(store.stage(stage.key)) for stage in point.chain()}
    assert found["dense"].parents == ()
    assert point.parent and point.copies
    assert found[point.label].parents == (point.parent.key, point.copies.key)
    assert len({one.digest for one in found.values()}) == len(found)
    assert found[point.label].digest == network_digest(ready.network(point))


def test_a_saved_network_gives_the_recorded_predictions(computed: Any) -> None:
    ready = trajectory_of(computed, "l1")
    stage = ready.plan.point(ready.method, 0.5)
    model = load(Store(computed.spec.results).stage(stage.key))
    result = evaluate(model.to(memory_format=torch.channels_last), ready.data.test)
    record = computed.records["l1", 0.5]
    assert np.array_equal(result.predicted.numpy(), record.per_image.predicted.unpack(record.per_image.pictures))
    assert result.accuracy == record.accuracy.finetuned


def test_a_keep_does_not_depend_on_the_others_or_on_the_order_of_criteria(
    computed: Any, tiny: Callable[..., Any], computing: Callable[..., Any], tmp_path: Path
) -> None:
    # Controls first: they have to compute what they copy. One keep only; a fresh folder, so all is computed again.
    criteria = ("shuffle:magnitude", "scratch:magnitude", "l1", "magnitude")
    again = computing(tiny(tmp_path, criteria=criteria, keep="0.3"))
    assert set(again.records) == {(name, 0.3) for name in criteria}
    for cell, record in again.records.items():
        assert record.facts() == computed.records[cell].facts()


def test_a_record_joins_the_choices_of_all_cuts(
    computed: Any, tiny: Callable[..., Any], computing: Callable[..., Any], tmp_path: Path
) -> None:
    for (criterion, keep), record in computed.records.items():
        assert (record.selection is None) == (criterion not in ("magnitude", "l1")), criterion
        if record.selection is not None:
            gone = [dense - left for dense, left in record.widths.values()]
            assert record.selection.removed == sum(gone) and record.selection.error is None, keep
    plugin = tmp_path / "same.py"
    plugin.write_text(
        "from prunebench import Criterion\n\ndef same(weight):\n    return weight[:, 0] * 0\n\nX = Criterion(same)\n"
    )
    options = {"criteria": ("kron_obd", "same"), "keep": "0.7,0.3", "plugin": (str(plugin),)}
    spec = tiny(tmp_path / "killed", **options)
    with pytest.raises(KeyboardInterrupt):
        computing(spec, kill_at="rung 3")
    rest, whole = computing(spec), computing(tiny(tmp_path / "whole", **options))
    assert {cell: r.facts() for cell, r in rest.records.items()} == {c: r.facts() for c, r in whole.records.items()}
    found = {cell: record.selection for cell, record in rest.records.items()}
    assert found["kron_obd", 0.3].error > 0 and found["kron_obd", 0.3].removed > found["kron_obd", 0.7].removed
    constant = found["same", 0.3]
    assert constant.by_lot == constant.removed and len(constant.constant) == constant.groups == 3
    assert "(score constant in 3 of 3 groups)" in rest.records["same", 0.3].summary()


def test_a_killed_run_goes_on_where_it_was(
    computed: Any, tiny: Callable[..., Any], computing: Callable[..., Any], tmp_path: Path
) -> None:
    spec = tiny(tmp_path, criteria=("l1", "shuffle:magnitude"), keep="0.7,0.3")
    with pytest.raises(KeyboardInterrupt):
        computing(spec, kill_at="rung 3")
    assert not list(tmp_path.rglob("*.part"))
    assert len(list((tmp_path / "records").rglob("*.json"))) == 1  # l1 at .7
    rest = computing(spec)
    assert {"dense", "rung 3"} & set(rest.trained) == {"rung 3"}
    assert rest.trained.count("sparse") == 0  # the plain one served l1, and serves the control
    for cell, record in rest.records.items():
        assert record.facts() == computed.records[cell].facts()


def test_a_network_that_gives_no_numbers_ends_the_cell() -> None:
    nothing = torch.tensor([1.0, float("nan")])
    with pytest.raises(CellError, match="loss on the test pictures is nan: training diverged, or was too short"):
        measured(Result(nothing, nothing, nothing, nothing))


def test_restart_gives_each_keep_the_same_epochs_from_the_dense_network(
    computed: Any, tiny: Callable[..., Any], computing: Callable[..., Any], tmp_path: Path
) -> None:
    again = computing(tiny(tmp_path, criteria="magnitude", keep="0.5,0.3", restart=True))
    assert Counter(again.trained) == {"dense": 1, "sparse": 1, "finetune 0.5": 1, "finetune 0.3": 1}
    for keep in (0.5, 0.3):
        one, other = again.records["magnitude", keep], computed.records["magnitude", keep]
        assert len(one.curves) == len(other.curves)
        assert one.widths == other.widths
        assert one.per_image != other.per_image


def test_a_record_names_the_folder_of_its_network(computed: Any) -> None:
    record = computed.records["magnitude", 0.5]
    model = load(computed.spec.results / "stages" / record.network)
    assert sum(parameter.numel() for parameter in model.parameters()) == record.pruned.params


def test_a_transferred_network_gets_its_classifier_first(
    computed: Any, tiny: Callable[..., Any], computing: Callable[..., Any], tmp_path: Path
) -> None:
    plan = trajectory_of(computed, "random").plan
    start = computed.spec.results / "stages" / plan.dense().key / "weights.safetensors"
    whole = computing(tiny(tmp_path / "whole", criteria="random", keep="0.9", weights=str(start), epochs=0))
    new = computing(
        tiny(tmp_path / "new", criteria="random", keep="0.9", weights=str(start), frozen_epochs=2, frozen_rate=0.5)
    )
    assert whole.records["random", 0.9].accuracy.dense == computed.records["random", 0.9].accuracy.dense
    curves = [epoch for epoch in new.records["random", 0.9].curves if epoch.stage in ("classifier", "dense")]
    assert [epoch.stage for epoch in curves] == ["classifier"] * 2 + ["dense"] * 3
    assert max(epoch.rate for epoch in curves[:2]) < 0.5 * 0.05


def test_a_regularisers_choice_is_compared_with_that_of_plain_training(
    tiny: Callable[..., Any], computing: Callable[..., Any], tmp_path: Path
) -> None:
    """With restarts, the removed sets of two runs are those that the comparison takes."""
    names = ("l1", "l1:strength=0", "magnitude", "l0", "obd+l1", "shuffle:l1")
    found = computing(tiny(tmp_path, criteria=names, keep="0.5", restart=True)).records
    changes = {name: found[name, 0.5].change for name in names}
    assert changes["magnitude"] is changes["l0"] is changes["obd+l1"] is changes["shuffle:l1"] is None
    assert changes["l1:strength=0"].overlap == 1  # the same training as the plain one
    assert 0 < changes["l1"].by_chance < changes["l1"].overlap <= 1
    alone = computing(tiny(tmp_path / "alone", criteria="l1", keep="0.5", restart=True))
    assert alone.trained.count("sparse") == 2  # with the term and without it
    assert alone.records["l1", 0.5].facts() == found["l1", 0.5].facts()


@pytest.mark.parametrize("names", [("shuffle:l1",), ("scratch:l1", "l1")])
def test_a_control_computes_the_regularised_point_that_it_copies_and_leaves_nothing(
    names: tuple[str, ...], tiny: Callable[..., Any], computing: Callable[..., Any], tmp_path: Path
) -> None:
    done = computing(tiny(tmp_path, criteria=names, keep="0.5", save="none"))
    assert {record.status for record in done.records.values()} == {"ok"}
    assert not list(tmp_path.rglob("weights.safetensors"))
    changes = {name: record.change for (name, _), record in done.records.items()}
    assert changes.pop("l1", True) and set(changes.values()) == {None}


def test_where_nothing_is_removed_or_scores_ignore_the_network_no_change_is_claimed(
    tiny: Callable[..., Any], computing: Callable[..., Any], tmp_path: Path
) -> None:
    found = computing(tiny(tmp_path, criteria=("l1", "l1+random"), keep="1")).records
    assert {record.change for record in found.values()} == {None}
    ours = trajectory_of(computing(tiny(tmp_path / "half", criteria="l1+random", keep="0.5")), "l1+random")
    assert ours.plan.point(ours.method, 0.5).beside is None


def test_gates_are_compared_with_no_plain_training(computed: Any) -> None:
    """A network that was trained plainly has no gates to rank by; training it would be for nothing."""
    for criterion, compared in (("l0", False), ("l1", True)):
        ours = trajectory_of(computed, criterion)
        assert (ours.plan.point(ours.method, 0.5).beside is not None) == compared


@pytest.mark.parametrize("name", ["growing_reg", "admm", "l0"])
def test_a_regulariser_leaves_streams_alone_that_are_not_pruned(
    name: str, tiny: Callable[..., Any], computing: Callable[..., Any], tmp_path: Path
) -> None:
    """Units of a stream that stays whole have no gate and are not pushed to zero."""
    small = {"models": "resnet20", "epochs": 1, "train_fraction": 0.1, "rung_epochs": 0, "keep": "0.8"}
    done = computing(tiny(tmp_path, criteria=name, coupled=False, restart=True, **small))
    record = done.records[name, 0.8]
    assert record.status == "ok"
    ours = trajectory_of(done, name)
    table = ours.task.table
    network = ours.network(ours.plan.sparse(ours.method))
    assert set(network.gates or network.pushed) == {g.name for g in table.groups if not table.coupled(g)}
    assert network.units == {group.name: group.units for group in table.groups}


def test_a_comparison_that_failed_is_made_by_the_next_run(
    tiny: Callable[..., Any], computing: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    whole = computing(tiny(tmp_path / "whole", criteria="l1", keep="0.5")).records["l1", 0.5]
    spec = tiny(tmp_path / "ours", criteria="l1", keep="0.5")
    with monkeypatch.context() as broken:
        broken.setattr(Cutter, "choose", fail)
        first = computing(spec).records["l1", 0.5]
    assert (first.status, first.change, first.not_compared) == ("ok", None, "RuntimeError: out of memory")
    again = computing(spec)
    assert again.records["l1", 0.5].facts() == whole.facts() and not again.trained
    assert whole.change is not None and not whole.not_compared
