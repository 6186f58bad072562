"""Put off the import of torch's compiler, which takes as long as torch's own, until something is compiled.

Optimisers, dispatch modes, the meta device and torchvision import it to ask one question, even where nothing is
compiled. Stand-ins answer these questions. Whatever else is asked of a stand-in imports the compiler in its place.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType
from typing import Any

COMPILER = "torch._dynamo"
_UTILS = f"{COMPILER}.utils"

_let_through: list[Any] = []  # functions that torch remembers as needing no protection from the compiler


def put_off() -> None:
    """Let this process import the compiler at its first use; nothing happens where it was imported before."""
    if COMPILER in sys.modules:
        return
    sys.modules[COMPILER] = _StandIn(COMPILER, __path__=[], disable=_disable, graph_break=_nothing)
    sys.modules[_UTILS] = _StandIn(_UTILS, is_compile_supported=_is_compile_supported)
    sys.meta_path.insert(0, _Finder)


class _StandIn(ModuleType):
    def __init__(self, name: str, **answers: object) -> None:
        super().__init__(name)
        vars(self).update(answers, __spec__=ModuleSpec(name, None))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # `inspect` looks into all modules
            raise AttributeError(name)
        return getattr(_real(self.__name__), name)


def _real(name: str) -> Any:
    """Import a module of the compiler in place of the stand-ins, and the compiler before it."""
    for one in (COMPILER, _UTILS):
        if isinstance(sys.modules.get(one), _StandIn):
            del sys.modules[one]
    while _let_through:
        vars(_let_through.pop()).pop("__dynamo_disable", None)
    import_module(COMPILER)
    return import_module(name)


def _disable(function: Any = None, recursive: bool = True, **options: Any) -> Any:
    if options != {"wrapping": False}:  # not by `torch._disable_dynamo`, which asks again once its note is gone
        return _real(COMPILER).disable(function, recursive, **options)
    _let_through.append(function)
    return function


def _nothing(*_: object, **__: object) -> None:
    """Break no graph: none is made."""


def _is_compile_supported(device: Any) -> Any:
    return _real(_UTILS).is_compile_supported(device)


class _Finder:
    """Finds the modules of the compiler where its stand-in stands."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        stands = name.startswith(f"{COMPILER}.") and isinstance(sys.modules.get(COMPILER), _StandIn)
        return spec_from_loader(name, cls) if stands else None  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        module: ModuleType = _real(spec.name)
        spec.loader_state = module.__spec__
        return module

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None and spec.loader_state is not None:
            module.__spec__ = spec.loader_state  # the module has run already
