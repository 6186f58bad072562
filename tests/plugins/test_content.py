"""What counts in the hash of a function, class, object or network, and what does not."""

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
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
