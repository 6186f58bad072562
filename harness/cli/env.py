"""What `prunebench env` prints: the facts that a bug report needs."""

import sys
from pathlib import Path

from prunebench.records.protocol import PROTOCOL_VERSION
from prunebench.records.record import SCHEMA
from prunebench.study.environment import commit, cpu_kernels, versions


def bug_report() -> str:
    """List the package, its commit and its dependencies, then what torch's own `collect_env` says of the machine.

    Where torch is missing or broken, the error stands in the place of the second part.
    """
    lines = [f"installed in: {Path(__file__).parents[1]}", f"commit: {commit() or 'none'}", f"python: {sys.executable}"]
    lines += [f"version of the protocol's rules: {PROTOCOL_VERSION}", f"schema of records: {SCHEMA}"]
    lines += [f"{name}: {number}" for name, number in versions().items()]
    return "\n".join([*lines, "", _machine()])


def _machine() -> str:
    try:
        from torch.utils.collect_env import get_pretty_env_info
    except Exception as error:  # a broken installation is what the bug report is about
        return f"torch: {type(error).__name__}: {error}"
    return f"CPU kernels: {cpu_kernels()}\n{get_pretty_env_info()}"  # type: ignore[no-untyped-call]
