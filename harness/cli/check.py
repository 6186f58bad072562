"""Implements `prunebench check`: the contract suite on criteria, given by name, expression or file."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace

from prunebench.errors import UserError, known_names
from prunebench.paths import exists, user_path
from prunebench.plugins.criterion import AnyCriterion
from prunebench.plugins.expressions import parse_method
from prunebench.plugins.options import split_name
from prunebench.plugins.registry import Registry
from prunebench.study.spec import split_list
from prunebench.testing.criterion import run_checks


def check_criteria(names: tuple[str, ...], everything: bool, plugins: tuple[str, ...]) -> tuple[str, bool]:
    """Run the contract suite on criteria. Returns one line per check, and whether all checks passed.

    Args:
        names: criteria with options, `A+B`, and plugin files, which stand for all their criteria. Options of a file,
            as in `mine.py:power=1`, hold for each of its criteria.
        everything: whether to check every known criterion.
        plugins: files or modules with more criteria.

    Raises `UserError` for an unknown name, and for a file or plugin that cannot be loaded.
    """
    given = split_list(names)
    files = {name: split_name(name)[0] for name in given}
    files = {name: head for name, head in files.items() if head.endswith(".py") or os.sep in head}
    for file in files.values():
        if not (exists(path := user_path(file)) and path.is_file()):
            raise UserError(f"{file}: no such file; give a criterion's name or a plugin file")
    registry = Registry((*plugins, *files.values()))
    chosen = dict(_chosen(given, files, everything, registry))
    if not chosen:
        known = known_names("criterion", registry.criteria)
        raise UserError(f"nothing to check: give a criterion's name, a plugin file or --all; {known}")
    lines, passed = _outcomes(chosen)
    unloaded = [f"FAILED {source}: cannot be loaded: {why}" for source, why in registry.failures.items() if everything]
    return "\n".join([*lines, *unloaded]), passed and not unloaded


def _chosen(
    given: tuple[str, ...], files: Mapping[str, str], everything: bool, registry: Registry
) -> Iterator[tuple[str, AnyCriterion]]:
    for name in given:
        if name in files:
            yield from _in_file(files[name], name.removeprefix(files[name]), registry)
        else:
            yield _by_expression(name, registry)
    for name, entry in registry.criteria.items() if everything else ():
        yield name, entry.plugin


def _in_file(file: str, options: str, registry: Registry) -> list[tuple[str, AnyCriterion]]:
    """Find the criteria of a file. options: with their colon, for each criterion."""
    path = user_path(file).resolve()
    found = [name for name, entry in registry.criteria.items() if entry.source == path]
    if not found:
        raise UserError(f"{file} has no criterion; add a line such as CRITERION = Criterion(function)")
    return [_by_expression(f"{name}{options}", registry) for name in found]


def _by_expression(text: str, registry: Registry) -> tuple[str, AnyCriterion]:
    """Find a criterion as a run does; `A+B` has the score of one part and the regulariser of the other."""
    method = parse_method(text, registry)
    if method.score is None:
        raise UserError(f"'{text}' is a control, which has no score to check; give a criterion")
    return method.name, replace(method.score, regulariser=method.before or method.after)


def _outcomes(chosen: Mapping[str, AnyCriterion]) -> tuple[list[str], bool]:
    """Return one line per check, and whether all passed. Checks that fail for the same reason share a line."""
    lines: list[str] = []
    passed = True
    for name, record in chosen.items():
        failed: dict[str, list[str]] = {}
        for one in run_checks(record):
            if one.ok:
                lines.append(f"ok     {name}: {one.name}")
            else:
                failed.setdefault(one.message, []).append(one.name)
        lines += [f"FAILED {name}: {', '.join(checks)}: {why}" for why, checks in failed.items()]
        passed = passed and not failed
    return lines, passed
