"""Run the five networks of the Reg+OBD paper as published. They need four schedules.

    python five_networks.py --results five [options of `prunebench run`]

Options override the preset, such as `--datasets`, `--models`, `--sparse-epochs`; `--strength 5e-9` is that of the
penalty, as for COVID-19. The last column names the step whose
network the published code would have saved: it saves where the validation is best, and validates on test pictures.
"""

import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

from prunebench import Results
from prunebench.records.record import Record

PRESET = Path(__file__).with_name("reg-obd-2021-as-published.toml")
PENALTY, SCORE = "hsqgl12_2021", "taylor_2020"
ALL_STEPS = "units=0.87879,0.75758,0.63637,0.51516,0.39394"
Options = dict[str, list[str]]


def given(words: Sequence[str]) -> Options:
    """Read typed options: the words behind each.

    >>> given(["--seeds", "0-2", "--download"])
    {'--seeds': ['0-2'], '--download': []}
    """
    options: Options = {}
    for word in words:
        if word.startswith("--"):
            options[word] = []
        elif options:
            options[next(reversed(options))].append(word)
        else:
            raise SystemExit(f"{word}: give options of `prunebench run`, such as --results five")
    return options


def schedules(options: Mapping[str, list[str]]) -> Iterator[Options]:
    """Give the options of the four runs. The dense network stands in every record of them."""
    preset = tomllib.loads(PRESET.read_text())
    sparse, last = (
        int((options.get(f"--{name}-epochs") or [preset[f"{name}_epochs"]])[0]) for name in ("sparse", "finetune")
    )
    none, penalty = {"--sparse-epochs": ["0"]}, PENALTY
    if strength := options.get("--strength"):
        penalty = f"{PENALTY}:strength={strength[0]}"
    yield {"--criteria": [penalty], "--keep": ["units=1"], "--finetune-epochs": ["0"]}
    yield {"--criteria": [SCORE], "--keep": [ALL_STEPS], **none}
    yield {"--criteria": [f"{penalty}+{SCORE}"], "--keep": [ALL_STEPS]}
    yield {"--criteria": [f"{SCORE}+{penalty}"], **none, "--finetune-epochs": [str(last + sparse)]}


def saved_step(record: Record) -> str:
    """Name the step of a ladder with the best validation after its last epoch, the earliest of equal ones."""
    found = {epoch.stage: epoch.validation for epoch in record.curves if epoch.validation is not None}
    steps = {stage: value for stage, value in found.items() if stage.startswith(("rung", "finetune"))}
    return max(steps, key=lambda stage: steps[stage]) if steps else ""


def rows(records: Sequence[Record]) -> Iterator[list[str]]:
    """Give a row for the dense network of each task and seed, and for each of the others."""
    dense: set[tuple[str, str, int]] = set()
    for record in records:
        cell, accuracy, pruned = record.cell, record.accuracy, record.pruned
        assert accuracy is not None and pruned is not None and record.dense is not None
        task = f"{cell.dataset} x {cell.model}"
        if (cell.dataset, cell.model, cell.seed) not in dense:
            dense.add((cell.dataset, cell.model, cell.seed))
            yield [task, str(cell.seed), "dense", "1", f"{record.dense.params:,}", f"{100 * accuracy.dense:.2f}", ""]
        kept = f"{record.keep['units']:.3f}"
        saved = saved_step(record) if f"{cell.keep:g}" == "0.39394" else ""
        right = f"{100 * accuracy.finetuned:.2f}"
        yield [task, str(cell.seed), cell.criterion, kept, f"{pruned.params:,}", right, saved]


def main(words: Sequence[str]) -> int:
    """Run all four schedules into one results folder and print the table."""
    options = given(words)
    shared = {name: values for name, values in options.items() if name != "--strength"}
    for changes in schedules(options):
        typed = [word for name, values in {**shared, **changes}.items() for word in (name, *values)]
        command = [sys.executable, "-m", "prunebench", "run", "--preset", str(PRESET), *typed]
        if code := subprocess.run(command).returncode:
            return code
    if "--dry-run" not in options:
        records = Results.read((options.get("--results") or ["results"])[0]).records
        head = ["task", "seed", "network", "filters kept", "parameters", "test accuracy, %", "would have been saved"]
        print(tabulate(rows(records), head, "simple", disable_numparse=True))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
