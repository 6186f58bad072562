"""The sections about time and place: measured speed, seconds by stage, machines and packages."""

import pandas as pd

from prunebench.reports.document import Items, Section, Table, Text
from prunebench.reports.formatting import duration, times
from prunebench.reports.grid import METRICS
from prunebench.reports.results import Results
from prunebench.reports.speed import SETTING


def speed_section(speed: pd.DataFrame) -> Section:
    """Every timing, by machine, backend, batch and threads."""
    if not len(speed):
        return Section("Measured speed", (Text("Nothing was timed."),))
    tables = []
    for (task, machine, backend, batch, threads), part in speed.groupby(["task", *SETTING], sort=False):
        rows = [
            (
                f"{r['keep']:g} {METRICS[r['metric']]}",
                *(r["ranking"], r["criterion"], str(r["n"])),
                *(f"{r['dense_ms']:.3g}", f"{r['pruned_ms']:.3g}"),
                *(times(r["theoretical"]), times(r["measured"], r["measured_half"]), f"{r['efficiency']:.2f}"),
            )
            for r in part.to_dict("records")
        ]
        header = ("keep", "ranking", "criterion", "n", "dense ms", "pruned ms", "theoretical", "measured", "efficiency")
        caption = f"{task} on {machine}: {backend}, batch {batch}, threads: {threads}"
        tables.append(Table(caption, header, tuple(rows), left=3, folded=True))
    text = "Milliseconds per batch; measured: median of paired ratios, mean ± half of the 95 % t interval over n seeds."
    return Section("Measured speed", (Text(text), *tables))


def stages_section(stages: pd.DataFrame) -> Section:
    """Seconds by stage, and the count that shows one dense training per block."""
    if not len(stages):
        return Section("Seconds by stage", (Text("The records say nothing about it."),))
    dense = stages[stages["stage"] == "dense"].to_dict("records")
    lines = [
        f"{row['task']}: {row['runs']} dense trainings for {row['blocks']} blocks served {row['points']} points"
        for row in dense
    ]
    cells = [
        (r["task"], r["stage"], str(r["runs"]), str(r["points"]), duration(r["seconds"]), duration(r["mean_seconds"]))
        for r in stages.to_dict("records")
    ]
    header = ("task", "stage", "computed", "used by points", "seconds in all", "seconds each")
    caption = "A stage is computed once and used by every point that begins with it."
    return Section("Seconds by stage", (Items(tuple(lines)), Table(caption, header, tuple(cells), left=2)))


def origin_section(results: Results) -> Section:
    """Where the points were computed, with which packages."""
    lines: dict[str, None] = {}
    for record in results.records:
        if record.environment is not None:
            e = record.environment
            packages = ", ".join(f"{name} {version}" for name, version in sorted(e.versions.items()))
            commit = f"; commit {e.commit[:12]}" if e.commit else ""
            lines[f"{e.device} ({e.cpu}, threads: {e.threads}{commit}): {packages}"] = None
    return Section("Where it was computed", (Items(tuple(lines)),) if lines else (Text("The records do not say."),))
