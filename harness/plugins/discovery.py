"""Discovery of criteria, datasets and models: in the package's own files, entry points and plugin files."""

import ast
import hashlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from traceback import extract_tb
from types import ModuleType

from prunebench import processes
from prunebench.errors import UserError
from prunebench.paths import exists, user_path
from prunebench.plugins.sources import PLUGIN_PACKAGES, follow, is_installed, run, source, spec_of, text_of


@dataclass(frozen=True)
class PluginSource:
    """A module that may define plugins. attribute: the plugin that an entry point names, if it names one."""

    origin: str
    load: Callable[[], ModuleType]
    attribute: str = ""


def places(plugins: tuple[str, ...]) -> Iterator[PluginSource]:
    """Yield every place in the order of discovery: own files, entry points, plugin files.

    Raises `UserError` for a plugin file or module that does not exist.
    """
    for family in PLUGIN_PACKAGES:
        for info in pkgutil.iter_modules(import_module(family).__path__):
            if not info.name.startswith("_"):
                name = f"{family}.{info.name}"
                yield PluginSource(name, partial(import_module, name))
    for family in PLUGIN_PACKAGES:
        for point in entry_points(group=family):
            follow(point.module)
            yield PluginSource(_origin(point), partial(import_module, point.module), point.attr)
    for plugin in plugins:
        yield _plugin(plugin)


def _origin(point: EntryPoint) -> str:
    package = f"{point.dist.name} {point.dist.version} " if point.dist else ""
    return f"entry point {package}({point.value})"


def _plugin(text: str) -> PluginSource:
    """Read a value of --plugin: `path/to/file.py` or `package.module`."""
    path = user_path(text)
    if exists(path) and path.is_file():
        return PluginSource(f"plugin {text}", partial(_load_file, path.resolve()))
    names = text.split(".")
    if path.suffix == ".py" or not all(map(str.isidentifier, names)):
        raise UserError(f"--plugin {text}: no such file; give path/to/file.py or package.module")
    if importlib.util.find_spec(names[0]) is None:
        raise UserError(f"--plugin {text}: no such module on Python's path; give path/to/file.py or package.module")
    follow(text)
    return PluginSource(f"plugin {text}", partial(import_module, text))


def _load_file(path: Path) -> ModuleType:
    """Run a file as a module. Its name holds a hash of the text, so an edited file does not replace the module."""
    text = text_of(path)
    name = f"prunebench_plugin_{hashlib.sha256(str(path).encode() + text).hexdigest()[:8]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise ImportError(f"{path} is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        run(module, path, text)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def failure(error: BaseException) -> str:
    """Describe an error in a user's code on one line, with the innermost file and line outside torch."""
    text = " ".join(str(error).split())
    if isinstance(error, UserError):
        return text
    frames = extract_tb(error.__traceback__)
    own = (f for f in reversed(frames) if not _skipped(f.filename))
    frame = next(own, frames[-1])
    where = "" if isinstance(error, SyntaxError) else f" ({Path(frame.filename).name}:{frame.lineno})"
    return f"{type(error).__name__}{': ' if text else ''}{text}{where}"


def _skipped(file: str) -> bool:
    """Tell torch, code without a file, and the clock of `time_limit` from the code that failed."""
    return "torch" in Path(file).parts or file.startswith("<") or file == processes.__file__


def source_hash(module: ModuleType) -> str:
    """SHA-256 of a module and of what it imports from its package, its folder and `PLUGIN_PACKAGES`.

    Texts count as they were run (see `sources`), those that functions import later as they will be run. Comments,
    docstrings and layout do not count, since they change no result; the order of imports does.
    """
    return source_hash_of(module.__name__)


def source_hash_of(name: str) -> str:
    """Hash a module by its name, see `source_hash`. It need not be imported yet."""
    digest = hashlib.sha256()
    for text in _sources(name, set()):
        digest.update(text)
    return digest.hexdigest()


def _sources(name: str, seen: set[str]) -> Iterator[bytes]:
    seen.add(name)
    found = source(name)
    if found is None:
        return
    if found.file.suffix != ".py":
        yield found.text
        return
    yield code(found.text)
    for imported in _imports(found.text, found.package):
        if imported not in seen and _is_hashed(imported, name):
            yield from _sources(imported, seen)


def code(text: bytes) -> bytes:
    """Return source code without comments, docstrings and layout.

    >>> print(code(b"x = 2*y  # twice").decode())
    x = 2 * y
    """
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree).encode()


def _is_hashed(imported: str, importing: str) -> bool:
    own, other = importing.partition(".")[0], imported.partition(".")[0]
    return imported.startswith(tuple(f"{family}." for family in PLUGIN_PACKAGES)) or (
        own != "prunebench" and (other == own or _share_folder(other, own))
    )


def _share_folder(one: str, other: str) -> bool:
    """Tell whether two modules lie in one folder of the user's own, not in a folder of installed packages."""
    folder = _folder(other)
    return folder is not None and not is_installed(folder) and folder == _folder(one)


def _folder(package: str) -> Path | None:
    spec = spec_of(package)
    if spec is None:
        return None
    path = next(iter(spec.submodule_search_locations or ()), spec.origin if spec.has_location else None)
    return Path(path).resolve().parent if path else None


def _imports(text: bytes, package: str) -> Iterator[str]:
    """Yield the names of imported modules; `from a import b` yields `a` and `a.b`, since b may be a module."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
