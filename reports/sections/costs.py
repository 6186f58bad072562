"""The sections on time and place: measured speed, seconds by stage, machines and packages."""

from typing import Any

import pandas as pd

from prunebench.reports.document import Items, Section, Table, Text
from prunebench.reports.formatting import as_multiple, duration, milliseconds
from prunebench.reports.results import Results
from prunebench.reports.row_text import keep_of_metric
from prunebench.reports.sections.comparison import UNRELIABLE
from prunebench.reports.tables.speed import DISAGREE, SETTING

TIMED = (
    *("keep", "ranking", "criterion", "n", "dense ms", "pruned ms"),
    *("theoretical", "measured", "own interval", "efficiency"),
)


def speed_section(speed: pd.DataFrame) -> Section:
    """Tabulate every timing, by machine, backend, batch and threads. speed: as `speed_table`."""
    if not len(speed):
        return Section("Measured speed", (), "Nothing was timed.")
    tables = []
    for (task, machine, backend, batch, threads), part in speed.groupby(["task", *SETTING], sort=False):
        rows = [timed_row(row) for row in part.to_dict("records")]
        caption = f"{task} on {machine}: {backend}, batch {batch}, threads: {threads}"
        tables.append(Table(caption, TIMED, tuple(rows), text_columns=3, folded=True))
    text = (
        "Milliseconds per batch; measured: median of paired ratios, mean ± half of the 95 % t interval over n seeds. "
        "Networks of equal widths share their measurements, as only noise tells them apart; the interval then is over "
        "these. own interval: the widest ends of the 95 % bootstrap intervals of the single measurements."
    )
    noisy = (Text(UNRELIABLE),) if bool(speed["noisy"].any()) else ()
    busy = tuple(Text(line) for line in busy_lines(speed))
    return Section("Measured speed", (Text(text), *noisy, *busy, *tables))


def timed_row(row: dict[Any, Any]) -> tuple[str, ...]:
    """Write one row of the speed table. row: as of `speed_table`."""
    return (
        *(keep_of_metric(row), row["ranking"], row["criterion"], str(row["n"])),
        *(milliseconds(row["dense_ms"]), milliseconds(row["pruned_ms"])),
        *(as_multiple(row["theoretical"]), as_multiple(row["measured"], row["measured_half"])),
        f"[{row['own_low']:.2f}, {row['own_high']:.2f}]" + (" ‡" if row["noisy"] else ""),
        f"{row['efficiency']:.2f}",
    )


def busy_lines(speed: pd.DataFrame) -> list[str]:
    """Warn of each task and setting in which the times of the same dense network disagree."""
    lines = []
    for (task, machine, backend, *_), part in speed.groupby(["task", *SETTING], sort=False):
        low, high = float(part["dense_low"].iloc[0]), float(part["dense_high"].iloc[0])
        if high > DISAGREE * low:
            seen = f"the same dense network took from {milliseconds(low)} to {milliseconds(high)} ms"
            cure = "the machine was busy or throttled; read no milliseconds off, and time again on an idle one"
            lines.append(f"Warning: {task} on {machine}, {backend}: {seen}: {cure}.")
    return lines


def stages_section(stages: pd.DataFrame) -> Section:
    """Tabulate seconds by stage, and count the dense trainings: one per block. stages: as `stages_table`."""
    if not len(stages):
        return Section("Seconds by stage", (), "The records say nothing about it.")
    dense = stages[stages["stage"] == "dense"].to_dict("records")
    lines = [
        f"{row['task']}: dense trainings {row['runs']}, blocks {row['blocks']}, points served {row['points']}"
        for row in dense
    ]
    cells = [
        (r["task"], r["stage"], str(r["runs"]), str(r["points"]), duration(r["seconds"]), duration(r["mean_seconds"]))
        for r in stages.to_dict("records")
    ]
    header = ("task", "stage", "computed", "uses", "seconds in all", "seconds each")
    caption = "A stage is computed once and used by every point that begins with it."
    return Section("Seconds by stage", (Items(tuple(lines)), Table(caption, header, tuple(cells), text_columns=2)))


def origin_section(results: Results) -> Section:
    """List the machines and packages that computed the points."""
    lines = {f"benchmarks: {results.machine}": None} if results.machine else {}
    for record in results.records:
        if record.environment is not None:
            e = record.environment
            packages = ", ".join(f"{name} {version}" for name, version in sorted(e.versions.items()))
            commit = f"; commit {e.commit[:12]}" if e.commit else ""
            place = e.device if e.device == e.cpu else f"{e.device}, {e.cpu}"
            kernels = "; ".join(dict.fromkeys(filter(None, e.kernels.values())))
            rounding = f"threads: {e.threads}" + (f", CPU kernels: {kernels}" if kernels else "")
            lines[f"{place}, {rounding}{commit}: {packages}"] = None
    return Section("Where it was computed", (Items(tuple(lines)) if lines else Text("The source does not say."),))
