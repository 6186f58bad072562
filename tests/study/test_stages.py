from collections.abc import Callable
from typing import Any

import pytest
from torch import Tensor

from prunebench.plugins.criterion import Criterion
from prunebench.plugins.expressions import Method, parse_method
from prunebench.plugins.registry import Registry
from prunebench.records.protocol import Protocol
from prunebench.study import stages
from prunebench.study.stages import Stage, StagePlan

REGISTRY = Registry()
Point = Callable[..., Stage]


def plan(**options: Any) -> StagePlan:
    block = {"seed": options.pop("seed", 0)}
    return StagePlan(Protocol.model_validate({"epochs": 3} | options), block, "macs")


def point(name: str, keep: float = 0.5, **options: Any) -> Stage:
    return plan(**options).point(parse_method(name, REGISTRY), keep)


def labels(stage: Stage) -> list[str]:
    return [s.label for s in stage.chain()]


def keys(stage: Stage) -> list[str]:
    return [s.key for s in stage.chain()]


def test_the_stages_that_lead_to_a_point() -> None:
    assert labels(point("magnitude", 0.5)) == ["dense", "sparse", "rung 1", "rung 2", "rung 3", "finetune"]
    assert labels(point("magnitude", 0.9)) == ["dense", "sparse", "finetune"]
    assert [s.keep for s in point("magnitude", 0.5).chain()] == pytest.approx([1, 1, 0.8, 0.64, 0.512, 0.5])


@pytest.mark.parametrize("name", ["magnitude", "dense_continued", "shuffle:magnitude", "l1", "obd+hsqgl12"])
@pytest.mark.parametrize("restart", [False, True])
def test_everybody_trains_as_many_epochs(name: str, restart: bool) -> None:
    options = {"sparse_epochs": 4, "rung_epochs": 2, "finetune_epochs": 5, "restart": restart}
    epochs = [s.epochs for s in point(name, 0.5, **options).chain()]
    assert sum(epochs) == 3 + 4 + 3 * 2 + 5


def test_scratch_trains_them_all_at_once() -> None:
    stage = point("scratch:magnitude", 0.5, sparse_epochs=4, rung_epochs=2, finetune_epochs=5)
    assert labels(stage) == ["dense", "scratch"]
    assert stage.epochs == 3 + 4 + 3 * 2 + 5


def test_restart_prunes_from_the_sparse_network() -> None:
    assert labels(point("magnitude", 0.5, restart=True)) == ["dense", "sparse", "finetune"]


def test_keeps_share_the_ladder() -> None:
    deep = keys(point("magnitude", 0.25))
    for keep in (0.9, 0.7, 0.5):
        *trunk, branch = keys(point("magnitude", keep))
        assert trunk == deep[: len(trunk)]
        assert branch not in deep


def test_what_criteria_share() -> None:
    plain = [keys(point(name)) for name in ("magnitude", "taylor", "obd", "random", "dense_continued", "obd+l1")]
    assert len({chain[0] for chain in plain}) == 1
    assert len({chain[1] for chain in plain}) == 1
    assert len({chain[2] for chain in plain}) == len(plain)
    sparse = [keys(point(name)) for name in ("l1", "hsqgl12", "l1+obd", "l1+magnitude", "hsqgl12+obd", "magnitude")]
    assert len({chain[0] for chain in sparse}) == 1
    assert [len({sparse[a][1], sparse[b][1]}) for a, b in ((0, 1), (0, 2), (0, 3), (1, 4), (0, 5))] == [2, 1, 1, 1, 2]
    assert keys(point("reg_obd")) == keys(point("hsqgl12+obd"))


def test_controls_copy_stage_by_stage() -> None:
    x = point("l1", 0.5)
    shuffled, scratched = point("shuffle:l1", 0.5), point("scratch:l1", 0.5)
    assert keys(shuffled)[:2] == keys(x)[:2]
    assert [s.copies and s.copies.key for s in shuffled.chain()] == [None, None, *keys(x)[2:]]
    assert scratched.copies is not None and scratched.copies.key == x.key
    assert not set(keys(shuffled)[2:]) & set(keys(x))


SAME, OTHER_POINT, OTHER_SPARSE, OTHER_DENSE = 3, 2, 1, 0


@pytest.mark.parametrize(
    ("option", "value", "shared"),
    [
        ("epochs", 4, OTHER_DENSE),
        ("weights", "resnet20.th 0123456789abcdef", OTHER_DENSE),
        ("normalise", "imagenet", OTHER_DENSE),
        ("frozen_epochs", 2, OTHER_DENSE),
        ("frozen_rate", 0.5, OTHER_DENSE),
        ("batch", 32, OTHER_DENSE),
        ("rate", 0.5, OTHER_DENSE),
        ("weight_decay", 0.5, OTHER_DENSE),
        ("train_fraction", 0.5, OTHER_DENSE),
        ("validation_fraction", 0.5, OTHER_DENSE),
        ("mixed_precision", True, OTHER_DENSE),
        ("tf32", True, OTHER_DENSE),
        ("seed", 1, OTHER_DENSE),
        ("sparse_epochs", 3, OTHER_SPARSE),
        ("sparse_rate", 0.5, OTHER_SPARSE),
        ("optimiser", "adam", OTHER_DENSE),
        ("constant_rate", True, OTHER_DENSE),
        ("rung", 0.9, OTHER_POINT),
        ("rung_step", 0.125, OTHER_POINT),
        ("rung_epochs", 3, OTHER_POINT),
        ("finetune_epochs", 3, OTHER_POINT),
        ("finetune_rate", 0.5, OTHER_POINT),
        ("ranking", "global", OTHER_POINT),
        ("normalise_scores", "mean", OTHER_POINT),
        ("repair", "bias", OTHER_POINT),
        ("coupled", False, OTHER_POINT),
        ("restart", True, OTHER_POINT),
        ("floor", 0.2, OTHER_POINT),
        ("round_to", 8, OTHER_POINT),
        ("calibration", 512, OTHER_POINT),
        ("calibration_batch", 32, OTHER_POINT),
        ("units", "blocks", OTHER_POINT),
    ],
)
def test_an_option_changes_the_keys_from_the_stage_on_that_it_decides(option: str, value: Any, shared: int) -> None:
    one, other = keys(point("magnitude")), keys(point("magnitude", **{option: value}))
    same = [a == b for a, b in zip([*one[:2], one[-1]], [*other[:2], other[-1]], strict=True)]
    assert same == [True] * shared + [False] * (3 - shared)


def test_every_option_of_the_protocol_is_tried_above() -> None:
    mark = next(
        m
        for m in test_an_option_changes_the_keys_from_the_stage_on_that_it_decides.pytestmark
        if m.name == "parametrize"
    )
    assert {option for option, _, _ in mark.args[1]} == {*Protocol.model_fields, "seed"}


def test_options_that_came_later_are_in_no_key_at_their_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("magnitude", "hsqgl12+obd", "scratch:magnitude", "dense_continued")
    before = [keys(point(name)) for name in names]
    monkeypatch.setattr(stages, "_TRAINING", ())  # as if the optimiser and its rates had never been options
    assert [keys(point(name)) for name in names] == before
    assert point("magnitude", rung_step=0.0, optimiser="sgd", constant_rate=False).key == before[0][-1]


def test_rungs_that_remove_an_equal_share_each() -> None:
    chain = point("magnitude", 0.39394, rung_step=0.121212, rung_epochs="3,2,1").chain()
    assert [stage.keep for stage in chain[2:-1]] == pytest.approx([1 - n * 512 / 4224 for n in range(1, 5)], abs=1e-5)
    assert [stage.epochs for stage in chain[2:-1]] == [3, 2, 1, 1]


def test_epochs_that_fall_move_no_rung_before_they_differ() -> None:
    one, other = (keys(point("magnitude", 0.4, rung_epochs=epochs)) for epochs in (3, "3,3,1"))
    assert [a == b for a, b in zip(one, other, strict=True)] == [True, True, True, True, False, False, False]


@pytest.mark.parametrize("restart", [False, True])
def test_every_rung_trains_its_own_epochs(restart: bool) -> None:
    options = {"sparse_epochs": 4, "rung_epochs": "5,2", "finetune_epochs": 1, "restart": restart}
    for name in ("magnitude", "scratch:magnitude"):
        assert sum(stage.epochs for stage in point(name, 0.5, **options).chain()) == 3 + 4 + (5 + 2 + 2) + 1 + (
            3 if name.startswith("scratch") else 0
        )


def test_the_budget_metric_counts_for_criteria() -> None:
    macs = StagePlan(Protocol(), {}, "macs").point(parse_method("magnitude", REGISTRY), 0.5)
    params = StagePlan(Protocol(), {}, "params").point(parse_method("magnitude", REGISTRY), 0.5)
    assert macs.chain()[1].key == params.chain()[1].key
    assert macs.key != params.key


def test_the_version_of_the_protocol_is_part_of_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys(point("magnitude"))
    monkeypatch.setattr(stages, "PROTOCOL_VERSION", stages.PROTOCOL_VERSION + 1)
    assert not set(before) & set(keys(point("magnitude")))


def test_a_renamed_checkpoint_is_the_same() -> None:
    one, other = (keys(point("magnitude", weights=f"{name} 0123456789abcdef")) for name in ("a.th", "b.th"))
    assert one == other


@pytest.mark.parametrize(
    ("version", "asking"),
    [
        ("CURVATURE_VERSION", {"mine", "obd", "c_obd", "reg_obd", "obd+l1"}),
        ("JOINT_VERSION", {"taylor", "fisher", "gate_taylor", "group_fisher"}),
        ("ACTIVATION_VERSION", {"fisher", "gate_taylor", "group_fisher", "apoz", "bn_scale"}),
    ],
)
def test_evidence_made_otherwise_moves_only_what_asks_for_it(
    version: str, asking: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def plugin(weight: Tensor, curvature: Tensor) -> Tensor:
        return (weight.square() * curvature).sum(dim=1)

    names = ("obd", "c_obd", "reg_obd", "magnitude", "taylor", "fisher", "gate_taylor", "group_fisher", "lamp", "l1")
    names += ("apoz", "bn_scale")
    controls = ("random", "dense_continued", "shuffle:l1", "obd+l1")
    methods = [Method("mine", score=Criterion(plugin, name="mine"))]
    methods += [parse_method(name, REGISTRY) for name in names + controls]
    before = [keys(plan().point(method, 0.5)) for method in methods]
    monkeypatch.setattr(stages, version, getattr(stages, version) + 1)
    after = [keys(plan().point(method, 0.5)) for method in methods]
    moved = {m.name for m, one, other in zip(methods, before, after, strict=True) if one[2:] != other[2:]}
    assert moved == asking
    assert [one[:2] for one in before] == [other[:2] for other in after]


PINNED = {
    "magnitude": "2f52d6c7d9f69bf6ddd32ae6",
    "random": "be48749d78a137cd14888de8",
    "l1": "348cbff0b395e2c601ecba0f",
    "obd": "2d32da314bcd687f8321b7b3",
    "obd+hsqgl12": "f67c4eea4bb7aed0fcbf38db",
    "shuffle:magnitude": "e31f527c25586b7d05518119",
    "scratch:magnitude": "c02e5ece68777860e37b559e",
    "dense_continued": "679fbb46f55b2accec1bd661",
}


@pytest.mark.parametrize("name", PINNED)
def test_the_keys_of_a_protocol_version_stay(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finished results are found by these keys. A new option at its default must not change any.

    Where results themselves change, raise `PROTOCOL_VERSION` and pin the new keys. Versions of packages and sources of
    criteria, which are parts of a key, are left out here.
    """
    monkeypatch.setattr(stages, "packages", dict)
    monkeypatch.setattr(stages, "identity", lambda thing: getattr(thing, "name", type(thing).__name__))
    assert stages.PROTOCOL_VERSION == 1
    assert point(name).key == PINNED[name]


@pytest.mark.parametrize(("name", "shared"), [("l1", 1), ("magnitude", 2), ("obd+l1", 2)])
def test_a_regulariser_of_sparse_training_sees_no_group_that_stays_whole(name: str, shared: int) -> None:
    whole, some = (keys(point(name, coupled=coupled)) for coupled in (True, False))
    assert [a == b for a, b in zip(whole, some, strict=True)] == [True] * shared + [False] * (len(whole) - shared)


def test_scores_that_see_no_whole_group_have_keys_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pinned as the keys above. Once these scores saw all groups, and some drew other numbers."""
    monkeypatch.setattr(stages, "packages", dict)
    monkeypatch.setattr(stages, "identity", lambda thing: getattr(thing, "name", type(thing).__name__))
    assert point("magnitude", coupled=False).key == "2490940be4d411121d771afe"
