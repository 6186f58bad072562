"""The analysis of a network, kept in the results folder."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prunebench.errors import DamagedFileError
from prunebench.plugins.registry import get_model, load_registry
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Table
from prunebench.records.files import read_file
from prunebench.study import analyses, task as study_task
from prunebench.study.analyses import Analysis, AnalysisFile, analysis_key, kept_analysis
from prunebench.study.spec import Spec
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
    file = AnalysisFile.of(Analysis(table, torch.contiguous_format, "no pass"))
    again = AnalysisFile.model_validate_json(file.model_dump_json()).analysis()
    assert (again.memory_format, again.fault) == (torch.contiguous_format, "no pass")
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


@pytest.mark.parametrize("text", ["", "{}", "[" * 10_000, '{"schema_version": 3}'])
def test_a_damaged_analysis_is_made_again(
    tiny: Callable[..., Spec],
    computing: Callable[..., Any],
    analysed: list[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    text: str,
) -> None:
    spec = tiny(tmp_path, criteria="magnitude", keep="macs=0.5")
    first = computing(spec).records
    path = only(tmp_path)
    before = path.read_text()
    path.write_text(text)
    make_task.cache_clear()
    with caplog.at_level(logging.WARNING, "prunebench"):
        assert computing(spec).records == first
    assert analysed == ["lenet5", "lenet5"] and path.read_text() == before
    assert f"set aside as {path.name}.damaged; it is made again" in caplog.text


def test_other_networks_and_pictures_have_other_keys() -> None:
    small, large = nn.Sequential(nn.Conv2d(1, 4, 1)), nn.Sequential(nn.Conv2d(1, 5, 1))
    given: list[tuple[Any, nn.Module, tuple[int, ...], int]] = [("a", small, (1, 8, 8), 2), ("b", small, (1, 8, 8), 2)]
    given += [("a", large, (1, 8, 8), 2), ("a", small, (1, 9, 9), 2), ("a", small, (1, 8, 8), 3)]
    assert len({analysis_key(*one) for one in given}) == len(given)
    assert analysis_key(*given[0]) == analysis_key("a", nn.Sequential(nn.Conv2d(1, 4, 1)), (1, 8, 8), 2)


@pytest.mark.parametrize("what", ["_code", "packages"])
def test_other_code_has_other_keys(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 1))
    before = analysis_key("a", network, (1, 8, 8), 2)
    monkeypatch.setattr(analyses, what, lambda: "another")
    assert analysis_key("a", network, (1, 8, 8), 2) != before


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, nn.Module]:
    """The file of a network, and this network."""
    network = nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 3, 1), nn.Flatten(), nn.Linear(12, 2))
    found = Analysis(analyse(network, torch.zeros(2, 1, 2, 2)), torch.channels_last)
    (tmp_path / "analyses").mkdir()
    path = tmp_path / "analyses" / "key.json"
    path.write_text(AnalysisFile.of(found).model_dump_json())
    assert kept_analysis(tmp_path, "key", network) is not None
    return path, network


def grown(data: dict[str, Any]) -> None:
    data["groups"][0]["units"] = 2**59


def shorter(data: dict[str, Any]) -> None:
    data["groups"][0]["units"] = 3


def negative(data: dict[str, Any]) -> None:
    from prunebench.records.packed import Packed

    table = AnalysisFile.model_validate(data).analysis().table
    flat = torch.cat([part.index.flatten() for group in table.groups for part in group.slices])
    data["index"] = Packed.pack((flat - 1).numpy(), "int64").model_dump()


def huge(data: dict[str, Any]) -> None:
    data["constant"] = "1e999999999"


def nothing(data: dict[str, Any]) -> None:
    data["constant"] = "1/0"


def elsewhere(data: dict[str, Any]) -> None:
    data["positions"] = {"conv1": 3}


@pytest.mark.parametrize("change", [grown, shorter, negative, huge, nothing])
def test_a_hostile_file_is_refused(written: tuple[Path, nn.Module], change: Callable[[dict[str, Any]], None]) -> None:
    path, network = written
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(DamagedFileError):
        read_file(AnalysisFile, path)
    assert kept_analysis(path.parents[1], "key", network) is None


def test_a_file_that_does_not_fit_is_not_used(written: tuple[Path, nn.Module]) -> None:
    path, network = written
    data = json.loads(path.read_text())
    elsewhere(data)
    path.write_text(json.dumps(data))
    assert kept_analysis(path.parents[1], "key", network) is None
