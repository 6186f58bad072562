"""The analysis of a network, kept in the results folder."""

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prunebench.errors import DamagedFileError, UserError
from prunebench.plugins.identity import forget_unreadable
from prunebench.plugins.registry import get_model, load_registry
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Table
from prunebench.records.files import read_file
from prunebench.study import analyses, task as study_task
from prunebench.study.analyses import Analysis, AnalysisFile, analysis_key, graph_of, keep_analysis, kept_analysis
from prunebench.study.networks import load
from prunebench.study.spec import Spec
from prunebench.study.store import Store
from prunebench.study.task import make_task

MODELS = ("lenet5", "resnet20", "densenet40:growth=4", "mobilenetv2", "torchvision:vgg11")


class Attention(nn.Module):
    """Multiplies the outputs of its layers, so that other MACs depend on the units."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.last = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.Linear(8, 10)

    def forward(self, pictures: Tensor) -> Any:
        features = self.one(pictures).relu()
        values = self.two(features).flatten(2)
        return self.last((values @ values.transpose(1, 2) @ values).mean(2))


def plain(table: Table) -> dict[str, Any]:
    """Write a table as values that can be compared."""
    found = asdict(table)
    for group in found["groups"]:
        for part in group["slices"]:
            part["index"] = part["index"].tolist()
    return found


@pytest.mark.parametrize("name", MODELS)
def test_an_analysis_comes_back_as_it_was(name: str) -> None:
    network = get_model(name, load_registry(()))(3, 32, 10)
    table = analyse(network, torch.randn(2, 3, 32, 32))
    file = AnalysisFile.of(Analysis(table, torch.contiguous_format))
    again = AnalysisFile.model_validate_json(file.model_dump_json()).analysis()
    assert again.memory_format == torch.contiguous_format
    assert plain(again.table) == plain(table)
    assert [list(one) for one in (again.table.positions, again.table.fixed)] == [
        list(table.positions),
        list(table.fixed),
    ]
    assert all(part.index.dtype == torch.int64 for group in again.table.groups for part in group.slices)


def test_macs_of_operations_come_back() -> None:
    macs = analyse(Attention(), torch.randn(2, 3, 8, 8)).macs
    again = AnalysisFile.of(Analysis(Table((), {}, macs=macs), torch.channels_last)).analysis().table.macs
    assert macs.squares and asdict(again) == asdict(macs)


def written(text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(text)

    return write


def only(folder: Path) -> Path:
    (path,) = (folder / "analyses").glob("*.json")
    return path


@pytest.fixture
def analysed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """List the models that are analysed from now on; each run begins as a new process would."""
    calls: list[str] = []

    def noted(*given: Any, **options: Any) -> Table:
        calls.append(given[2])
        return analyse(*given, **options)

    monkeypatch.setattr(study_task, "analyse", noted)
    forget_unreadable()  # of other tests
    make_task.cache_clear()
    return calls


def test_a_later_run_analyses_nothing(
    tiny: Callable[..., Spec], computing: Callable[..., Any], analysed: list[str], tmp_path: Path
) -> None:
    spec = tiny(tmp_path, criteria="magnitude", keep="macs=0.5")
    first = computing(spec).records
    assert analysed == ["lenet5"]
    make_task.cache_clear()
    both = computing(spec.model_copy(update={"criteria": ("random", "magnitude")})).records
    assert analysed == ["lenet5"] and len(both) == 2 and first.items() <= both.items()
    only(tmp_path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def other_key(path: Path) -> None:
    """Use the analysis of another network: of this one before an edit, say."""
    data = json.loads(path.read_text())
    path.write_text(AnalysisFile.model_validate(data | {"check": "0"}).model_dump_json())


@pytest.mark.parametrize("change", [*map(written, ["", "{}", "[" * 10_000, '{"new": 1}']), folder, other_key])
def test_a_damaged_analysis_is_made_again(
    tiny: Callable[..., Spec],
    computing: Callable[..., Any],
    analysed: list[str],
    tmp_path: Path,
    change: Callable[[Path], None],
) -> None:
    spec = tiny(tmp_path, criteria="magnitude", keep="macs=0.5")
    first = computing(spec).records
    path = only(tmp_path)
    before = path.read_text()
    change(path)
    make_task.cache_clear()
    assert computing(spec).records == first
    assert analysed == ["lenet5", "lenet5"] and (path.is_dir() or path.read_text() == before)


def test_an_analysis_with_a_fault_is_not_kept(
    tiny: Callable[..., Spec],
    computing: Callable[..., Any],
    analysed: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def fails(*_: object) -> None:
        raise UserError("no memory")

    spec = tiny(tmp_path, criteria="magnitude", keep="macs=0.5")
    with monkeypatch.context() as broken:
        broken.setattr(study_task, "working_format", fails)
        (failed,) = computing(spec).records.values()
    make_task.cache_clear()
    (record,) = computing(spec.model_copy(update={"retry_failed": True})).records.values()
    assert "no memory" in failed.reason and record.status == "ok" and len(analysed) == 2


READS = """
import json
from pathlib import Path
from torch import nn

class Net(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.given = json.loads(Path({file!r}).read_text())
        self.one, self.two = nn.Conv2d(channels, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Linear(8, classes)

    def forward(self, pictures):
        features = self.one(pictures).relu()
        other = self.two(features)
        return self.last((features + other if self.given else other).mean((2, 3)))

def make(channels, size, classes):
    return Net(channels, classes)
"""


def test_a_network_that_a_file_changes_is_another_network(
    tiny: Callable[..., Spec], computing: Callable[..., Any], analysed: list[str], tmp_path: Path
) -> None:
    config, results = tmp_path / "config.json", tmp_path / "results"
    (tmp_path / "configured.py").write_text(READS.format(file=str(config)))
    spec = tiny(results, criteria="magnitude", keep="macs=0.5", models=f"{tmp_path / 'configured.py'}:make")
    for number, text in enumerate(("true", "false", "true")):
        config.write_text(text)
        make_task.cache_clear()
        computing(spec)
        assert len(analysed) == min(number + 1, 2)
    assert len(list((results / "records").rglob("*.json"))) == len(list((results / "analyses").iterdir())) == 2


def test_a_changed_network_is_told_when_it_is_loaded(
    tiny: Callable[..., Spec], computing: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config, label = tmp_path / "config.json", f"{tmp_path / 'edited.py'}:make"
    (tmp_path / "edited.py").write_text(READS.format(file=str(config)))
    config.write_text("true")
    make_task.cache_clear()
    spec = tiny(tmp_path / "results", criteria="magnitude", keep="macs=0.5", models=label, save="final")
    (record,) = computing(spec).records.values()
    folder = tmp_path / "results" / "stages" / record.network
    with caplog.at_level(logging.WARNING, "prunebench"):
        load(folder, models=[label])
        assert not caplog.messages
        config.write_text("false")
        with pytest.raises(UserError, match="does not fit the model"):
            load(folder, models=[label])
    (line,) = caplog.messages
    assert line.startswith("'edited:make' builds another network than that which was saved: its code, what the code")


def net(**options: Any) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3, **options), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.Flatten(), nn.Linear(64, 2))


class Function(nn.Module):
    """Applies a function to pictures, behind a layer."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.function = nn.Conv2d(1, 4, 1), function

    def forward(self, pictures: Tensor) -> Tensor:
        return self.function(self.layer(pictures))


@pytest.mark.parametrize("chosen", [nn.MaxPool2d(2), nn.AdaptiveMaxPool2d(1), nn.ReLU(), nn.Softmax(1)])
def test_the_numbers_of_the_weights_do_not_count(chosen: nn.Module) -> None:
    def made() -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 8, 3), chosen, nn.Flatten(), Function(lambda x: x * x.max(1, True).values))

    def made_with_layer() -> nn.Module:
        net = made()
        net[3].layer = nn.Identity()
        return net

    pictures = torch.randn(1, 1, 8, 8)
    hashes = {graph_of(made_with_layer(), pictures) for _ in range(5)}
    assert len(hashes) == 1 and "" not in hashes


def test_a_graph_tells_networks_apart() -> None:
    pictures = torch.randn(1, 1, 6, 6)
    order = torch.tensor([1, 0, 2, 3])
    functions: list[Callable[[Tensor], Tensor]] = [
        *(lambda x, axis=axis: x.flip(axis).flatten(1) for axis in (1, 2)),
        *(lambda x, start=start: x[:, start : start + 2].flatten(1) for start in (0, 1)),
        *(lambda x, places=places: x[:, places].flatten(1) for places in (order, order.flip(0))),
        *(lambda x, part=part: x.chunk(2, 1)[part].flatten(1) for part in (0, 1)),
        *(lambda x, slope=slope: nn.functional.leaky_relu(x, slope).flatten(1) for slope in (0.1, 0.2)),
    ]
    tied = net()
    tied[4] = nn.Linear(64, 2)
    shared = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1), nn.Flatten())
    same = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1), nn.Flatten())
    same[1].weight = same[0].weight
    dropouts = [nn.Sequential(nn.Conv2d(1, 1, 1), nn.Dropout(p), nn.Flatten()) for p in (0.1, 0.2)]
    nets = [net(), net(padding=1, dilation=2), net(bias=False), shared, same, *dropouts, *map(Function, functions)]
    found = [graph_of(one, pictures) for one in nets]
    assert "" not in found and len(set(found)) == len(found)
    assert graph_of(tied, pictures) == found[0]  # the numbers do not count
    assert graph_of(net(), torch.randn(1, 1, 2, 2)) == ""  # no pictures for it


def test_other_facts_have_other_keys() -> None:
    facts = {"model": "a", "shape": (1, 8, 8), "classes": 2}
    changes: list[dict[str, Any]] = [{}, {"model": "b"}, {"shape": (1, 9, 9)}, {"classes": 3}]
    keys = {analysis_key(facts | change, "graph") for change in changes}
    assert len(keys | {analysis_key(facts, "another")}) == 5
    assert analysis_key(facts, "") == ""


@pytest.mark.parametrize("what", ["_code", "packages"])
def test_other_code_has_other_keys(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    before = analysis_key({}, "graph")
    monkeypatch.setattr(analyses, what, lambda: "another")
    assert analysis_key({}, "graph") != before


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, nn.Module]:
    """The file of a network, and this network."""
    network = nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 3, 1), nn.Flatten(), nn.Linear(12, 2))
    found = Analysis(analyse(network, torch.zeros(2, 1, 2, 2)), torch.channels_last)
    keep_analysis(Store(tmp_path), "key", found)
    assert kept_analysis(tmp_path, "key", network) is not None
    return only(tmp_path), network


def grown(data: dict[str, Any]) -> None:
    data["groups"][0]["units"] = 2**59


def huge(data: dict[str, Any]) -> None:
    data["constant"] = "1e999999999"


def nothing(data: dict[str, Any]) -> None:
    data["constant"] = "1/0"


@pytest.mark.parametrize("change", [grown, huge, nothing])
def test_a_hostile_file_is_refused(kept: tuple[Path, nn.Module], change: Callable[[dict[str, Any]], None]) -> None:
    path, network = kept
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(DamagedFileError):
        read_file(AnalysisFile, path)
    assert kept_analysis(path.parents[1], "key", network) is None


def test_a_file_of_another_key_or_network_is_not_used(kept: tuple[Path, nn.Module]) -> None:
    path, network = kept
    copy = path.with_name("other.json")
    copy.write_text(path.read_text())
    assert kept_analysis(path.parents[1], "other", network) is None
    file = read_file(AnalysisFile, path).model_copy(update={"positions": {"conv1": 3}})
    path.write_text(file.model_copy(update={"check": file.digest("key")}).model_dump_json())
    assert kept_analysis(path.parents[1], "key", network) is None


def test_an_analysis_that_cannot_be_kept_stops_nothing(kept: tuple[Path, nn.Module], tmp_path: Path) -> None:
    path, network = kept
    found = kept_analysis(tmp_path, "key", network)
    assert found is not None
    shutil.rmtree(path.parent)
    path.parent.touch()
    keep_analysis(Store(tmp_path), "key", found)
    assert path.parent.is_file()
