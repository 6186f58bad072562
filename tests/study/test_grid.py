from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from prunebench.errors import UserError
from prunebench.plugins.identity import forget_unreadable
from prunebench.plugins.registry import Registry
from prunebench.study.grid import (
    Grid,
    Planner,
    find_device,
    make_grid,
    make_trajectory,
    method_of,
    prepare_task,
    warn_of_race_seeds,
)
from prunebench.study.spec import Spec, make_spec
from prunebench.study.store import Store
from prunebench.study.task import make_task

Make = Callable[..., Any]


def grid(tiny: Make, **changes: Any) -> Grid:
    return make_grid(tiny(Path("/nowhere"), **changes))


def test_neighbours_lie_in_different_blocks(tiny: Make) -> None:
    found = grid(tiny, criteria="taylor magnitude", models="lenet5 vgg11:width=0.125", seeds="0-1")
    assert [str(job) for job in found.jobs[:5]] == [
        "digits x lenet5 | taylor | seed 0",
        "digits x lenet5 | taylor | seed 1",
        "digits x vgg11:width=0.125 | taylor | seed 0",
        "digits x vgg11:width=0.125 | taylor | seed 1",
        "digits x lenet5 | magnitude | seed 0",
    ]
    assert len(found.jobs) == 8


def test_keeps_go_down_whatever_order_they_are_given_in(tiny: Make) -> None:
    found = grid(tiny, keep="params=0.25,0.75,0.5")
    assert (found.spec.keep.metric, found.spec.keep.fractions) == ("params", (0.75, 0.5, 0.25))


def test_one_criterion_written_in_two_ways_is_one_job(tiny: Make) -> None:
    found = grid(tiny, criteria=["magnitude:p=1", "magnitude:p=1.0", "magnitude"])
    assert [job.criterion for job in found.jobs] == ["magnitude:p=1", "magnitude"]


@pytest.mark.parametrize(
    "name",
    ["magnitude", "magnitude:p=1", "reg_obd", "hsqgl12+obd", "shuffle:l1", "scratch:hsqgl12+obd", "dense_continued"],
)
def test_a_jobs_name_finds_its_criterion_again(tiny: Make, name: str) -> None:
    found = grid(tiny, criteria=[name])
    assert method_of(found.spec, found.jobs[0]).name == found.jobs[0].criterion == name


def test_what_a_planner_shares_between_jobs_changes_no_key(tiny: Make, tmp_path: Path) -> None:
    names = ["magnitude", "reg_obd", "obd+hsqgl12", "shuffle:l1", "scratch:hsqgl12+obd", "dense_continued"]
    found = grid(tiny, criteria=names, models="lenet5 vgg11:width=0.125", seeds="0-1", keep="0.7,0.5", rate=0.01)
    planner, store = Planner(found.spec), Store(tmp_path)
    records = set()
    for job in found.jobs:
        alone = make_trajectory(found.spec, store, job)  # plans for itself
        for keep, (point, record) in zip((0.7, 0.5), planner.points(job), strict=True):
            assert point == alone.plan.point(alone.method, keep)
            assert record == store.record_path(alone.blank(keep)).relative_to(tmp_path).as_posix()
            records.add(record)
    assert len(records) == 2 * len(found.jobs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"criteria": "magnitude tailor"}, "unknown criterion 'tailor'; did you mean 'taylor'"),
        ({"criteria": "magnitude:q=1"}, "unknown option 'q'"),
        ({"datasets": "digitz"}, "unknown dataset 'digitz'; did you mean 'digits'"),
        ({"models": "lenet"}, "unknown model 'lenet'; did you mean 'lenet5'"),
        ({"seeds": "3-1"}, "the range 3-1 is empty"),
        ({"seeds": ""}, "--seeds : '' is not a whole number"),
        ({"keep": "0"}, r"0 is outside \(0, 1\]"),
        ({"device": "tpu"}, "--device tpu: unknown device; give auto, cpu, cuda, cuda:N or mps"),
        ({"datasets": "mnist", "data_root": "/nowhere"}, "MNIST is not in /nowhere.*--download"),
        ({"plugin": "/nowhere/x.py"}, "--plugin /nowhere/x.py: no such file"),
    ],
)
def test_every_wrong_name_ends_before_anything_is_computed(tiny: Make, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        grid(tiny, **changes)
    assert "\n" not in str(error.value)


def test_an_installed_package_that_fails_to_import_is_named(
    tiny: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    known = Registry()
    known.failures["entry point broken 1.0"] = "ModuleNotFoundError: No module named 'not_there'"
    monkeypatch.setattr("prunebench.study.grid.load_registry", lambda plugins: known)
    assert grid(tiny, criteria="magnitude").jobs
    assert "entry point broken 1.0: ModuleNotFoundError: No module named 'not_there'" in caplog.text


def test_a_plugin_that_fails_to_import_ends_it(tiny: Make, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import not_there")
    with pytest.raises(
        UserError, match=r"broken\.py cannot be loaded: ModuleNotFoundError: No module named 'not_there'"
    ):
        grid(tiny, criteria="magnitude", plugin=str(tmp_path / "broken.py"))


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert find_device("auto") == torch.device("cuda")
    assert find_device("cuda:1") == torch.device("cuda:1")
    assert find_device("cpu") == torch.device("cpu")
    with pytest.raises(UserError, match="--device cuda:2: this machine has 2 CUDA devices; use cpu or auto"):
        find_device("cuda:2")
    with pytest.raises(UserError, match="--device mps: this machine has no MPS device"):
        find_device("mps")


def test_a_machine_without_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert find_device("auto") == torch.device("cpu")
    with pytest.raises(UserError, match="--device cuda: this machine has 0 CUDA devices"):
        find_device("cuda")


@pytest.mark.parametrize("option", ["mixed_precision", "tf32"])
def test_options_of_a_gpu_are_refused_without_one(tiny: Callable[..., Spec], tmp_path: Path, option: str) -> None:
    with pytest.raises(UserError, match=f"--{option.replace('_', '-')} needs a CUDA device, but this run uses cpu"):
        make_grid(tiny(tmp_path, **{option: True}))


def test_a_keep_below_the_floors_is_refused_before_training(tiny: Callable[..., Spec], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--keep macs=0\.001 cannot be reached on digits x lenet5: floors leave"):
        make_grid(tiny(tmp_path, keep="macs=0.001"))


def test_layers_that_keep_their_units_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spec = make_spec({"models": "torchvision:shufflenet_v2_x0_5", "keep": "0.7", "results": tmp_path, "batch": 16})
    make_grid(spec)
    assert (
        "'stage2.0.branch1.2', 'stage2.0.branch2.5' and 17 more keep their units because of a reshape that mi"
        in caplog.text
    )


def test_what_uncoupled_groups_leave_is_counted() -> None:
    options = {"models": "torchvision:mobilenet_v3_small", "datasets": "digits:size=32,channels=3", "batch": 16}
    make_grid(make_spec({**options, "keep": "0.5"}))
    with pytest.raises(UserError, match=r"the 1[0-9] coupled groups that --no-coupled keeps whole leave at least 0\."):
        make_grid(make_spec({**options, "keep": "0.3", "coupled": False}))


def test_shards_share_out_whole_blocks(tiny: Make, tmp_path: Path) -> None:
    options = {"criteria": "magnitude random", "seeds": "0-4", "datasets": "digits"}
    whole = make_grid(tiny(tmp_path, **options)).jobs
    shares = [make_grid(tiny(tmp_path, shard=f"{number}/3", **options)).jobs for number in (1, 2, 3)]
    blocks = [{(job.dataset, job.model, job.seed) for job in jobs} for jobs in shares]
    assert [len(some) for some in blocks] == [2, 2, 1]
    assert len(set.union(*blocks)) == 5
    assert sorted(map(str, whole)) == sorted(str(job) for jobs in shares for job in jobs)


@pytest.mark.parametrize(
    ("shard", "message"),
    [
        ("3/2", "--shard 3/2: give the number of this machine and of all, such as 1/4"),
        ("0/2", "--shard 0/2: give the number"),
        ("half", "--shard half: give the number"),
        ("1/-2", "--shard 1/-2: give the number"),
        ("2/2", r"--shard 2/2: this run has 1 blocks \(one seed of one task each\), .*; give at most 1 machines"),
    ],
)
def test_shards_that_do_not_exist(tiny: Make, tmp_path: Path, shard: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_grid(tiny(tmp_path, criteria="magnitude", shard=shard))


NETS = """
from torch import nn

def net(channels, classes):
    return nn.Sequential(nn.Conv2d(channels, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, classes))
"""
UNREADABLE = """
from prunebench import Criterion

LOG = open(__file__)
CRITERION = Criterion(lambda weight: weight.sum(1) * bool(LOG), name="watching")
"""


def test_two_names_of_one_model_are_prepared_once(
    tiny: Callable[..., Spec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "once_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    spec = tiny(tmp_path / "r", models="once_nets.py:net", criteria="magnitude", seeds="0")
    (job,) = make_grid(spec).jobs
    before = make_task.cache_info().misses
    assert job.model == "once_nets:net"
    assert prepare_task(spec, job.dataset, job.model) is prepare_task(spec, "digits", "once_nets.py:net")
    assert make_task.cache_info().misses == before


def test_seeds_of_a_race_are_told(tiny: Callable[..., Spec], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    warn_of_race_seeds(tiny(tmp_path, seeds="0,1999"))
    assert not caplog.messages
    warn_of_race_seeds(tiny(tmp_path, seeds="0,2000"))
    assert caplog.messages == [
        "--seeds 0,2000: seeds from 2000 on are those that `choose` races on; after a choice, compare its criteria on "
        "seeds below"
    ]


def test_code_of_a_plugin_file_that_cannot_be_hashed_is_named_once(
    tiny: Callable[..., Spec], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "watching.py").write_text(UNREADABLE)
    spec = tiny(tmp_path / "r", criteria="watching", plugin=(str(tmp_path / "watching.py"),))
    forget_unreadable()
    make_grid(spec)
    make_grid(spec)
    found = [text for text in caplog.messages if "computed anew" in text]
    assert len(found) == 1 and "which cannot be hashed" in found[0]
