"""What counts in the hash of a function, class, object or network, and what does not."""

import functools
import sys
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from prunebench.plugins.content import UnreadableError, content

Function = Callable[..., Any]


def defined(text: str, name: str = "f", **outside: Any) -> Any:
    """Define something as a notebook does: in a module without a file."""
    scope: dict[str, Any] = {"__name__": "__main__"} | outside
    exec(text, scope)
    return scope[name]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(w): return w.sum(1)", "def f(w): return w.mean(1)"),
        ("def f(w): return w + 1", "def f(w): return w + 2"),
        ("def f(w, *, p=1): return w", "def f(w, *, p=2): return w"),
        ("p = 1\ndef f(w): return w * p", "p = 2\ndef f(w): return w * p"),
        ("def g(w): return w\ndef f(w): return g(w)", "def g(w): return -w\ndef f(w): return g(w)"),
        ("def f(w): return [x for x in w if x in {'a', 'b'}]", "def f(w): return [x for x in w if x in {'a', 'c'}]"),
        ("class f:\n    def a(self): return 1", "class f:\n    def a(self): return 2"),
        ("class b: x = 1\nclass f(b): pass", "class b: x = 2\nclass f(b): pass"),
        ("def m(p): return lambda w: w ** p\nf = m(1)", "def m(p): return lambda w: w ** p\nf = m(2)"),
        (
            "import torch\nt = torch.ones(2)\ndef f(w): return w * t",
            "import torch\nt = torch.zeros(2)\ndef f(w): return w * t",
        ),
    ],
)
def test_what_changes_behaviour_counts(one: str, other: str) -> None:
    assert content(defined(one)) == content(defined(one)) != content(defined(other))


OUTSIDE = """
import collections, dataclasses, enum, functools, typing
import numpy as np, torch
from dataclasses import dataclass, field
"""
HARD = {  # what two definitions differ in stands at @@
    "cached function": "@functools.lru_cache\ndef h(): return @@\ndef f(w): return h()",
    "a cached function itself": "@functools.lru_cache\ndef f(w): return @@",
    "universal function": "h = np.frompyfunc(lambda x: x * @@, 1, 1)\ndef f(w): return h(w)",
    "vectorised function": "h = np.vectorize(lambda x: x * @@)\ndef f(w): return h(w)",
    "default of a dictionary": "t = collections.defaultdict(lambda: @@)\ndef f(w): return t['a']",
    "subclass of dict": "class T(dict):\n  def __missing__(self, k): return @@\nt = T()\ndef f(w): return t['a']",
    "subclass of list": "class T(list):\n  def g(self): return @@\nt = T()\ndef f(w): return t.g()",
    "subclass of str": "class T(str):\n  def g(self): return @@\nt = T()\ndef f(w): return t.g()",
    "subclass of float": "class T(float):\n  def g(self): return @@\nt = T()\ndef f(w): return t.g()",
    "subclass of a tensor": "class T(torch.Tensor):\n  k = @@\nt = torch.ones(1).as_subclass(T)\ndef f(w): return t.k",
    "subclass of partial": "class T(functools.partial):\n  k = @@\nt = T(abs)\ndef f(w): return t.k",
    "named tuple": "class T(typing.NamedTuple):\n  x: int\n  def g(self): return @@\nt = T(1)\ndef f(w): return t.g()",
    "factory of a field": "@dataclass\nclass T:\n  x: list = field(default_factory=lambda: [@@])\ndef f(w): return T()",
    "comparison of one's own": "@dataclass(eq=False)\nclass T:\n  def __eq__(self, o): return @@\ndef f(w): return T()",
    "setting of one's own": "@dataclass\nclass T:\n  def __setattr__(self, n, v): return @@\ndef f(w): return T()",
    "order of fields": "T = dataclasses.make_dataclass('T', ['xy'[@@ - 2], 'xy'[3 - @@]])\ndef f(w): return T(1, 2).x",
    "keywords alone": "@dataclass(kw_only=@@ == 2)\nclass T:\n  x: int = 1\ndef f(w): return T()",
    "frozen": "@dataclass(frozen=@@ == 2)\nclass T:\n  x: int = 1\ndef f(w): return T()",
    "attribute of the function": "def f(w): return f.k\nf.k = @@",
    "attribute of another function": "def h(): return 1\nh.k = @@\ndef f(w): return h.k",
    "enumeration": "class T(enum.Enum):\n  A = 1\n  def g(self): return @@\nt = T.A\ndef f(w): return t.g()",
    "flags": "class T(enum.IntFlag):\n  A = 1\n  def g(self): return @@\nt = T.A\ndef f(w): return t.g()",
    "masked array": "t = np.ma.masked_array([1.0, 2.0], mask=[@@ == 2, False])\ndef f(w): return t.mean()",
    "order in memory": "t = np.array(np.ones((2, 2)), order='CF'[@@ - 2])\ndef f(w): return t.ravel('K')",
    "gradient": "t = torch.ones(1, requires_grad=True)\nt.grad = torch.ones(1) * @@\ndef f(w): return t.grad",
    "attribute of a tensor": "t = torch.ones(1)\nt.k = @@\ndef f(w): return t.k",
    "metaclass": "class M(type):\n  def __call__(c): return @@\nclass T(metaclass=M): pass\ndef f(w): return T()",
    "slot": "class T:\n  __slots__ = ('x',)\nt = T()\nt.x = @@\ndef f(w): return t.x",
    "slot below": "class B:\n  __slots__ = ('x',)\nclass T(B): pass\nt = T()\nt.x = @@\ndef f(w): return t.x",
    "method of a dictionary": "g = {'a': @@}.get\ndef f(w): return g('a')",
    "method of an object": "class T:\n  def g(self, w): return self.k\nt = T()\nt.k = @@\nf = t.g",
    "deleter": "class T:\n  x = property(None, None, lambda self: @@)\ndef f(w): return T()",
    "generic function": "@functools.singledispatch\ndef h(x): return @@\ndef f(w): return h(w)",
    "generator": "t = torch.Generator().manual_seed(@@)\ndef f(w): return torch.rand(1, generator=t)",
    "iterator": "t = iter([@@])\ndef f(w): return next(t)",
    "globals": "k = @@\ndef f(w): return globals()['k']",
    "globals of a function": "k = @@\ndef f(w): return f.__globals__['k']",
    "evaluation": "k = @@\ndef f(w): return eval('k')",
    "evaluation by another name": "k, e = @@, eval\ndef f(w): return e('k')",
    "import of one's choice": "k = @@\ndef f(w):\n  import importlib\n  return importlib.import_module('__main__').k",
    "list within itself": "t = [@@]\nt.append(t)\ndef f(w): return t",
    "dictionary within itself": "t = {0: @@}\nt[1] = [t]\ndef f(w): return t",
}


def told(thing: Any) -> str:
    """Give the key, or another text each time where there is none."""
    try:
        return content(thing)
    except UnreadableError:
        return uuid.uuid4().hex


@pytest.mark.parametrize("text", HARD.values(), ids=HARD)
def test_code_that_differs_never_has_one_key(text: str) -> None:
    one, other = (defined(OUTSIDE + text.replace("@@", number)) for number in ("2", "3"))
    assert told(one) != told(other)


READABLE = [
    "import torch\n@torch.no_grad()\ndef f(w): return w",
    "from torch.nn.functional import conv2d, relu\nfrom numpy import sqrt\ndef f(w): return relu(conv2d(w, sqrt(2)))",
    "def f(w):\n  import numpy as np\n  from torch.nn import functional as F\n  return F.relu(w) * np.pi",
    "import logging, re\nlog, r = logging.getLogger('x'), re.compile('a')\ndef f(w): log.info(r.match('a'))",
    "from abc import ABC\nclass B(ABC):\n  def __call__(self, w): return w\nf = B()",
    "from dataclasses import dataclass\n@dataclass(slots=True)\nclass B:\n  x: list[int] | None = None\nf = B()",
    "from torch import nn\nf = nn.LSTM(2, 2)\nfor p in f.parameters(): nn.init.ones_(p)",
    "from prunebench.criteria.magnitude import magnitude\ndef f(w): return magnitude(w)",
]


@pytest.mark.parametrize("text", READABLE)
def test_what_people_write_can_be_hashed(text: str) -> None:
    assert content(defined(text)) == content(defined(text))


IMPORTS = [
    "def f(w):\n  import mine_NAME\n  return mine_NAME.f()",
    "def f(w):\n  from mine_NAME import f as g\n  return g()",
    "def f(w):\n  def g():\n    import mine_NAME as m\n    return m.f()\n  return g()",
    "import mine_NAME\ndef f(w): return mine_NAME.f()",
    "from mine_NAME import f as g\ndef f(w): return g()",
    "import pack_NAME.sub\ndef f(w): return pack_NAME.sub.f()",
    "def f(w):\n  import pack_NAME.sub\n  return pack_NAME.sub.f()",
    "import pack_NAME.sub\ndef g(m): return m.sub.f()\ndef f(w): return g(pack_NAME)",
    "import space_NAME.sub\ndef f(w): return space_NAME.sub.f()",
]


@pytest.mark.parametrize("text", IMPORTS)
def test_modules_of_the_users_own_count_by_their_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    keys = set()
    for value in ("2", "2", "3"):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for name in ("mine_x", "pack_x/__init__", "pack_x/sub", "space_x/sub"):
            file = folder / f"{name}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("" if "init" in name else f"def f(): return {value}\n")
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(folder))
            keys.add(content(defined(text.replace("NAME", "x"))))
        for name in [name for name in sys.modules if name.partition(".")[0] in ("mine_x", "pack_x", "space_x")]:
            del sys.modules[name]
    assert len(keys) == 2


def test_a_value_that_was_set_in_a_module_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "settings_x.py").write_text("power = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    function = defined("import settings_x\ndef f(w): return w ** settings_x.power")
    before = content(function)
    monkeypatch.setattr(sys.modules["settings_x"], "power", 2)
    assert content(function) != before


def test_an_import_inside_gives_one_key_before_and_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "later_x.py").write_text("power = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    function = defined("def f(w):\n  import later_x\n  return w ** later_x.power")
    before = content(function)
    assert function(2) == 2 and content(function) == before


@pytest.mark.parametrize("text", ["import made_x\ndef f(w): return made_x", "def f(w):\n  import gone_x"])
def test_modules_without_a_source_cannot_be_hashed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setitem(sys.modules, "made_x", ModuleType("made_x"))
    with pytest.raises(UnreadableError, match=r"the module .*_x, which has no source file"):
        content(defined(text))


def test_comments_and_names_that_are_not_read_do_not_count() -> None:
    plain = defined("def f(w): return w.sum(1)")
    assert content(plain) == content(defined("# a comment\n\ndef f(w):\n    # why\n    return w.sum(1)"))
    assert content(plain) == content(defined("data = 5\ndef f(w): return w.sum(1)", sum=threading.Lock()))


def test_a_function_that_calls_itself_has_an_end() -> None:
    assert content(defined("def f(n): return n and f(n - 1)"))


def test_networks_count_by_layers_and_weights_not_by_mode() -> None:
    def built(**changed: Any) -> nn.Sequential:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 4, 3, **changed), nn.BatchNorm2d(4))

    first = content(built())
    assert first == content(built()) == content(built().eval())
    assert first != content(built(padding=1)) and first != content(built(stride=2))
    trained = built()
    trained[1].running_mean.add_(1)
    assert first != content(trained)
    frozen = built()
    frozen[0].weight.requires_grad_(False)
    assert first != content(frozen)
    hooked = built()
    hooked[0].register_forward_hook(defined("def f(module, inputs, output): return -output"))
    assert first != content(hooked)


def test_own_classes_of_layers_count_by_their_code() -> None:
    text = "from torch import nn\nclass f(nn.Module):\n    def forward(self, x): return x {} 1"
    assert content(defined(text.format("+"))()) != content(defined(text.format("*"))())


@dataclass(frozen=True)
class Setting:
    strength: float
    function: Function


def test_what_a_dataclass_writes_does_not_count_but_own_methods_do() -> None:
    text = (
        "from dataclasses import dataclass\n@dataclass{}\nclass f:\n    x: int = 0\n    def __init__(self): self.x = {}"
    )
    own = [content(defined(text.format("(init=False)", number))) for number in (1, 2)]
    assert own[0] != own[1]
    below = "from dataclasses import dataclass\n@dataclass\nclass b: x: int = 0\n"
    below += "class f(b):\n    def __init__(self): self.x = {}"
    assert content(defined(below.format(1))) != content(defined(below.format(2)))


def test_objects_count_by_their_values() -> None:
    assert content(Setting(1.0, abs)) == content(Setting(1.0, abs)) != content(Setting(2.0, abs))
    assert content(Setting(1.0, abs)) != content(Setting(1.0, len))
    assert content(functools.partial(max, 1)) != content(functools.partial(max, 2))
    assert content(np.arange(3)) == content(np.arange(3)) != content(np.arange(4))
    assert content({"a", "b", "c"}) == content({"c", "b", "a"})


def test_what_has_no_readable_state_is_said() -> None:
    lock = threading.Lock()
    with pytest.raises(UnreadableError, match="an object of type lock"):
        content(defined("def f(w): return held", held=lock))
