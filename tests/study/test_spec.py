from pathlib import Path
from typing import Any

import pytest

from prunebench.errors import UserError
from prunebench.records.protocol import Protocol
from prunebench.records.requested import parse_seeds
from prunebench.study.spec import Spec, make_spec, presets, split_list


def toml(folder: Path, text: str) -> Path:
    path = folder / "c.toml"
    path.write_text(text)
    return path


def test_the_command_line_wins_over_the_file_and_that_over_the_preset(tmp_path: Path) -> None:
    config = toml(tmp_path, 'preset = "quick"\nepochs = 7\nfinetune-epochs = 3\nseeds = "5"')
    spec = make_spec({"epochs": "2", "criteria": None, "plugin": ()}, config, default_preset="quick")
    preset = make_spec({"preset": "quick"})
    assert (spec.epochs, spec.finetune_epochs, spec.seeds) == (2, 3, "5")
    assert spec.criteria == preset.criteria
    assert spec.sparse_epochs == preset.sparse_epochs


def test_a_preset_may_be_named_in_the_file(tmp_path: Path) -> None:
    assert make_spec({}, toml(tmp_path, 'preset = "quick"')).criteria == make_spec({"preset": "quick"}).criteria


def test_quick_is_what_the_readme_says() -> None:
    spec = make_spec({}, default_preset="quick")
    assert spec.criteria == ("magnitude", "taylor", "obd", "l1", "l0", "reg_obd", "random")
    assert (spec.datasets, spec.models, spec.seeds, str(spec.keep)) == (
        ("digits",),
        ("lenet5",),
        "0-2",
        "macs=0.5,0.25",
    )


@pytest.mark.parametrize("name", presets())
def test_every_preset_can_be_read_and_says_what_for(name: str) -> None:
    assert make_spec({"preset": name}).preset == name
    assert len(presets()[name]) > 10


def test_a_preset_may_be_a_file_of_ones_own_with_plugins_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "score.py").write_text("")
    preset = tmp_path / "mine" / "paper.toml"
    preset.write_text('plugin = ["score.py", "package.module"]\ndatasets = ["mnist"]\nepochs = 7')
    monkeypatch.chdir(tmp_path)
    spec = make_spec({"preset": "mine/paper.toml"}, default_preset="quick")
    assert spec.plugin == (str(tmp_path / "mine" / "score.py"), "package.module")
    assert (spec.preset, spec.epochs, spec.datasets, spec.models) == ("paper", 7, ("mnist",), ("lenet5",))
    changed = make_spec({"preset": str(preset), "epochs": "2"}, toml(tmp_path, "seeds = 3"))
    assert (changed.preset, changed.epochs, changed.seeds) == ("", 2, "3")


@pytest.mark.parametrize("text", ["preset = 'quick'", "epoch = 3", "epochs = ", None])
def test_a_preset_file_that_cannot_be_used(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "paper.toml").write_text(text)
    with pytest.raises(UserError, match=r"paper\.toml"):
        make_spec({"preset": str(tmp_path / "paper.toml")})


def test_two_ladders_are_refused() -> None:
    assert make_spec({"rung_step": "0.125"}).rung_step == 0.125
    with pytest.raises(UserError, match=r"--rung 0\.9 and --rung-step 0\.125 are two ladders"):
        make_spec({"rung": 0.9, "rung_step": 0.125})


@pytest.mark.parametrize("ranking", ["local", "per-cost", "per-memory", "published"])
def test_scores_are_normalised_by_choice_where_layers_are_compared_by_score(ranking: str) -> None:
    for other in ("global", "isomorphic"):
        assert make_spec({"ranking": other, "normalise_scores": "max"}).normalise_scores == "max"
    with pytest.raises(UserError, match=r"--normalise-scores max does nothing under .*; give --ranking global or isom"):
        make_spec({"ranking": ranking, "normalise_scores": "max"})


@pytest.mark.parametrize(("option", "value"), [("rung_step", 1e-12), ("rung_step", 0.0005), ("rung", 0.999)])
def test_a_ladder_has_so_many_rungs_and_no_more(option: str, value: float) -> None:
    assert make_spec({"rung_step": 0.0025, "keep": "0.25"}).rungs_above(0.25) == 299
    with pytest.raises(
        UserError, match=r"^--rung(-step)? .*: more than 300 rungs down to --keep macs=0.25; give larger"
    ):
        make_spec({option: value, "keep": "0.25"})


def test_a_file_of_ones_own_is_never_taken_for_a_shipped_preset(tmp_path: Path) -> None:
    (tmp_path / "quick.toml").write_text('datasets = ["mnist"]\nmodels = ["lenet5"]')
    assert make_spec({"preset": str(tmp_path / "quick.toml")}).preset == "quick.toml"


def test_epochs_by_rung_as_typed_and_as_filed(tmp_path: Path) -> None:
    assert make_spec({"rung_epochs": "3,2,1"}).rung_epochs == "3,2,1"
    assert make_spec({}, toml(tmp_path, "rung-epochs = [3, 2, 1]")).rung_epochs == "3,2,1"
    with pytest.raises(UserError, match="--rung-epochs 3;2: must be a whole number, or a list such as 3,2,1"):
        make_spec({"rung_epochs": "3;2"})


def test_a_changed_preset_is_not_that_preset() -> None:
    assert make_spec({"preset": "quick", "results": "/tmp/x", "workers": "2"}).preset == "quick"
    assert make_spec({"preset": "quick", "epochs": "3"}).preset == ""


def test_what_was_not_given_is_the_default() -> None:
    assert make_spec({"seeds": None, "criteria": [], "plugin": ()}) == make_spec({})


def test_relative_folders_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    spec = make_spec({"results": "here", "data_root": "~/data"})
    assert spec.results == tmp_path / "here"
    assert spec.data_root == Path("/home/somebody/data")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"epochs": "abc"}, "--epochs abc: must be a whole number"),
        ({"epochs": "-1"}, "--epochs -1: must be at least 0"),
        ({"train_fraction": "1.5"}, "--train-fraction 1.5: "),
        ({"ranking": "lokal"}, "--ranking lokal: must be 'local', 'isomorphic', 'per-cost'"),
        ({"preset": "quik"}, "unknown preset 'quik'; did you mean 'quick'?"),
    ],
)
def test_wrong_values_are_one_line_that_names_the_option(options: dict[str, Any], text: str) -> None:
    with pytest.raises(UserError) as error:
        make_spec(options)
    assert str(error.value).startswith(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "unknown option 'epoch' in .*c.toml; did you mean 'epochs'"),
        ("[protocol]\nepochs = 3", "unknown option 'protocol'"),
        ("epochs = ", "c.toml: not valid TOML"),
        ("criteria = [1]", "--criteria 1: Input should be a valid string"),
        ("criteria = []", "--criteria .*at least 1"),
        ("criteria = 3", "--criteria 3: "),
        ('epochs = "three"', "--epochs three: must be a whole number"),
        ("download = 'maybe'", "--download maybe: "),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        make_spec({}, toml(tmp_path, text))
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file"):
        make_spec({}, tmp_path / "absent.toml")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        make_spec({}, tmp_path)
    (tmp_path / "c.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not valid TOML"):
        make_spec({}, str(tmp_path / "c.toml"))


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("magnitude,obd", ("magnitude", "obd")),
        ("  magnitude \n obd ", ("magnitude", "obd")),
        ("l0:strength=1e-3,curvature=exact,obd", ("l0:strength=1e-3,curvature=exact", "obd")),
        (["a b", "c"], ("a", "b", "c")),
        ("a a,a", ("a",)),
        ("hsqgl12+obd shuffle:l1", ("hsqgl12+obd", "shuffle:l1")),
        ("", ()),
    ],
)
def test_lists_are_split_but_not_inside_options(given: Any, names: tuple[str, ...]) -> None:
    assert split_list(given) == names


def test_a_file_with_a_blank_in_its_path_is_one_name() -> None:
    assert split_list(("/my dir/mine.py", "taylor obd")) == ("/my dir/mine.py", "taylor", "obd")


def test_lists_are_never_looked_up_as_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "magnitude obd").touch()
    assert split_list("magnitude obd") == ("magnitude", "obd")
    names = tuple(f"criterion_{number}" for number in range(100))
    spec = make_spec({"criteria": " ".join(names), "plugin": ["a" * 300]})
    assert (spec.criteria, spec.plugin) == (names, ("a" * 300,))
    assert make_spec({"results": "~nobody-of-this-name/r"}).results.name == "r"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("criteria = " + "[" * 10_000 + "]" * 10_000, "not valid TOML: nested too deeply"),
        ("criteria = [[1]]", "--criteria 1: Input should be a valid string|--criteria"),
        ("criteria = 3", "--criteria 3: "),
        ("datasets = {a = 1}", "--datasets "),
        ("preset = [1]", "unknown preset"),
        ("preset = {a = 1}", "unknown preset"),
        ("epochs = 1000000000000000000000000000000", "--epochs 1000000000000000000000000000000: must be at most"),
        ("threads = 1000000000", "--threads 1000000000: must be at most 1024"),
        ("workers = 1025", "--workers 1025: must be at most 1024"),
        ("epochs = nan", "--epochs nan: "),
        ("rate = inf", "--rate inf: "),
        ('seeds = [["a"]]', "--seeds"),
        ("keep = {a = 1}", "--keep"),
        ('results = "a\\u0000b"', r"--results .*holds '\\x00', which no name has"),
        ('models = ["a\\u001bb"]', r"--models a\\x1bb: holds '\\x1b'"),
        ('weights = "a\\nb"', r"--weights .*holds '\\n'"),
        ("rate = 2024-01-01", "--rate 2024-01-01: "),
    ],
)
def test_values_of_other_kinds_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        spec = make_spec({}, toml(tmp_path, text))
        parse_seeds(spec.seeds)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("seeds", ["0-99999999", "9" * 5000, "1-" + "9" * 5000, "\u0663"])
def test_seeds_that_no_run_has(seeds: str) -> None:
    with pytest.raises(UserError, match="--seeds"):
        parse_seeds(seeds)


def test_the_protocol_is_the_part_that_decides_results() -> None:
    spec = make_spec({"epochs": "4", "results": "/tmp/x", "seeds": "9"})
    assert spec.protocol() == Protocol(epochs=4)
    assert set(Protocol.model_fields) < set(Spec.model_fields)


def test_a_checkpoint_is_for_one_model() -> None:
    assert make_spec({"models": "resnet20", "weights": "x.th"}).weights == str(Path.cwd() / "x.th")
    with pytest.raises(
        UserError, match=r"--weights x\.th: fits one model, but this run has 2: resnet20, resnet56; give one"
    ):
        make_spec({"models": "resnet20 resnet56", "weights": "x.th"})


def test_tasks_stand_for_datasets_and_models(tmp_path: Path) -> None:
    config = toml(tmp_path, 'tasks = ["mnist x lenet5", "folder:/a b,size=32 x resnet20:shortcut=B"]')
    assert make_spec({}, config).pairs == [("mnist", "lenet5"), ("folder:/a b,size=32", "resnet20:shortcut=B")]
    assert make_spec({"tasks": ["digits x resnet20"]}, config).pairs == [("digits", "resnet20")]
    both = {"datasets": "digits mnist", "models": "lenet5"}
    assert make_spec(both, config).pairs == [("digits", "lenet5"), ("mnist", "lenet5")]
    assert make_spec({"tasks": ["digits x resnet20"], "preset": "quick"}).pairs == [("digits", "resnet20")]
    for options, message in (
        ({"models": "lenet5"}, "--models: the preset or configuration file names tasks"),
        ({"models": "lenet5", "tasks": ["a x b"]}, "--tasks stands in place of --datasets and --models"),
        ({"tasks": ["digits lenet5"]}, "--tasks digits lenet5: give DATASET x MODEL"),
    ):
        with pytest.raises(UserError, match=message):
            make_spec(options, config)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "raay"}, "--engine raay: must be 'auto', 'serial', 'processes' or 'ray'"),
        ({"engine": "serial", "workers": 2}, "--workers 2: --engine serial has one process"),
        ({"engine": "serial", "cell_timeout": 9}, "--cell-timeout 9: a limit needs a process that is watched"),
        ({"address": "auto"}, "--address auto: only --engine ray has it"),
        ({"gpus_per_worker": 0.5}, "--gpus-per-worker 0.5: only --engine ray has it"),
        ({"engine": "ray", "gpus_per_worker": 1.5}, "--gpus-per-worker 1.5: above 1, Ray gives whole GPUs"),
        ({"engine": "ray", "device": "cuda"}, "--device cuda: with --engine ray, give --gpus-per-worker"),
        ({"engine": "ray", "device": "cuda:1"}, "--device cuda:1: Ray chooses the GPU"),
        ({"engine": "ray", "device": "cpu", "gpus_per_worker": 1}, "--gpus-per-worker 1: --device cpu uses no GPU"),
    ],
)
def test_options_that_an_engine_does_not_have_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as error:
        make_spec(options)
    assert str(error.value).startswith(said)


def test_a_cluster_has_one_device_for_all_machines() -> None:
    assert make_spec({"engine": "ray"}).device == "cpu"
    assert make_spec({"engine": "ray", "gpus_per_worker": 0.25}).device == "cuda"
