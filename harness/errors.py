"""The kinds of errors: bad input of the user, and a cell of the grid that fails."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches

_LISTED = {"criterion": "criteria", "dataset": "datasets", "model": "models", "preset": "presets"}
_LONGEST = 4000  # characters of a message: what was given may be of any length
_SHORT = 10  # names that a message shows in full
_ELSEWHERE = {  # names of arguments in torch.nn.utils.prune, torch-pruning and PyTorch, and ours
    **dict.fromkeys(("amount", "pruning_ratio", "ratio", "sparsity", "compression"), ("keep", "keeps")),
    **dict.fromkeys(("importance", "method", "pruning_method"), ("criterion", "criteria")),
    **dict.fromkeys(("example_inputs", "dataloader", "loader", "data"), ("pictures", "datasets")),
    **dict.fromkeys(("lr", "learning_rate"), ("rate",)),
    **dict.fromkeys(("num_workers", "n_jobs"), ("workers",)),
    **dict.fromkeys(("network", "net"), ("model", "models")),
    **dict.fromkeys(("random_state", "random_seed"), ("seed", "seeds")),
    "batch_size": ("batch", "calibration_batch"),
    "global_pruning": ("ranking",),
}


class UserError(Exception):
    r"""Bad input of the user; the exit code is 2. One line says what was given, what is wrong and what to do.

    >>> print(UserError("unknown model 'a\nb'")), len(str(UserError("a" * 10_000)))
    unknown model 'a\nb'
    (None, 4000)
    """

    typed: str | None = None  # the message in the words of the command line, where a Python call has reworded it

    def __init__(self, text: str = "") -> None:
        line = printable(text)
        super().__init__(line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1003]}...{line[-1000:]}")


class DamagedFileError(UserError):
    """A file of a results folder that is cut off, or holds what it cannot hold. A run computes its content again."""


class UnfitError(UserError):
    """A network that cannot be pruned for the pictures of its task."""


class CellError(Exception):
    """One cell of the grid cannot be computed; other cells continue. The text is the reason in the cell's record."""


def printable(text: str) -> str:
    r"""Escape what no terminal and no file can show: control characters, and halves of surrogate pairs.

    >>> print(printable("a\nb\x1b\udcff"))
    a\nb\x1b\udcff
    """
    shown = (c if c.isprintable() or c == "\u00a0" else ascii(c)[1:-1] for c in text)
    return text if text.isprintable() else "".join(shown)


def one_line(text: str, most: int = 400) -> str:
    r"""Write a text of others in one line. A long one ends after a sentence, else after a word and with dots.

    >>> one_line("bad shape:\n  (2, 3)"), one_line("It fails. Try again with more.", 20), one_line("no dots here", 10)
    ('bad shape: (2, 3)', 'It fails.', 'no dots ...')
    """
    line = printable(" ".join(text.split()))
    if len(line) <= most:
        return line
    sentence, _, _ = line[: most + 1].rpartition(". ")
    return f"{sentence}." if sentence else f"{line[:most].rpartition(' ')[0] or line[:most]} ..."


def kind_of(thing: object) -> str:
    """Name the type of a thing, with its article.

    >>> kind_of({}), kind_of(3)
    ('a dict', 'an int')
    """
    name = type(thing).__name__
    return f"{'an' if name.startswith(tuple('aeiouAEIO')) else 'a'} {name}"


def reason(error: BaseException) -> str:
    r"""Say in one line why a cell failed. Errors other than `CellError` are shown with their type.

    >>> reason(CellError("the loss is nan")), reason(ValueError("bad\nshape"))
    ('the loss is nan', 'ValueError: bad shape')
    """
    line = one_line(str(error))
    return line if isinstance(error, CellError) else f"{type(error).__name__}: {line}"


@contextmanager
def in_a_cell(*but: type[UserError]) -> Iterator[None]:
    """Let a `UserError` fail one cell, where it would end the run: other cells may not meet it.

    but: errors that the caller treats.
    """
    try:
        yield
    except but:
        raise
    except UserError as error:
        raise CellError(str(error)) from error


@contextmanager
def fitting() -> Iterator[None]:
    """Turn a `UserError` into an `UnfitError`."""
    try:
        yield
    except UserError as error:
        raise UnfitError(str(error)) from error


def unknown(kind: str, given: str, known: Iterable[str], where: str = "") -> UserError:
    """Make the error for an unknown name; the message suggests the nearest known names.

    Where `prunebench list` shows the names of this kind, a long list is left to it.

    >>> print(unknown("criterion", "tailor", ["taylor", "obd"]))
    unknown criterion 'tailor'; did you mean 'taylor'? Known: obd, taylor
    >>> print(unknown("language", "persian", ["en", "fa"]))
    unknown language 'persian'; known: en, fa
    >>> print(unknown("argument", "amount", ["keep", "seed"]))
    unknown argument 'amount'; did you mean 'keep'? Known: keep, seed
    >>> many = "lenet5 mobilenetv2 resnet18 resnet20 resnet32 resnet34 resnet44 resnet50 resnet56 vgg11 vgg16".split()
    >>> print(unknown("model", "resnet19", many))
    unknown model 'resnet19'; did you mean 'resnet18', 'resnet56' or 'resnet50'? `prunebench list models` shows all 11
    """
    names = sorted(known)
    short = kind not in _LISTED or len(names) <= _SHORT
    ours = [name for name in _ELSEWHERE.get(given, ()) if name in names and kind == "argument"]
    near = [f"'{name}'" for name in ours[:1] or get_close_matches(given, names, n=1 if short else 3, cutoff=0.5)]
    hint = f" did you mean {' or '.join(part for part in (', '.join(near[:-1]), near[-1]) if part)}?" if near else ""
    place = f" in {where}" if where else ""
    shown = known_names(kind, names, short)
    shown = shown[0].upper() + shown[1:] if hint else shown  # after a question a sentence begins
    return UserError(f"unknown {kind} '{given}'{place};{hint} {shown}")


def known_names(kind: str, names: Collection[str], in_full: bool = False) -> str:
    """Say which names there are, or the command that shows them.

    >>> known_names("model", ["lenet5"], in_full=True), known_names("model", ["lenet5"])
    ('known: lenet5', '`prunebench list models` shows all 1')
    """
    if in_full:
        return f"known: {', '.join(names) or 'none'}"
    return f"`prunebench list {_LISTED[kind]}` shows all {len(names)}"


def check_choice(where: str, field: str, given: str, allowed: Iterable[str]) -> None:
    """Raise `UserError` if a field's value is not allowed."""
    if given not in set(allowed):
        raise unknown(field, str(given), allowed, where)
