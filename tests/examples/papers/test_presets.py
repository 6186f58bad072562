import re
from pathlib import Path
from types import ModuleType

import pytest

from prunebench.plugins.expressions import parse_method
from prunebench.plugins.registry import get_dataset, get_model, load_registry
from prunebench.records.record import Epoch
from prunebench.records.requested import parse_seeds
from prunebench.study.spec import Spec, make_spec
from tests.conftest import load_script

FOLDER = Path(__file__).parents[3] / "examples" / "papers"
PRESETS = [path.stem for path in sorted(FOLDER.glob("*.toml"))]
FILTERS = 4224


def spec(name: str, **options: object) -> Spec:
    return make_spec({"preset": str(FOLDER / f"{name}.toml"), **options})


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_names_only_what_exists(name: str) -> None:
    options = spec(name)
    known = load_registry(options.plugin)
    assert not known.failures
    for criterion in options.criteria:
        parse_method(criterion, known)
    for dataset, model in options.pairs:
        get_dataset(dataset, known)
        get_model(model, known)
    assert options.preset == name
    assert (FOLDER / f"{name}.toml").read_text().startswith("# ")


def test_each_paper_as_published_and_corrected() -> None:
    assert {name.removesuffix("-as-published").removesuffix("-corrected") for name in PRESETS} == {
        "reg-obd-2021",
        "taylor-2020",
    }
    assert len(PRESETS) == 4


@pytest.mark.parametrize("name", PRESETS)
def test_steps_of_512_filters(name: str) -> None:
    options = spec(name)
    protocol, last = options.protocol(), options.keep.fractions[-1]
    steps = 5 if "obd" in name else 7
    assert protocol.rungs_above(last) == steps - 1  # the point itself is the last step
    left = [FILTERS - int(protocol.rung_keep(number) * FILTERS) for number in range(1, steps)]
    assert left == [512 * number for number in range(1, steps)]
    assert int(last * FILTERS) == FILTERS - 512 * steps
    assert protocol.rung_epochs == protocol.finetune_epochs == (3 if "obd" in name else 10)


def test_what_is_repaired() -> None:
    for paper in ("reg-obd-2021", "taylor-2020"):
        published, corrected = spec(f"{paper}-as-published"), spec(f"{paper}-corrected")
        assert len(parse_seeds(published.seeds)) == 1 and len(parse_seeds(corrected.seeds)) == 6
        assert all("2021" in dataset for dataset in published.datasets)
        assert not any("2021" in dataset for dataset in corrected.datasets)
        assert {"dense_continued", "random", "obd"} <= {*corrected.criteria}
        assert (published.floor, corrected.floor) == (0.0, 0.1)
        assert (published.ranking, corrected.ranking) == ("published", "published")
    assert "augment=none" in spec("reg-obd-2021-corrected").datasets[0]


def test_options_override_a_preset_one_by_one() -> None:
    small = spec("reg-obd-2021-corrected", models="vgg11:width=0.25", datasets="fashion_mnist:size=32", seeds="0-9")
    assert (small.optimiser, small.rate, small.sparse_epochs) == ("adam", 1e-4, 20)
    assert (small.models, small.seeds, small.preset) == (("vgg11:width=0.25",), "0-9", "")


@pytest.fixture(scope="module")
def five() -> ModuleType:
    return load_script("examples/papers/five_networks.py")


def test_four_schedules_give_the_five_networks(five: ModuleType) -> None:
    typed = five.given(["--sparse-epochs", "7", "--download", "--seeds", "0-2"])
    assert typed == {"--sparse-epochs": ["7"], "--download": [], "--seeds": ["0-2"]}
    runs = [{**typed, **changes} for changes in five.schedules(typed)]
    epochs = [(run["--criteria"][0], run["--sparse-epochs"], run.get("--finetune-epochs")) for run in runs]
    assert epochs == [
        ("hsqgl12_2021", ["7"], ["0"]),
        ("taylor_2020", ["0"], None),
        ("hsqgl12_2021+taylor_2020", ["7"], None),
        ("taylor_2020+hsqgl12_2021", ["0"], ["10"]),
    ]
    weak = [run["--criteria"] for run in five.schedules({"--strength": ["5e-9"]})]
    assert weak[2:] == [["hsqgl12_2021:strength=5e-9+taylor_2020"], ["taylor_2020+hsqgl12_2021:strength=5e-9"]]
    assert len({tuple(run["--sparse-epochs"]) + tuple(run.get("--finetune-epochs", ())) for run in runs}) == 4
    with pytest.raises(SystemExit, match="give options"):
        five.given(["five"])


def test_the_saved_step_is_the_one_with_the_best_validation(five: ModuleType) -> None:
    def curve(*values: float) -> object:
        stages = ["dense", "sparse", *(f"rung {number + 1}" for number in range(len(values) - 1)), "finetune 0.39394"]
        last = [Epoch(stage, 3, 1e-4, 0.1, value) for stage, value in zip(stages[2:], values, strict=True)]
        early = [Epoch("sparse", 20, 1e-4, 0.1, 0.99), Epoch("rung 1", 1, 1e-4, 0.1, None)]
        return type("Record", (), {"curves": (*early, *last)})()

    assert five.saved_step(curve(0.9, 0.95, 0.97, 0.96, 0.94)) == "rung 3"
    assert five.saved_step(curve(0.9, 0.95, 0.95)) == "rung 2"
    assert five.saved_step(type("Record", (), {"curves": ()})()) == ""


def test_every_file_of_the_folder_is_named_in_its_readme() -> None:
    readme = (FOLDER / "README.md").read_text()
    named = set(re.findall(r"`([\w.-]+\.(?:py|toml|sh))`", readme))
    assert named == {path.name for path in FOLDER.iterdir() if path.suffix in (".py", ".toml", ".sh")}
