import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from prunebench.errors import UserError
from prunebench.plugins import user_model
from prunebench.plugins.dataset import Source
from prunebench.plugins.identity import identity
from prunebench.plugins.model import Model
from prunebench.plugins.registry import Registry, get_model
from prunebench.records.protocol import Protocol
from prunebench.study.store import key_of
from prunebench.study.task import make_task

NETS = """
    from torch import nn

    def small(channels, num_classes, width=4, *, deep=False, kind="relu", seed=None):
        layers = [nn.Conv2d(channels, width, 3), nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))

    class Net(nn.Sequential):
        def __init__(self, classes, size):
            super().__init__(nn.Flatten(), nn.Linear(3 * size**2, classes))

    class Family:
        large = staticmethod(lambda channels, classes: small(channels, classes, 9))

    def fails(channels):
        raise ValueError("no such\\nnet")

    def nothing():
        return None

    text = "no function"

    def open_ended(classes, depth, act=None, norm=nn.BatchNorm2d, **more):
        net = nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))
        net.given = (depth, act, more)
        return net
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a working folder with a module of networks, whose names are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mynets.py").write_text(textwrap.dedent(NETS))
    (tmp_path / "badnets.py").write_text("import no_such_thing\n")
    yield tmp_path
    forget()


def forget() -> None:
    for name in ("mynets", "badnets", "others", "mypackage", "mypackage.nets"):
        sys.modules.pop(name, None)
    user_model._files.clear()


def model(text: str) -> Model:
    return get_model(text, Registry())


def test_it_is_called_with_what_it_takes_by_name(folder: Path) -> None:
    small = model("mynets:small,width=6,deep=true")
    assert (small.label, small.options) == ("mynets:small,deep=true,width=6", {"width": 6, "deep": True})
    assert [tuple(p.shape) for p in small(2, 8, 5).parameters()] == [
        (6, 2, 3, 3),
        (6,),
        (6, 6, 1, 1),
        (6,),
        (5, 6),
        (5,),
    ]
    assert model("mynets:Net")(3, 4, 7)(torch.zeros(1, 3, 4, 4)).shape == (1, 7)
    assert model("mynets:Family.large")(1, 4, 7)[0].out_channels == 9  # type: ignore[index]


def test_a_run_takes_it_by_name(folder: Path) -> None:
    task = make_task("digits", "mynets:small,width=5", Protocol(), Source(folder))
    assert [group.units for group in task.table.groups] == [5, 5]
    assert task.protocol.rate == 0.05


def test_packages_of_the_working_folder_and_installed_ones(folder: Path) -> None:
    (folder / "mypackage").mkdir()
    (folder / "mypackage" / "nets.py").write_text("from mynets import small as make")
    assert model("mypackage.nets:make")(3, 8, 2)[-1].out_features == 2  # type: ignore[index]
    assert model("torchvision.models:SqueezeNet")(3, 64, 2)(torch.zeros(1, 3, 64, 64)).shape == (1, 2)


def test_an_edited_file_is_another_model(folder: Path) -> None:
    def key() -> str:
        forget()
        return key_of("", {"": identity(model("others:make"))})

    (folder / "others.py").write_text(
        "from mynets import small\ndef make(channels, classes):\n    return small(channels, classes)\n"
    )
    first = key()
    assert key() == first
    (folder / "mynets.py").write_text(textwrap.dedent(NETS).replace("width, 3)", "width, 3, 2)"))
    assert key() != first
    assert identity(model("mynets:small")) != identity(model("mynets:small,width=5"))


def test_the_same_name_in_another_folder_is_never_mistaken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert model("mynets:small")(1, 8, 2)[0].out_channels == 4  # type: ignore[index]
    other = folder / "other"
    other.mkdir()
    wider = textwrap.dedent(NETS).replace("width=4", "width=9")
    for name in ("mynets", "others"):
        (other / f"{name}.py").write_text(wider)
    (folder / "others.py").write_text(textwrap.dedent(NETS))
    monkeypatch.chdir(other)
    with pytest.raises(
        UserError, match=r"mynets was imported before from .*mynets\.py, not from .*other.mynets\.py; give"
    ):
        model("mynets:small")
    assert model("others:small")(1, 8, 2)[0].out_channels == 9  # type: ignore[index]  # not yet imported: the folder's own
    monkeypatch.chdir(folder)
    assert model("mynets:small")(1, 8, 2)[0].out_channels == 4  # type: ignore[index]


def test_a_file_is_found_by_its_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = folder / "other"
    other.mkdir()
    (other / "others.py").write_text(textwrap.dedent(NETS))
    found = model("other/others.py:small,width=6")
    assert found.label == "others:small,width=6" and found(1, 8, 2)[0].out_channels == 6  # type: ignore[index]
    forget()
    monkeypatch.chdir(other)
    assert model("../mynets.py:small").label == "mynets:small"


def test_a_bare_name_means_the_file_that_was_given(folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "mynets.py").write_text(textwrap.dedent(NETS).replace("width=4", "width=9"))
    for text in ("other/mynets.py:small", "mynets:small"):
        assert model(text)(1, 8, 2)[0].out_channels == 9  # type: ignore[index]


def test_a_file_that_cannot_be_a_module_is_renamed(folder: Path) -> None:
    for name in ("tabulate.py", "2-nets.py"):
        (folder / name).write_text(textwrap.dedent(NETS))
    with pytest.raises(UserError, match=r"Python has another module tabulate, /.*tabulate.*; rename /.*/tabulate\.py$"):
        model("tabulate.py:small")
    with pytest.raises(
        UserError, match=r"'2-nets' is no name of a Python module; rename the file, such as to _2_nets\.py"
    ):
        model("2-nets.py:small")


def test_a_registered_name_stays_that_model(folder: Path) -> None:
    (folder / "lenet5.py").write_text("def make(): ...")
    with pytest.raises(UserError, match="model 'lenet5' takes no argument 'make'"):
        model("lenet5:make")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonets:small", "unknown model 'nonets:small': there is no model 'nonets', and no module 'nonets' in /"),
        ("nonets:small", "among the installed packages; give its file, as in PATH/nonets.py:small"),
        ("nonets.py:small", "model 'nonets.py:small': nonets.py: no such file; give its path"),
        ("mynets.py", "model 'mynets.py': name a function of the file that builds the network, as in mynets.py:make"),
        ("mynets.deep:small", r"unknown model 'mynets.deep:small': .* no module 'mynets.deep'"),
        ("mynets:smal", r"unknown function 'smal' in /.*/mynets.py; did you mean 'small'\? Known: Family, Net, "),
        ("mynets:text", "model 'mynets:text': text is of type str, not a function that builds a network"),
        ("badnets:x", r"badnets cannot be imported: ModuleNotFoundError: .* \(badnets.py:1\)"),
        ("my-nets:small", "model 'my-nets:small': write module:function"),
        ("mynets:small,depth=3", r"unknown option 'depth' in 'mynets:small'; .* Known: deep, kind, width"),
        ("mynets:small,width=big", "option width=big of 'mynets:small' must be a whole number"),
        ("mynets:fails", r"'mynets:fails' called with \(channels=3\) failed: ValueError: no such net \(mynets.py:"),
        ("mynets:nothing", "'mynets:nothing' gives a NoneType; it must return a torch.nn.Module"),
    ],
)
def test_bad_input(text: str, message: str, folder: Path) -> None:
    with pytest.raises(UserError, match=message) as caught:
        model(text)(3, 8, 2)
    assert "\n" not in str(caught.value)


def test_every_keyword_argument_is_an_option(folder: Path) -> None:
    text = "mynets.py:open_ended,depth=3,act=silu,rate=1e-3,on=true"
    found = model(text)
    assert found.label == "mynets:open_ended,act=silu,depth=3,on=true,rate=0.001"
    assert found(1, 8, 2).given == (3, "silu", {"rate": 0.001, "on": True})
    assert model(found.label).label == found.label


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mynets:open_ended", "needs the argument 'depth': give depth=VALUE"),
        ("mynets:open_ended,depth=1,norm=LayerNorm", "takes an object as 'norm'"),
    ],
)
def test_a_wrapper_is_shown_where_an_option_cannot_do(folder: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        model(text)
    assert "write these three lines into wrapper.py: `from mynets import open_ended`" in str(caught.value)
    assert "\n" not in str(caught.value)
