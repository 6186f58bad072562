"""The sections on time and place: measured speed, machines and packages."""

from typing import Any

import pandas as pd

from prunebench.records.record import Environment
from prunebench.reports.document import Items, Section, Table, Text
from prunebench.reports.formatting import MISSING, as_multiple, milliseconds
from prunebench.reports.language.message import SEMICOLON, Message, joined, say
from prunebench.reports.results import Results
from prunebench.reports.row_text import keep_of_metric
from prunebench.reports.sections.comparison import UNRELIABLE
from prunebench.reports.tables.speed import DISAGREE, SETTING

SPEED = say("How much faster does it run?")
TIMED = (
    *(say("keep"), say("ranking"), say("criterion"), "n", say("dense ms"), say("pruned ms")),
    *(say("theoretical"), say("measured"), say("own interval"), say("efficiency")),
)
ENERGY = (say("dense mJ"), say("pruned mJ"))


def speed_section(speed: pd.DataFrame) -> Section:
    """Tabulate every timing, by machine, backend, batch and threads. speed: as `speed_table`."""
    if not len(speed):
        return Section(SPEED, (), say("Nothing was timed."))
    tables = []
    for (task, machine, backend, batch, threads), part in speed.groupby(["task", *SETTING], sort=False):
        header, rows = timed_table(part)
        caption = say(
            "{task} on {machine}: {backend}, batch {batch}, threads: {threads}",
            task=task,
            machine=machine,
            backend=backend,
            batch=batch,
            threads=threads,
        )
        tables.append(Table(caption, header, rows, text_columns=3, folded=True))
    text = say(
        "Milliseconds per batch; measured: median of paired ratios, mean ± half of the 95 % t interval over n seeds. "
        "Networks of equal widths share their measurements, as only noise tells them apart; the interval then is over "
        "these. own interval: the widest ends of the 95 % intervals of the single measurements."
    )
    noisy = (Text(UNRELIABLE),) if bool(speed["noisy"].any()) else ()
    busy = tuple(Text(line) for line in busy_lines(speed))
    return Section(SPEED, (*busy, Text(text), Text(energy_note(speed)), *noisy, *tables), name="speed")


def timed_table(part: pd.DataFrame) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Give the header and the rows of one table of timings. The energies come last, where there are any.

    part: rows of `speed_table`.
    """
    told = _has_energy(part)
    rows = (_timed(row) + (_millijoules(row) if told else ()) for row in part.to_dict("records"))
    return (*TIMED, *(ENERGY if told else ())), tuple(rows)


def _timed(row: dict[Any, Any]) -> tuple[str, ...]:
    return (
        *(keep_of_metric(row), row["ranking"], row["criterion"], str(row["n"])),
        *(milliseconds(row["dense_ms"]), milliseconds(row["pruned_ms"])),
        *(as_multiple(row["theoretical"]), as_multiple(row["measured"], row["measured_half"])),
        f"[{row['own_low']:.2f}, {row['own_high']:.2f}]" + (" ‡" if row["noisy"] else ""),
        f"{row['efficiency']:.2f}",
    )


def _millijoules(row: dict[Any, Any]) -> tuple[str, ...]:
    joules = (row["dense_joules"], row["pruned_joules"])
    return tuple(MISSING if pd.isna(one) else milliseconds(1e3 * one) for one in joules)


def _has_energy(speed: pd.DataFrame) -> bool:
    return bool(speed[["dense_joules", "pruned_joules"]].notna().any(axis=None))


def energy_note(speed: pd.DataFrame) -> Message:
    """Say what the energies of a table of timings are, or that there are none. speed: as `speed_table`."""
    if not _has_energy(speed):
        return say("Energy per picture: not measured; the machine told none.")
    return say(
        "mJ: millijoules per picture, of the whole CPU packages or the whole GPU while the network ran again and again."
    )


def busy_lines(speed: pd.DataFrame) -> list[str]:
    """Warn of each task and setting in which the times of the same dense network disagree."""
    lines: list[str] = []
    for (task, machine, backend, *_), part in speed.groupby(["task", *SETTING], sort=False):
        low, high = float(part["dense_low"].iloc[0]), float(part["dense_high"].iloc[0])
        if high > DISAGREE * low:
            warning = say(
                "Warning: {task} on {machine}, {backend}: the same dense network took from {low} to {high} ms: the "
                "machine was busy or throttled; read no milliseconds off, and time again on an idle one.",
                task=task,
                machine=machine,
                backend=backend,
                low=milliseconds(low),
                high=milliseconds(high),
            )
            lines.append(warning)
    return lines


def origin_section(results: Results) -> Section:
    """List the machines and packages that computed the points."""
    lines = [say("benchmarks: {machine}", machine=results.machine)] if results.machine else []
    lines += [_origin(record.environment) for record in results.records if record.environment is not None]
    return Section(
        say("Where it was computed"),
        (Items(tuple(dict.fromkeys(lines))) if lines else Text(say("The source does not say.")),),
    )


def _origin(e: Environment) -> Message:
    place = e.device if e.device == e.cpu else f"{e.device}, {e.cpu}"
    kernels = "; ".join(dict.fromkeys(filter(None, e.kernels.values())))
    rounding = [say("threads: {threads}", threads=e.threads)]
    rounding += [say("CPU kernels: {kernels}", kernels=kernels)] if kernels else []
    commit = [say("commit {commit}", commit=e.commit[:12])] if e.commit else []
    packages = ", ".join(f"{name} {version}" for name, version in sorted(e.versions.items()))
    where = joined((joined((place, *rounding)), *commit), SEMICOLON)
    return say("{where}: {packages}", where=where, packages=packages)
