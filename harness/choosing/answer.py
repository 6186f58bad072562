"""The answer of a choice in words, the same on the terminal and on the page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from prunebench.choosing.confirm import Confirmation
from prunebench.choosing.field import Field
from prunebench.choosing.race import Raced
from prunebench.choosing.standing import Standing, chosen, standings
from prunebench.records.latency import Latency
from prunebench.records.names import RANDOM
from prunebench.records.record import Record
from prunebench.reports.analysis.verdicts import BETTER, WORSE
from prunebench.reports.document import Items, Part, Section, Table, Text
from prunebench.reports.formatting import accuracy_with_half, as_multiple, counted, duration, percent
from prunebench.reports.ordering import BASELINE
from prunebench.reports.row_text import difference_cell, verdict_cell

NOT_SHOWN = "A race saves trajectories and proves nothing: a dropped criterion was not shown worse."
DEMONSTRATION = "This is a demonstration: a toy task or too few seeds. No criterion is shown better or worse."


@dataclass(frozen=True)
class Answer:
    """What a choice found. criterion: the chosen one. records: of its first confirmation seed, one for each keep.

    latencies: of these records on this machine. networks: folders of the handed-over ones, or None.
    """

    criterion: str
    standings: tuple[Standing, ...]
    field: Field
    raced: Raced
    confirmation: Confirmation
    records: tuple[Record, ...]
    latencies: tuple[Latency, ...] = ()
    networks: tuple[Path | None, ...] = ()

    @property
    def trajectories(self) -> int:
        """Number of trajectories in race and confirmation."""
        return len(self.raced.jobs) + len(self.confirmation.grid.jobs)

    @property
    def text(self) -> str:
        """The answer as lines."""
        return "\n".join(lines(self))


def standing_of(confirmation: Confirmation) -> tuple[list[Standing], Standing | None]:
    """Return how the confirmed criteria stand, and the chosen one."""
    found = standings(confirmation.results, len({job.seed for job in confirmation.grid.jobs}))
    return found, chosen(found)


def lines(answer: Answer) -> list[str]:
    """Write the answer, one fact a line."""
    return [*_choice(answer), *_others(answer), *_costs(answer), *_race(answer)]


def sections(answer: Answer) -> tuple[Section, ...]:
    """Give the sections that stand in front of the report on the confirmation."""
    choice = Items((*_choice(answer), *_others(answer), *_costs(answer)))
    return Section("The choice", (choice,)), Section("The race", tuple(_race_blocks(answer)))


def _choice(answer: Answer) -> Iterator[str]:
    ours = next(one for one in answer.standings if one.criterion == answer.criterion)
    confirmation = answer.confirmation
    keep = confirmation.grid.spec.keep
    what = "mean accuracy over the curve" if len(keep.fractions) > 1 else "accuracy"
    seeds = counted(len({job.seed for job in confirmation.grid.jobs}), "seed")
    yield f"Choose `{ours.criterion}` at {keep}: {what} {_accuracy(ours)} on the test pictures, {seeds}."
    means = [one for one in answer.standings if one.criterion != RANDOM]
    if len(means) > 1:
        yield f"It was chosen as the highest of {len(means)} means, so its own mean is somewhat too high."
    if confirmation.results.demonstration:
        yield DEMONSTRATION
    if ours.row is not None:
        verdict = f": {_words(ours)}" if ours.verdict else ""
        yield f"Against `{BASELINE}`: {difference_cell(dict(ours.row))} points{verdict}."
    control = next((one for one in answer.standings if one.criterion == RANDOM), None)
    if control is not None:
        above = "; the choice does not beat random units here" if control.mean >= ours.mean else ""
        yield f"Control `{RANDOM}`: {_accuracy(control)}{above}."


def _others(answer: Answer) -> Iterator[str]:
    """Say of the other confirmed criteria what the test says."""
    others = [one for one in answer.standings if one.criterion not in (answer.criterion, BASELINE, RANDOM)]
    baseline = next((one for one in answer.standings if one.criterion == BASELINE), None)
    if baseline is not None and answer.criterion != BASELINE:
        yield f"Reference `{BASELINE}`: {_accuracy(baseline)}."
    for title, part in (
        ("Shown better than `magnitude`, too", [one for one in others if one.verdict == BETTER]),
        ("Undecided against `magnitude`", [one for one in others if not one.decided]),
        ("Shown worse than `magnitude`", [one for one in others if one.verdict == WORSE]),
    ):
        if part:
            cells = (f"`{one.criterion}` {_accuracy(one)}{_difference(one)}" for one in part)
            yield f"{title}: {'; '.join(cells)}."
    known = {one.criterion for one in answer.standings}
    broken = [job.criterion for job in answer.confirmation.grid.jobs if job.criterion not in known]
    if broken:
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(broken))
        yield f"Not all points of {names} came out: the page says why. They cannot be chosen."


def _costs(answer: Answer) -> Iterator[str]:
    """Say what the chosen network costs, and what the choice cost."""
    keeps = [f"{record.cell.metric}={record.cell.keep:g}" for record in answer.records]
    keep_of = {record.key: keep for record, keep in zip(answer.records, keeps, strict=True)}
    for latency in answer.latencies:
        keep = keep_of[latency.key]
        ends = f"{as_multiple(latency.speedup)} [{latency.low:.2f}, {latency.high:.2f}]"
        times = f"{1e3 * latency.dense_seconds:.4g} ms to {1e3 * latency.pruned_seconds:.4g} ms"
        setting = f"{latency.backend}, {counted(latency.threads, 'thread')}, {latency.machine}"
        yield f"Speed-up measured at {keep}: {ends}, {times} a batch of {latency.batch} ({setting})."
    for keep, record in zip(keeps, answer.records, strict=True):
        assert record.dense is not None and record.pruned is not None
        sizes = " to ".join(f"{cost.bytes / 1e6:.3g} MB" for cost in (record.dense, record.pruned))
        macs, params = (getattr(record.pruned, name) / getattr(record.dense, name) for name in ("macs", "params"))
        yield f"Size at {keep}: {sizes}; {percent(macs, 1)} of the MACs, {percent(params, 1)} of the parameters."
    race, confirmed = answer.raced, answer.confirmation
    parts = f"{len(race.jobs)} in the race, {len(confirmed.grid.jobs)} in the confirmation"
    time = duration(race.seconds + confirmed.seconds)
    yield f"Cost: {answer.trajectories} trajectories ({parts}), {time} of computing."
    for record, folder in zip(answer.records, answer.networks, strict=False):  # without output there are none
        yield f"Network of confirmation seed {record.cell.seed}: {folder or 'not stored; the log says why'}"


def _race(answer: Answer) -> Iterator[str]:
    race = answer.raced.race
    for number, one in enumerate(race.rounds, 1):
        if one.dropped:
            yield f"Dropped in round {number} ({len(one.seeds)} more seeds): {_list(one.dropped)}."
        for name in one.failed:
            yield f"Failed in round {number}: `{name}`: {answer.raced.reasons.get(name, 'no reason')}"
    if any(one.dropped for one in race.rounds):
        yield NOT_SHOWN
    yield from answer.field.absent()


def _race_blocks(answer: Answer) -> Iterator[Part]:
    race = answer.raced.race
    if not race.rounds:
        yield Text("Three criteria or fewer do not race: all of them were confirmed.")
    else:
        width = "" if race.spread is None else f" Spread of the first round: {100 * race.spread:.2f} points"
        width += "" if race.spread is None else ", which is the standard deviation of a difference over seeds."
        seeds = f"seeds {race.rounds[0].seeds[0]} to {race.rounds[-1].seeds[-1]}"
        yield Text(f"Mean accuracy on validation pictures in %, {seeds}, over all seeds so far.{width}")
        yield _table(answer)
    if found := tuple(_race(answer)):
        yield Items(found)


def _table(answer: Answer) -> Table:
    race = answer.raced.race
    names = dict.fromkeys(name for one in reversed(race.rounds) for name in one.means)
    rows = []
    for name in names:
        cells = [f"{100 * one.means[name]:.2f}" if name in one.means else "-" for one in race.rounds]
        left = next((f"dropped in round {n}" for n, one in enumerate(race.rounds, 1) if name in one.dropped), "")
        rows.append((name, left or ("finalist" if name in race.finalists else "failed"), *cells))
    seen, heads = 0, []
    for one in race.rounds:
        seen += len(one.seeds)
        heads.append(f"{seen} seeds")
    return Table("The race.", ("criterion", "outcome", *heads), tuple(rows), text_columns=2)


def _accuracy(one: Standing) -> str:
    return f"{accuracy_with_half(one.mean, one.half)} %"


def _difference(one: Standing) -> str:
    return "" if one.row is None else f" ({difference_cell(dict(one.row))}{', ' * bool(one.verdict)}{_verdict(one)})"


def _words(one: Standing) -> str:
    return f"shown {_verdict(one)}" if one.decided else f"undecided ({_verdict(one)})"


def _verdict(one: Standing) -> str:
    """Write a verdict in the words of the report."""
    return verdict_cell({**(one.row or {}), "verdict": one.verdict})


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
