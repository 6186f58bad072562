"""`run` on objects: what is computed again and what is not, what is refused, and that nothing is left changed."""

import importlib
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from prunebench import Criterion, Results, UserError, run
from prunebench.calls.run import compute
from prunebench.cli.options import options
from prunebench.plugins.registry import load_registry
from prunebench.study import trajectory
from prunebench.study.spec import Spec

calls_run = importlib.import_module("prunebench.calls.run")  # `prunebench.calls.run` may be the function

SHORT = {"sparse_epochs": 0, "rung_epochs": 0, "finetune_epochs": 1, "calibration": 32, "batch": 32, "quiet": True}


def network(seed: int = 0, width: int = 6) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36 * width, 2))


def pictures(seed: int = 0, count: int = 100) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(seed)
    return torch.rand(count, 1, 8, 8, generator=draws), torch.arange(count) % 2


def slope(weight: Tensor, grad: Tensor) -> Tensor:
    return (weight * grad).abs().sum(1)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the stages that are trained, as they come."""
    stages: list[str] = []
    original = trajectory.train

    def train(*arguments: Any) -> Any:
        stages.append(arguments[2].stage)
        return original(*arguments)

    monkeypatch.setattr(trajectory, "train", train)
    return stages


@pytest.fixture
def short(tmp_path: Path) -> Callable[..., Results]:
    def call(**changed: Any) -> Results:
        given = {"models": network(), "datasets": pictures(), "criteria": "magnitude", "keeps": {"macs": 0.5}}
        return run(**(SHORT | given | {"seeds": [0], "results": tmp_path / "r"} | changed))

    return call


def test_finished_points_are_reused_and_changed_objects_computed_again(
    short: Callable[..., Results], trained: list[str]
) -> None:
    def again(**changed: Any) -> int:
        trained.clear()
        short(**changed)
        return sum(stage.startswith("finetune") for stage in trained)

    model = network()
    assert again(models=model) == 1
    assert again(models=model) == 0
    assert again(models=network()) == 0, "an equal network is the same network"
    with torch.no_grad():
        model[0].weight[0, 0, 0, 0] += 1
    assert again(models=model) == 1, "other weights"
    assert again(models=network(seed=1)) == 1, "another instance of one class"
    assert again(models=network(width=8)) == 1, "another structure"
    changed = pictures()
    changed[1][0] = 1
    assert again(datasets=changed) == 1, "another label"
    assert again(criteria=[slope]) == 1
    assert again(criteria=[slope]) == 0
    assert again(criteria={"slope": lambda weight, grad: (weight * grad).square().sum(1)}) == 1, "another function"


def test_a_function_counts_with_what_it_reads(short: Callable[..., Results], trained: list[str]) -> None:
    def made(power: float) -> Callable[..., Tensor]:
        def powered(weight: Tensor) -> Tensor:
            return weight.abs().pow(power).sum(1)

        return powered

    for power, expected in ((1.0, 1), (1.0, 0), (2.0, 1)):
        trained.clear()
        short(criteria=[made(power)])
        assert len([stage for stage in trained if stage.startswith("finetune")]) == expected


def test_two_instances_of_one_class_stay_apart(short: Callable[..., Results]) -> None:
    found = short(models={"one": network(0), "other": network(1)})
    assert [record.cell.model for record in found.records] == ["one", "other"]
    assert len({record.protocol["weights"] for record in found.records}) == 2
    again = short(models=network(2)), short(models=network(3))
    folder = Results.read(found.folder)
    assert {"pictures x Sequential (protocol 1)", "pictures x Sequential (protocol 2)"} <= set(folder.frame()["task"])
    assert [one.frame()["task"].tolist() for one in again] == [["pictures x Sequential"]] * 2


def test_a_given_network_is_taken_as_it_is(short: Callable[..., Results]) -> None:
    model, (images, labels) = network(), pictures()
    found = short(models=model, datasets=((images, labels), (images, labels)))
    with torch.no_grad():
        right = float((model(images).argmax(1) == labels).float().mean())
    assert found.records[0].accuracy is not None
    assert found.records[0].accuracy.dense == pytest.approx(right)
    assert found.records[0].protocol["epochs"] == 0


def test_what_cannot_be_hashed_is_computed_anew_and_said(
    short: Callable[..., Results], trained: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = (tmp_path / "open").open("w")

    def watching(weight: Tensor) -> Tensor:
        file.tell()
        return weight.abs().sum(1)

    with file, caplog.at_level(logging.WARNING, "prunebench"):
        short(criteria=[watching])
        short(criteria=[watching])
        assert trained.count("finetune 0.5") == 2
        with pytest.raises(UserError, match="workers=2: watching holds an object of type TextIOWrapper"):
            short(criteria=[watching], workers=2)
    said = "computed anew each time, in this process alone: watching holds an object of type TextIOWrapper"
    assert caplog.text.count(said) == 2


def test_a_network_that_cannot_be_hashed_is_computed_anew_and_said(
    short: Callable[..., Results], trained: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    model = network()
    model.odd = np.array([object()], dtype=object)
    with caplog.at_level(logging.WARNING, "prunebench"):
        short(models=model)
        short(models=model)
    assert trained.count("finetune 0.5") == 2
    said = "computed anew each time, in this process alone: Sequential holds an array of objects"
    assert caplog.text.count(said) == 2
    with pytest.raises(UserError, match="workers=2: Sequential holds an array of objects"):
        short(models=model, workers=2)


def test_nothing_is_prepared_after_the_grid(short: Callable[..., Results], monkeypatch: pytest.MonkeyPatch) -> None:
    original = calls_run.run_grid

    def last(*arguments: Any) -> Any:
        records = original(*arguments)
        monkeypatch.setattr(calls_run, "prepare_task", None)
        return records

    monkeypatch.setattr(calls_run, "run_grid", last)
    assert len(short().records) == 1


def test_networks_and_data_are_handed_to_workers_and_local_functions_refused(short: Callable[..., Results]) -> None:
    alone = short(criteria=["magnitude", "taylor"], seeds=[0, 1])
    shared = short(criteria=["magnitude", "taylor"], seeds=[0, 1], workers=2, results=alone.folder.parent / "two")
    assert [record.facts() for record in alone.records] == [record.facts() for record in shared.records]

    def local(weight: Tensor) -> Tensor:
        return weight.sum(1)

    with pytest.raises(UserError, match="workers=2: 'local' cannot be handed over"):
        short(criteria=[local], workers=2)


def test_a_function_of_the_session_itself_is_refused_by_workers(short: Callable[..., Results]) -> None:
    main = vars(sys.modules["__main__"])
    exec("def typed(weight):\n    return weight.sum(1)", main)
    try:
        with pytest.raises(UserError, match="workers=2: 'typed' is defined in the notebook, session or script itself"):
            short(criteria=[main["typed"]], workers=2)
    finally:
        del main["typed"]


UNGUARDED = """
import torch
from torch import nn
import prunebench

torch.manual_seed(0)
net = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, 2))
short = {"sparse_epochs": 0, "rung_epochs": 0, "finetune_epochs": 0, "calibration": 32, "batch": 32}
data = torch.rand(100, 1, 8, 8), torch.arange(100) % 2
found = prunebench.run(models=net, datasets=data, criteria=["magnitude", "l1"], seeds=[0, 1], workers=2, **short)
print(len(found.records))
"""


def test_a_script_needs_no_guard_for_its_workers(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(UNGUARDED)
    command = [sys.executable, "-P", tmp_path / "script.py"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=tmp_path)
    assert (ended.stdout.splitlines()[-1:], ended.returncode) == (["8"], 0), ended.stderr
    assert "Traceback" not in ended.stderr


class Chosen(nn.Sequential):
    def __init__(self, channels: int, classes: int) -> None:
        super().__init__(nn.Conv2d(channels, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, classes))


class Coloured(nn.Sequential):
    def __init__(self, classes: int) -> None:
        super().__init__(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, classes))


def test_classes_records_and_datasets_of_torch(short: Callable[..., Results]) -> None:
    images, labels = pictures()
    data = torch.utils.data.TensorDataset(images, labels)
    record = load_registry(()).criteria["taylor"].plugin
    criteria = ["magnitude", record, Criterion(slope, name="mine"), "random"]
    found = short(models=Chosen, datasets={"mine": data}, criteria=criteria, epochs=1)
    assert found.frame()["criterion"].tolist() == ["magnitude", "mine", "taylor", "random"]
    assert {(record.cell.dataset, record.cell.model) for record in found.records} == {("mine", "Chosen")}


def test_nothing_of_the_process_is_changed(short: Callable[..., Results]) -> None:
    torch.set_num_threads(2)
    model, state = network().eval(), torch.get_rng_state()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    short(models=model)
    assert torch.get_num_threads() == 2
    assert not model.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert logging.getLogger("prunebench").level == logging.NOTSET


def test_without_a_folder_calls_share_a_temporary_one(
    short: Callable[..., Results], trained: list[str], tmp_path: Path
) -> None:
    one, other = short(results=None), short(results=None)
    assert one.folder == other.folder and trained.count("finetune 0.5") <= 1
    assert one.found.command is not None and one.found.command.startswith("prunebench.run(sparse_epochs=0")
    page = one.report(tmp_path / "report").read_text()
    assert "prunebench.run(" in page and str(one.folder) not in page and "prunebench report" not in page
    assert f"prunebench report {tmp_path / 'r'}" in short().report(tmp_path / "kept").read_text()


def test_the_noted_call_says_its_folder_and_which_arguments_are_objects(
    short: Callable[..., Results], tmp_path: Path
) -> None:
    found = short(models=network(), datasets={"mine": pictures()}, criteria=["random", Criterion(slope, name="own")])
    call, _, told = str(found.found.command).partition("  # ")
    assert f"results='{tmp_path / 'r'}'" in call and "models='Sequential'" in call
    assert told == "your own objects: own (criteria), Sequential (models), mine (datasets)"


def test_the_command_line_sits_on_the_same_call(tiny: Callable[..., Spec], tmp_path: Path) -> None:
    spec = tiny(tmp_path, criteria="magnitude", keep="macs=0.5", epochs=1, sparse_epochs=0, rung_epochs=0)
    assert [record.cell.criterion for record in compute(spec).records] == ["magnitude"]


def test_a_dry_run_is_timed_with_the_threads_of_the_run(
    short: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr("prunebench.calls.run.preview", lambda _: seen.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    short(models="lenet5", datasets="digits", dry_run=True, threads=before + 1)
    assert seen == [before + 1] and torch.get_num_threads() == before


def test_a_dry_run_previews_what_the_command_previews(
    short: Callable[..., Any],
    command: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "prunebench")
    options: dict[str, Any] = {"models": "lenet5", "datasets": "digits", "criteria": "taylor", "epochs": 1}
    found = short(**options, dry_run=True, results=tmp_path / "r")
    assert not (tmp_path / "r").exists() and set(found.costs) == {"digits x lenet5"} and found.seconds > 0
    assert repr(found) == str(found) and found._repr_html_().startswith("<pre>")
    flags = [part for name, value in (SHORT | options).items() if name != "quiet" for part in (flag(name), value)]
    code, out, _ = command("run", *flags, "--keep", "macs=0.5", "--seeds", "0", "--dry-run", "--results", tmp_path)
    assert code == 0 and caplog.text.count("timing training steps of digits x lenet5") == 2

    def lines(text: str) -> list[str]:  # time is measured anew
        return [line.split("  ")[0] for line in text.splitlines()]

    assert lines(out.rstrip()) == lines(str(found))


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def test_the_page_names_the_options_that_are_no_arguments() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/python.md").read_text()
    refused = []
    for option in options():
        try:
            calls_run._checked({option.name: "0.5"}, None)
        except UserError as error:
            assert "unknown argument" in str(error)
            refused.append(option.flag)
    assert refused == ["--tasks"]
    assert "Two are not: `--log-level`, for which `quiet=True` shows warnings alone, and `--tasks`" in page


def test_an_untrained_network_is_told(short: Callable[..., Results], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "prunebench"):
        short()
    assert "about chance: train it first, or give epochs" in caplog.text


def test_a_network_that_has_learned_nothing_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options: dict[str, Any] = {"criteria": "magnitude", "models": "lenet5", "datasets": "digits", "seeds": [0, 1]}
    options |= {"keeps": 0.5, "sparse_epochs": 0, "rung_epochs": 0, "finetune_epochs": 0, "train_fraction": 0.1}
    with caplog.at_level(logging.WARNING, "prunebench"):
        run(**options, epochs=1, rate=1e-9, results=tmp_path / "little", quiet=True)
    (line,) = [line for line in caplog.messages if "chance" in line]
    assert line.startswith("'lenet5' on digits is right on ")
    assert line.endswith(" before pruning, about chance: train it longer with epochs, or give another rate")
    caplog.clear()
    with caplog.at_level(logging.WARNING, "prunebench"):
        run(**options, epochs=20, results=tmp_path / "much", quiet=True)
    assert "chance" not in caplog.text


def test_the_lowest_seed_is_told(caplog: pytest.LogCaptureFixture) -> None:
    cell = SimpleNamespace(dataset="digits", model="net")
    records: Any = [SimpleNamespace(cell=cell, accuracy=SimpleNamespace(dense=dense)) for dense in (0.9, 0.12, 0.5)]
    with caplog.at_level(logging.WARNING, "prunebench"):
        calls_run._warn_of_chance(records, {("digits", "net"): calls_run._Chance(0.1, "train it")})
    assert caplog.messages == [
        "'net' on digits is right on 12.0 % of the test pictures before pruning, about chance: train it"
    ]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"epohcs": 3}, "unknown argument 'epohcs' in run; did you mean 'epochs'"),
    ({"models": 3}, r"models: an int; give a name, a torch\.nn\.Module, or a function"),
    ({"models": []}, "models: none given"),
    ({"models": [network(), network()]}, "model 'Sequential' is given twice; name both"),
    ({"models": {"resnet20": network()}}, "model 'resnet20' is defined twice: by prunebench.models.resnet and by this"),
    ({"models": {"a b": network()}}, "'a b' is no name of letters"),
    ({"models": Chosen, "epochs": 0}, "epochs=0: 'Chosen' starts from random weights"),
    ({"models": "lenet6"}, "unknown model 'lenet6'; did you mean 'lenet5'"),
    ({"criteria": 3}, "criteria: an int; give a name, a Criterion, or a function"),
    ({"criteria": [lambda w: w]}, "'<lambda>' is no name of letters"),
    ({"criteria": {"mine": lambda w: w}}, "criterion 'mine': unknown evidence 'w'|unknown evidence 'w' in criterion"),
    ({"datasets": 3}, r"datasets: an int; give a torch Dataset, \(pictures, labels\)"),
    ({"datasets": pictures()[0]}, "dataset 'pictures': pictures without labels"),
    ({"datasets": (pictures()[0], pictures()[1].float())}, "labels of type torch.float32"),
    ({"datasets": (pictures()[0][:, :, :, 1:], pictures()[1])}, "pictures of 8 x 7 pixels; pad or cut"),
    ({"datasets": (pictures()[0].repeat(1, 3, 1, 1), pictures()[1])}, "to have 1 channels, but got 3"),
    (
        {"datasets": None},
        r"datasets: no pictures given, and the default, digits, .* as in datasets=\(pictures, labels\)",
    ),
    (
        {"datasets": None, "models": Coloured},
        r"got 1 .* \(on digits, the default, as no datasets are given\)$",
    ),
    ({"datasets": "digits", "models": Coloured}, "as by a dataset's size= or channels=$"),
    ({"datasets": torch.utils.data.DataLoader([1])}, "a DataLoader gives batches; give its dataset"),
    ({"seeds": [1.5]}, r"seeds=\[1.5\]: give whole numbers from 0"),
    ({"keeps": [0.5, "a"]}, r"keeps=\[0.5, .a.\]: a keep is a fraction of one of"),
    ({"keep": "macs=0.5"}, "keep and keeps are one option"),
    ({"rate": -1}, "rate=-1: must be more than 0"),
    ({"normalise": "imagenet"}, "'pictures' has pictures in floats, which are used as they are"),
]


@pytest.mark.parametrize(("changed", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_bad_input_is_one_clear_line(short: Callable[..., Results], changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as found:
        short(**changed)
    assert "\n" not in str(found.value) and "--" not in str(found.value)
