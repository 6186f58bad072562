"""What `Results` shows and hands back."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from prunebench import Pruned, Results, UserError, load, run
from prunebench.plugins.registry import get_criterion, load_registry
from prunebench.reports.output import overview
from prunebench.words import python_words

SHORT = {"sparse_epochs": 0, "rung_epochs": 0, "finetune_epochs": 1, "calibration": 32, "batch": 32, "quiet": True}


def slope(weight: torch.Tensor) -> torch.Tensor:
    return weight.sum(dim=1)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, 2))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    grid: dict[str, Any] = {"criteria": ["magnitude", "taylor"], "keeps": {"macs": [0.5, 0.3]}, "seeds": range(2)}
    return short(tmp_path_factory.mktemp("r"), **grid)


def short(folder: Path, **grid: Any) -> Results:
    draws = torch.Generator().manual_seed(0)
    data = torch.rand(100, 1, 8, 8, generator=draws), torch.arange(100) % 2
    return run(models={"mine": network()}, datasets=data, results=folder, **grid, **SHORT)


def test_tables_are_of_this_run(found: Results) -> None:
    assert len(found.frame()) == 8 and len(found.summary()) == 4
    assert set(found.differences()["reference"]) == {"magnitude"}
    assert found.failures == ()


def test_networks_are_timed_in_turn_with_the_dense_one(found: Results) -> None:
    threads = torch.get_num_threads()
    timed = found.time(timing_batch=2, timing_rounds=4, threads=2)
    assert torch.get_num_threads() == threads
    assert found.found.latencies == {} and {one.key for one in timed.records} == set(timed.found.latencies)
    (latency,) = timed.found.latencies[timed.records[0].key]
    assert (latency.batch, latency.threads, len(latency.ratios)) == (2, 2, 4)
    assert (timed.summary()["measured"] > 0).all()
    again = timed.time(timing_batch=3, timing_rounds=4).found.latencies[timed.records[0].key]
    assert [one.batch for one in again] == [2, 3]
    assert len(Results.read(found.folder).found.latencies) == 8


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"rounds": 3}, "unknown argument 'rounds' in time; did you mean 'timing_rounds'"),
        ({"timing_rounds": 1}, "timing_rounds=1: "),
        ({"backend": "onxx"}, "backend='onxx': "),
        ({"device": "tpu"}, "device='tpu': unknown device"),
    ],
)
def test_a_setting_that_cannot_be_timed_in(found: Results, setting: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        found.time(**setting)


def test_it_shows_itself_in_the_words_of_python(found: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    text, html = str(found), found._repr_html_()
    assert repr(found) == text and text.startswith("pictures x mine | local ranking | keeps of MACs")
    assert "MACs kept" in text and "compression" in text and "to magnitude" in text
    advice = python_words("raise --finetune-epochs, lower --batch")
    monkeypatch.setattr(overview, "spoilt_lines", lambda _: ["raise --finetune-epochs, lower --batch"])
    assert advice in str(found) and advice in found._repr_html_()
    assert html.count("<tr>") == 5 and "<h4>pictures x mine" in html


def test_a_network_is_that_of_the_first_seed_with_its_facts(found: Results) -> None:
    small = found.network(criterion="taylor", keep=0.5)
    facts = Pruned.of(small)
    record = next(one for one in found.records if (one.cell.criterion, one.cell.keep) == ("taylor", 0.5))
    assert (facts.cost, facts.widths, facts.accuracy) == (record.pruned, record.widths, record.accuracy)
    assert not small.training and len(small.get_parameter("0.weight")) == facts.widths["0"][1]
    assert record.cell.seed == 0
    other = found.network(criterion="taylor", keep=0.5, seed=1)
    assert not torch.equal(other.get_parameter("0.weight"), small.get_parameter("0.weight"))


def test_another_session_rebuilds_an_own_network_with_the_network(found: Results) -> None:
    read = Results.read(found.folder)
    with pytest.raises(UserError, match="'mine' is not a registered model: give the network or function"):
        read.network(criterion="taylor", keep=0.5)
    small = read.network(criterion="taylor", keep=0.5, model=network())
    expected = found.network(criterion="taylor", keep=0.5).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in small.state_dict().items())
    with pytest.raises(UserError, match=r"'mine' is not a registered model: give the network .*, as model=network"):
        read.time(timing_batch=2, timing_rounds=4)
    assert read.time(network(), timing_batch=5, timing_rounds=4).found.latencies
    other = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    with pytest.raises(UserError, match="does not fit the model"):
        read.network(criterion="taylor", keep=0.5, model=other)


def test_a_registered_model_needs_no_network(computed: Any) -> None:
    read = Results.read(computed.spec.results)
    record = computed.records["l1", 0.5]
    expected = load(read.folder / "stages" / record.network).state_dict()
    small = read.network(criterion="l1", keep=0.5)
    assert all(torch.equal(value, expected[name]) for name, value in small.state_dict().items())


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({}, "several networks have any value; choose criterion and keep: criterion magnitude, taylor; keep 0.5, 0.3"),
        ({"criterion": "taylor"}, "several networks have criterion='taylor'; choose keep: keep 0.5, 0.3"),
        (
            {"criterion": "tailor"},
            r"has criterion='tailor'; did you mean criterion='taylor'\? There are criterion magnitude, taylor",
        ),
        ({"criterion": "snip"}, "no finished point has criterion='snip'; there are criterion magnitude, taylor"),
        ({"criterion": "taylor", "keep": 0.7}, "no finished point has criterion='taylor', keep=0.7; there are"),
        ({"kriterion": "taylor"}, "unknown argument 'kriterion'; choose by criterion, keep"),
    ],
)
def test_a_choice_that_does_not_fit_is_one_line(found: Results, chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        found.network(**chosen)


def test_report_and_plot(found: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = found.report("out")
    assert page == tmp_path / "out/index.html" and "prunebench.run(" in page.read_text()
    assert found.plot().to_dict()
    with pytest.raises(UserError, match="where the results are"):
        found.report(found.folder)
    with pytest.raises(UserError, match="margin=0: not between"):
        found.report("out", margin=0)
    assert 'lang="fa"' in found.report("persian", lang="fa").read_text()
    for lang in ("de", None, []):
        with pytest.raises(UserError, match="unknown language"):
            found.report("out", lang=lang)  # type: ignore[arg-type]


def test_failures_are_shown_and_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    def broken(weight: Any) -> Any:
        raise ValueError("no such thing")

    images = torch.rand(100, 1, 8, 8), torch.arange(100) % 2
    failed = run(models=network(), datasets=images, criteria=[broken], keeps="0.5", seeds=0, results=tmp_path, **SHORT)
    assert str(failed).startswith(
        "1 point failed\n\nbroken, keep 0.5, seed 0, failed: criterion 'broken' on layer '0' failed:"
    )
    assert "no such thing" in failed._repr_html_() and failed.frame().empty
    with pytest.raises(UserError, match="nothing to draw"):
        failed.plot()
    with pytest.raises(UserError, match="no such file or folder"):
        Results.read(tmp_path / "nowhere")


def test_a_network_is_chosen_in_the_words_of_the_run(found: Results) -> None:
    expected = found.network(criterion="taylor", keep=0.5).state_dict()
    record = get_criterion("taylor", load_registry(()))
    for chosen in ({"keep": {"macs": 0.5}}, {"criterion": record, "keep": 0.5}, {"keep": "macs=0.5"}):
        small = found.network(**({"criterion": "taylor"} | chosen)).state_dict()
        assert all(torch.equal(value, expected[name]) for name, value in small.items())
    with pytest.raises(UserError, match=r"criterion='taylor', keep=0\.5, metric='params'"):
        found.network(criterion="taylor", keep={"params": 0.5})
    with pytest.raises(UserError, match=r"criterion='slope', keep=0.5; there are criterion magnitude, taylor"):
        found.network(criterion=slope, keep=0.5)


def test_a_network_of_one_of_several_protocols(tmp_path: Path) -> None:
    short(tmp_path, criteria="taylor", keeps=0.5, seeds=0)
    short(tmp_path, criteria="taylor", keeps=0.5, seeds=0, repair="bias")
    both = Results.read(tmp_path)
    with pytest.raises(
        UserError, match=r"several networks have .*; choose protocol: protocol repair=none, repair=bias$"
    ):
        both.network(model=network())
    plain, repaired = (
        both.network(protocol=n, units="filters", model=network()).state_dict() for n in ("repair=none", 2)
    )
    assert not torch.equal(plain["0.weight"], repaired["0.weight"])
    with pytest.raises(
        UserError, match=r"no finished point has units='blocks'; .*units filters; protocol repair=none, repair=bias"
    ):
        both.network(units="blocks")
    with pytest.raises(UserError, match=r"did you mean protocol='repair=bias'\? There are"):
        both.network(protocol="repair=bia")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"criterion": 3}, "criterion: an int; give"),
        ({"criterion": ["taylor", "magnitude"]}, "criterion: 2 given; a network has one"),
        ({"keep": True}, "keep=True: a keep is a fraction"),
        ({"keep": {"macs": [0.5, 0.3]}}, "a network has one keep, got 2"),
        ({"seed": "a"}, "seed='a': give a whole number"),
        ({"seed": True}, "seed=True: give a whole number"),
        ({"model": 3}, "model: an int; give"),
    ],
)
def test_wrong_types_are_one_line(found: Results, chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        found.network(**({"criterion": "taylor", "keep": 0.5} | chosen))
    for margin in (None, "a", True, []):
        with pytest.raises(UserError, match="margin="):
            found.report("x", margin=margin)  # type: ignore[arg-type]
