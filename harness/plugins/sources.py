"""The texts that this process runs as foreign code: each is hashed as it was run, whatever happens to its file.

Python's own import may run an old bytecode file, and forgets the text. So the modules of plugins and of the user are
imported by a loader that compiles the text and keeps it. A worker process runs and hashes its parent's texts.
"""

import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from weakref import WeakKeyDictionary

from prunebench.errors import UserError

PLUGIN_PACKAGES = ("prunebench.criteria", "prunebench.datasets", "prunebench.models")
MAIN = ("__main__", "__mp_main__")  # a notebook, a session or a script
_LIBRARIES = tuple(Path(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib"))
_INSTALLED = {"site-packages", "dist-packages"}

_run: WeakKeyDictionary[ModuleType, bytes] = WeakKeyDictionary()
_fixed: dict[str, bytes] = {}  # by file: what a module must run that is not yet imported
_packages: set[str] = set()  # installed packages of plugins


@dataclass(frozen=True)
class Source:
    """The text of a module. package: the package from which its relative imports start."""

    name: str
    file: Path
    package: str
    text: bytes


def run(module: ModuleType, file: Path, text: bytes) -> None:
    """Run a text as a module and keep it, without the bytecode cache, which misses a quick edit."""
    _run[module] = text
    exec(_compiled(text, str(file)), vars(module))


def text_of(file: Path) -> bytes:
    """Return the text that a file's module must run: the parent's in a worker process, else the file's own."""
    return _fixed[str(file)] if str(file) in _fixed else file.read_bytes()


def texts() -> dict[str, bytes]:
    """Return the texts that this process runs, by file, for `adopt` in a worker process."""
    return {str(_file(module)): text for module, text in _run.items()} | _fixed


def adopt(given: Mapping[str, bytes]) -> None:
    """Run these texts in place of the files, which may have been edited since."""
    _fixed.update(given)


def follow(package: str) -> None:
    """Keep the texts of an installed package from now on; those of the user's own modules are always kept."""
    _packages.add(package.partition(".")[0])


def source(name: str) -> Source | None:
    """Return the text that a module has run, or will run if it is imported later. None without a source file.

    Raises `UserError` if the module was imported behind the back of this one, and its file was edited since.
    """
    module = sys.modules.get(name)
    if module is None:
        return _later(name)
    if not getattr(module, "__file__", None):
        return None
    return Source(name, _file(module), module.__package__ or "", _text(module))


def _file(module: ModuleType) -> Path:
    return Path(str(module.__file__))


def _text(module: ModuleType) -> bytes:
    file = _file(module)
    if module not in _run:
        _run[module] = file.read_bytes()
        owners = [module, *(value for value in vars(module).values() if isinstance(value, type))]
        check(module, (value for owner in owners for value in vars(owner).values()))
    if _fixed.get(str(file), _run[module]) != _run[module]:
        raise _edited(file)
    return _run[module]


def check(module: ModuleType, things: Iterable[object]) -> None:
    """Raise `UserError` for a function that is not of the text of its module, as after a reload."""
    file = str(_file(module))
    if type(module.__loader__) not in (SourceFileLoader, _Loader) or not file.endswith(".py"):
        return  # another loader, such as pytest's, may change the code
    for thing in things:
        code = thing.__code__ if isinstance(thing, FunctionType) else None
        if code is not None and code.co_filename == file and _bare(code) not in _codes(_run[module], file):
            raise _edited(file)


def _edited(file: object) -> UserError:
    return UserError(f"{file} was edited after it was imported, so results would be mixed up; start Python again")


def _later(name: str) -> Source | None:
    """Fix the text of a module that is not yet imported."""
    spec = spec_of(name)
    if spec is None or not spec.has_location or not str(spec.origin).endswith(".py"):
        return None
    file = Path(str(spec.origin))
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    return Source(name, file, package, _fixed.setdefault(str(file), file.read_bytes()))


def spec_of(name: str) -> ModuleSpec | None:
    """Find a module without importing it or its packages."""
    if name in sys.modules:
        return sys.modules[name].__spec__
    package = name.rpartition(".")[0]
    if not package:
        return PathFinder.find_spec(name)
    above = spec_of(package)
    places = above.submodule_search_locations if above is not None else None
    return PathFinder.find_spec(name, places) if places else None


def _compiled(text: bytes, file: str) -> CodeType:
    return compile(text, file, "exec", dont_inherit=True)


@cache
def _codes(text: bytes, file: str) -> frozenset[CodeType]:
    return frozenset(map(_bare, _within(_compiled(text, file))))


def _within(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _within(constant)


def _bare(code: CodeType) -> CodeType:
    """Return code without its line numbers, which a comment shifts."""
    constants = tuple(_bare(one) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_firstlineno=1, co_linetable=b"", co_consts=constants)


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        run(module, Path(self.path), text_of(Path(self.path)))


class _Finder:
    """Gives the modules of plugins and of the user the loader that keeps their texts."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        later = sys.meta_path[sys.meta_path.index(cls) + 1 :]
        specs = (finder.find_spec(name, path, target) for finder in later if hasattr(finder, "find_spec"))
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and type(spec.loader) is SourceFileLoader and _is_followed(name, Path(spec.loader.path)):
            spec.loader = _Loader(name, spec.loader.path)
        return spec


def _is_followed(name: str, file: Path) -> bool:
    package = name.partition(".")[0]
    if package == "prunebench":
        return name.startswith(tuple(f"{family}." for family in PLUGIN_PACKAGES))
    return not is_standard_file(file) or package in _packages


def is_standard_file(file: Path) -> bool:
    """Tell whether a file is of Python or of an installed package."""
    return is_installed(file) or any(file.is_relative_to(folder) for folder in _LIBRARIES)


def is_standard(module: ModuleType) -> bool:
    """Tell whether a module is of Python or of an installed package. Without a file, it is of Python if built in."""
    file = getattr(module, "__file__", None)
    if file is None:
        return getattr(module.__spec__, "origin", None) in ("built-in", "frozen")
    return is_standard_file(Path(file))


def is_installed(file: Path) -> bool:
    """Tell whether a file lies in a folder of installed packages."""
    return bool(_INSTALLED & set(file.parts))


def is_library(name: str) -> bool:
    """Tell whether an imported module is of an installed package, not of Python, the user or PruneBench."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return file is not None and is_installed(Path(file)) and not name.startswith("prunebench.")


sys.meta_path.insert(sys.meta_path.index(PathFinder), _Finder)
