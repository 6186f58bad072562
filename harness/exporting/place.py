"""The folder that an export writes: which folders it may take, and how a new export replaces an earlier one."""

import shutil
from collections.abc import Callable
from pathlib import Path

from prunebench.errors import UserError
from prunebench.records.store_files import MASKS, WEIGHTS, read_json
from prunebench.study.store import guard

CONFIG, CODE, ONNX, README = "config.json", "network.py", "network.onnx", "README.md"
FORMAT = "prunebench network 1"  # in config.json: marks a folder as an export
_FILES = (CONFIG, CODE, WEIGHTS, README, MASKS, ONNX)
_CACHE = "__pycache__"  # Python makes it where network.py is imported


def claim(folder: Path | str) -> Path:
    """Return the folder to write, with links followed. It may be absent, empty or an earlier export.

    Raises `UserError` where it is anything else.
    """
    try:
        place = Path(folder).resolve()
        found = sorted(path.name for path in place.iterdir()) if place.exists() else []
    except NotADirectoryError:
        raise UserError(f"--to {folder}: a file; give a folder that does not exist or is empty") from None
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError
        raise UserError(f"--to {folder}: cannot be read: {error}; give another folder") from None
    other = [name for name in found if not _ours(place / name)]
    if other or (found and not _is_export(place)):
        what = f"holds something else, such as '{(other or found)[0]}'"
        raise UserError(f"--to {folder}: {what}; give a folder that does not exist or is empty")
    return place


def move_in(made: Path, folder: Path) -> list[Path]:
    """Move the files of a new export into a claimed folder; those of an earlier export go. Returns the new paths."""
    claim(folder)  # much may have changed since

    def move() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).unlink(missing_ok=True)
            shutil.move(made / name, folder / name)
            (folder / name).chmod(0o644)  # safetensors lets the owner alone read
        for name in set(_FILES) - set(names):
            (folder / name).unlink(missing_ok=True)

    names = [name for name in _FILES if (made / name).exists()]  # the mark comes first: an interrupted move is ours
    writing(folder, move)
    return sorted(folder / name for name in names)


def writing(folder: Path, action: Callable[[], None]) -> None:
    """Do a write; a full disk or a forbidden place is a `UserError` that names `--to`."""
    guard(folder, action, option="--to")


def _ours(path: Path) -> bool:
    if path.name == _CACHE:
        return path.is_dir() and all(one.name.startswith("network.") for one in path.iterdir())
    return path.name in _FILES and (path.is_file() or path.is_symlink())


def _is_export(folder: Path) -> bool:
    try:
        return read_json(folder / CONFIG).get("format") == FORMAT
    except UserError:  # no JSON, so not of an export
        return False
