import hashlib
import importlib
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

from prunebench.errors import UserError
from prunebench.plugins.discovery import code, source_hash
from prunebench.plugins.identity import identity
from prunebench.plugins.registry import Registry, get_criterion, get_dataset, get_model, load_registry

CRITERION = """
    from prunebench.plugins.criterion import Criterion

    def {name}(weight):
        return weight.sum(1)

    CRITERION = Criterion({name})
"""


def write(path: Path, text: str) -> Path:
    path.write_text(textwrap.dedent(text))
    return path


def criterion(folder: Path, name: str) -> Path:
    return write(folder / f"{name}.py", CRITERION.format(name=name))


def test_the_packages_own_are_found_with_their_origin() -> None:
    found = Registry()
    assert {"magnitude", "taylor", "obd", "random", "l1", "l0", "hsqgl12"} <= set(found.criteria)
    assert {"digits", "mnist", "fashion_mnist", "folder"} <= set(found.datasets)
    assert {"lenet5", "vgg16_bn", "resnet20"} <= set(found.models)
    assert not found.failures
    entry = found.criteria["taylor"]
    assert (entry.origin, entry.source.name) == ("prunebench.criteria.taylor", "taylor.py")
    assert found.models["vgg16_bn"].origin == "prunebench.models.vgg"


def test_no_name_is_registered_by_a_helper_file() -> None:
    origins = [entry.origin for entry in Registry().datasets.values()]
    assert not [origin for origin in origins if "._" in origin]


def test_a_plugin_file_may_hold_all_three_kinds(tmp_path: Path) -> None:
    text = """
        from prunebench import Criterion, Dataset, Model

        MINE = Criterion(lambda weight: weight.sum(1), name="mine")
        DATA = Dataset(lambda source: None, name="my_data")
        NET = Model(lambda channels, size, classes: None, name="my_net")
    """
    plugin = write(tmp_path / "all_three.py", text)
    found = Registry((str(plugin),))
    entries = (found.criteria["mine"], found.datasets["my_data"], found.models["my_net"])
    assert {entry.origin for entry in entries} == {f"plugin {plugin}"}
    assert {entry.source for entry in entries} == {plugin.resolve()}


def test_a_plugin_given_twice_or_under_two_paths_registers_once(tmp_path: Path) -> None:
    plugin = criterion(tmp_path, "mine")
    link = tmp_path / "link.py"
    link.symlink_to(plugin)
    found = Registry((str(plugin), str(plugin), str(link)))
    assert "mine" in found.criteria
    own = str(found.criteria["taylor"].source)
    assert Registry((own,)).criteria["taylor"].origin == "prunebench.criteria.taylor"


def test_duplicate_names_name_both_sources(tmp_path: Path) -> None:
    plugin = criterion(tmp_path, "taylor")
    with pytest.raises(UserError, match=r"'taylor' is defined twice: by prunebench\.criteria\.taylor and by plugin .*"):
        Registry((str(plugin),))


def test_a_plugin_cannot_take_the_name_of_an_alias_or_control(tmp_path: Path) -> None:
    for name in ("reg_obd", "shuffle"):
        with pytest.raises(UserError, match=f"'{name}' is defined twice: by PruneBench itself and by plugin"):
            Registry((str(criterion(tmp_path, name)),))


def test_an_imported_record_is_not_a_duplicate(tmp_path: Path) -> None:
    text = """
        from prunebench.criteria.taylor import CRITERION
        from prunebench.criteria.magnitude import CRITERION as OTHER
    """
    found = Registry((str(write(tmp_path / "imports.py", text)),))
    assert found.criteria["taylor"].origin == "prunebench.criteria.taylor"


def test_broken_plugins_are_named_each_with_its_reason(tmp_path: Path) -> None:
    sources = {
        "name": ("x = undefined_thing", "NameError: name 'undefined_thing' is not defined (name.py:1)"),
        "syntax": ("def (", "SyntaxError: "),
        "leaves": ("raise SystemExit(3)", "SystemExit: 3"),
        "needs": ("import no_such_thing", "ModuleNotFoundError: "),
        "evidence": (
            CRITERION.format(name="e").replace("weight)", "wieght)"),
            "unknown evidence 'wieght' in criterion ",
        ),
        "named": (
            CRITERION.format(name="f").replace("Criterion(f)", "Criterion(f, name='a+b')"),
            "criterion 'a+b': use letters",
        ),
    }
    broken = [write(tmp_path / f"{name}.py", text) for name, (text, _) in sources.items()]
    with pytest.raises(UserError) as said:
        Registry(tuple(map(str, [*broken, criterion(tmp_path, "good")])))
    for path, (_, why) in zip(broken, sources.values(), strict=True):
        assert f"plugin {path} cannot be loaded: {why}" in str(said.value)
    assert "good" not in str(said.value)
    assert not [name for name in sys.modules if name.endswith("_syntax")]


@pytest.mark.parametrize("text", ["no/such/file.py", "nothing.py", "no_such_module_anywhere", "a folder", ""])
def test_a_plugin_that_does_not_exist(text: str) -> None:
    with pytest.raises(UserError, match=f"--plugin {text}: no such .*; give path/to/file.py or package.module"):
        Registry((text,))


def test_a_module_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "thirdparty_plugin"
    package.mkdir()
    write(package / "__init__.py", "from thirdparty_plugin.inner import CRITERION")
    criterion(package, "inner")
    monkeypatch.syspath_prepend(tmp_path)
    found = Registry(("thirdparty_plugin",))
    entry = found.criteria["inner"]
    assert (entry.origin, entry.source) == ("plugin thirdparty_plugin", (package / "inner.py").resolve())
    # the module by name and its file by path are one source
    assert "inner" in Registry(("thirdparty_plugin.inner", str(package / "inner.py"))).criteria


def test_entry_points_may_name_a_module_or_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path / "shop.py",
        CRITERION.format(name="one") + "\n    TWO = Criterion(one, name='two')\n    text = 'no record'",
    )
    info = tmp_path / "shop-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.2\n")
    monkeypatch.syspath_prepend(tmp_path)

    (info / "entry_points.txt").write_text("[prunebench.criteria]\na = shop:TWO\nb = shop:text\nc = shop_missing\n")
    importlib.invalidate_caches()
    found = Registry()
    assert found.criteria["two"].origin == "entry point shop 1.2 (shop:TWO)"
    assert "one" not in found.criteria
    assert found.failures["entry point shop 1.2 (shop:text)"].startswith("ImportError: text is a str")
    assert "entry point shop 1.2 (shop_missing)" in found.failures

    (info / "entry_points.txt").write_text("[prunebench.criteria]\na = shop\n[prunebench.models]\na = shop\n")
    importlib.invalidate_caches()
    assert {"one", "two"} <= set(Registry().criteria)


def test_the_source_hash_follows_edits_and_imports_of_the_same_family(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = criterion(tmp_path, "mine")

    def found() -> object:
        return identity(Registry((str(plugin),)).criteria["mine"].plugin)

    first = found()
    plugin.write_text(f'"""What it is."""\n# why\n{plugin.read_text()}')
    assert found() == first
    plugin.write_text(plugin.read_text().replace("sum(1)", "mean(1)"))
    assert found() != first

    text = "import os\nfrom prunebench.criteria.magnitude import magnitude\nfrom prunebench.criteria import taylor\n"
    importer = write(tmp_path / "importer.py", text)
    monkeypatch.syspath_prepend(tmp_path)
    own = Registry().criteria
    texts = [importer, own["magnitude"].source, own["taylor"].source]
    expected = hashlib.sha256(b"".join(code(path.read_bytes()) for path in texts)).hexdigest()
    assert source_hash(importlib.import_module("importer")) == expected


def test_the_source_hash_follows_edits_of_a_file_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = write(tmp_path / "beside_one.py", "width = 2")
    write(tmp_path / "imports_beside.py", "import pytest\nfrom beside_one import width")
    monkeypatch.syspath_prepend(tmp_path)

    def imported() -> ModuleType:
        for name in ("imports_beside", "beside_one"):
            sys.modules.pop(name, None)
        return importlib.import_module("imports_beside")

    before = source_hash(imported())
    beside.write_text("width = 4")
    module = imported()
    assert source_hash(module) != before
    texts = [code((tmp_path / name).read_bytes()) for name in ("imports_beside.py", "beside_one.py")]
    assert source_hash(module) == hashlib.sha256(b"".join(texts)).hexdigest()  # and nothing of installed packages


def test_lookups() -> None:
    found = Registry()
    assert get_model("vgg11_bn:width=0.5", found).label == "vgg11_bn:width=0.5"
    assert get_model("torchvision:resnet18,weights=DEFAULT", found).label == "torchvision:resnet18,weights=DEFAULT"
    assert get_criterion("magnitude:p=1", found).label == "magnitude:p=1"
    dataset, argument = get_dataset("folder:/some/where,size=32", found)
    assert (dataset.name, argument) == ("folder", "/some/where")


@pytest.mark.parametrize(
    ("get", "text", "message"),
    [
        (get_model, "lenet", "unknown model 'lenet'; did you mean 'lenet5'"),
        (get_model, "lenet5:big", "model 'lenet5' takes no argument 'big'; write lenet5"),
        (get_model, "torchvision", "model 'torchvision' needs NAME: write torchvision:NAME"),
        (get_model, "vgg11:width=wide", "option width=wide of 'vgg11' must be a number"),
        (get_criterion, "tailor", "unknown criterion 'tailor'; did you mean 'taylor'"),
        (get_dataset, "minst", "unknown dataset 'minst'; did you mean 'mnist'"),
        (get_dataset, "folder", "dataset 'folder' needs PATH: write folder:PATH"),
        (get_dataset, "digits:/x", "dataset 'digits' takes no argument '/x'; write digits"),
        (get_dataset, "folder:/x,size=big", "option size=big of 'folder' must be a whole number"),
    ],
)
def test_lookup_errors(get: object, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        get(text, Registry())  # type: ignore[operator]


def test_a_plugin_that_defines_nothing_is_named_where_a_name_is_unknown(tmp_path: Path) -> None:
    file = tmp_path / "idle.py"
    file.write_text("def score(weight): ...")
    found = Registry((str(file),))
    for get in (get_model, get_criterion, get_dataset):
        with pytest.raises(
            UserError, match=r"; plugin .*idle.py defines no criterion, dataset or model, as by Criterion"
        ):
            get("unheard_of", found)  # type: ignore[operator]


def test_the_constructor_function_gives_one_registry_a_process() -> None:
    assert load_registry(()) is load_registry(())
