"""The answer of a choice in words, the same on the terminal and on the page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from pathlib import Path

from prunebench.choosing.confirm import Confirmation
from prunebench.choosing.field import Field
from prunebench.choosing.race import Raced
from prunebench.choosing.rounds import Race
from prunebench.choosing.standing import Standing, chosen, standings
from prunebench.records.latency import Latency
from prunebench.records.names import RANDOM
from prunebench.records.record import Record
from prunebench.reports.analysis.verdicts import BETTER, OPEN, TIED, WORSE
from prunebench.reports.document import Items, Part, Section, Table, Text
from prunebench.reports.formatting import accuracy_with_half, as_multiple, duration, percent
from prunebench.reports.language.message import SEMICOLON, SPACE, Message, code, joined, say, say_many
from prunebench.reports.ordering import BASELINE
from prunebench.reports.row_text import difference_cell, verdict_cell
from prunebench.reports.tables.speed import NOISY

NOT_SHOWN = say("A race saves trajectories and proves nothing: a dropped criterion was not shown worse.")
DEMONSTRATION = say("This is a demonstration: a toy task or too few seeds. No criterion is shown better or worse.")
FEW = say("Three criteria or fewer do not race: all of them were confirmed.")


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
    race = Section(say("The race"), tuple(_race_blocks(answer)))
    return Section(say("The choice"), (choice,)), race


def _choice(answer: Answer) -> Iterator[Message]:
    ours = next(one for one in answer.standings if one.criterion == answer.criterion)
    confirmation = answer.confirmation
    keep = confirmation.grid.spec.keep
    yield say(
        "Choose `{criterion}` at {keep}: {what} {accuracy} on the test pictures, {seeds}.",
        criterion=ours.criterion,
        keep=keep,
        what=say("mean accuracy over the curve") if len(keep.fractions) > 1 else say("accuracy"),
        accuracy=_accuracy(ours),
        seeds=_seeds(len({job.seed for job in confirmation.grid.jobs})),
    )
    means = sum(one.criterion != RANDOM for one in answer.standings)
    if means > 1:
        yield say("It was chosen as the highest of {means} means, so its own mean is somewhat too high.", means=means)
    if confirmation.results.demonstration:
        yield DEMONSTRATION
    if ours.row is not None:
        points = say("{difference} points", difference=difference_cell(dict(ours.row)))
        yield say("Against `{baseline}`: {found}.", baseline=BASELINE, found=_with_verdict(points, ours))
    control = next((one for one in answer.standings if one.criterion == RANDOM), None)
    if control is not None:
        reached = _accuracy(control)
        beaten = [say("the choice does not beat random units here")] if control.mean >= ours.mean else []
        yield say("Control `{random}`: {found}.", random=RANDOM, found=joined((reached, *beaten), SEMICOLON))


def _others(answer: Answer) -> Iterator[Message]:
    """Say of the other confirmed criteria what the test says."""
    others = [one for one in answer.standings if one.criterion not in (answer.criterion, BASELINE, RANDOM)]
    baseline = next((one for one in answer.standings if one.criterion == BASELINE), None)
    if baseline is not None and answer.criterion != BASELINE:
        yield say("Reference `{baseline}`: {accuracy}.", baseline=BASELINE, accuracy=_accuracy(baseline))
    if better := [one for one in others if one.verdict == BETTER]:
        yield say("Shown better than `{baseline}`, too: {names}.", baseline=BASELINE, names=_cells(better))
    if undecided := [one for one in others if not one.decided]:
        yield say("Undecided against `{baseline}`: {names}.", baseline=BASELINE, names=_cells(undecided))
    if worse := [one for one in others if one.verdict == WORSE]:
        yield say("Shown worse than `{baseline}`: {names}.", baseline=BASELINE, names=_cells(worse))
    known = {one.criterion for one in answer.standings}
    broken = [job.criterion for job in answer.confirmation.grid.jobs if job.criterion not in known]
    if broken:
        names = _list(tuple(dict.fromkeys(broken)))
        yield say("Not all points of {names} came out: the page says why. They cannot be chosen.", names=names)


def _costs(answer: Answer) -> Iterator[Message]:
    """Say what the chosen network costs, and what the choice cost."""
    keeps = [f"{record.cell.metric}={record.cell.keep:g}" for record in answer.records]
    keep_of = {record.key: keep for record, keep in zip(answer.records, keeps, strict=True)}
    yield from chain.from_iterable(_speed(latency, keep_of[latency.key]) for latency in answer.latencies)
    yield from (_size(record, keep) for record, keep in zip(answer.records, keeps, strict=True))
    race, confirmed = answer.raced, answer.confirmation
    yield say(
        "Cost: {trajectories} trajectories ({raced} in the race, {confirmed} in the confirmation), {time} of "
        "computing.",
        trajectories=answer.trajectories,
        raced=len(race.jobs),
        confirmed=len(confirmed.grid.jobs),
        time=duration(race.seconds + confirmed.seconds),
    )
    for record, folder in zip(answer.records, answer.networks, strict=False):  # without output there are none
        place = say("not stored; the log says why") if folder is None else str(folder)
        yield say("Network of confirmation seed {seed}: {folder}", seed=record.cell.seed, folder=place)


def _speed(latency: Latency, keep: str) -> Iterator[Message]:
    ratio = f"{as_multiple(latency.speedup)} [{latency.low:.2f}, {latency.high:.2f}]"
    dense, pruned = (f"{1e3 * seconds:.4g} ms" for seconds in (latency.dense_seconds, latency.pruned_seconds))
    yield say_many(
        "Speed-up measured at {keep}: {ratio}, {dense} to {pruned} a batch of {batch} ({backend}, {number} thread, "
        "{machine}).",
        "Speed-up measured at {keep}: {ratio}, {dense} to {pruned} a batch of {batch} ({backend}, {number} threads, "
        "{machine}).",
        latency.threads,
        keep=keep,
        ratio=ratio,
        dense=dense,
        pruned=pruned,
        batch=latency.batch,
        backend=latency.backend,
        machine=latency.machine,
    )
    if latency.high > NOISY * latency.low:
        yield say("This speed-up is unreliable: the machine was busy. `prunebench time` measures it again.")


def _size(record: Record, keep: str) -> Message:
    assert record.dense is not None and record.pruned is not None
    before, after = (f"{cost.bytes / 1e6:.3g} MB" for cost in (record.dense, record.pruned))
    macs, params = (getattr(record.pruned, name) / getattr(record.dense, name) for name in ("macs", "params"))
    return say(
        "Size at {keep}: {before} to {after}; {macs} of the MACs, {params} of the parameters.",
        keep=keep,
        before=before,
        after=after,
        macs=percent(macs, 1),
        params=percent(params, 1),
    )


def _race(answer: Answer) -> Iterator[Message]:
    race = answer.raced.race
    for number, one in enumerate(race.rounds, 1):
        if one.dropped:
            more, names = len(one.seeds), _list(one.dropped)
            yield say("Dropped in round {round} ({more} more seeds): {names}.", round=number, more=more, names=names)
        for name in one.failed:
            why = answer.raced.reasons.get(name) or say("no reason")
            yield say("Failed in round {round}: `{criterion}`: {reason}", round=number, criterion=name, reason=why)
    if any(one.dropped for one in race.rounds):
        yield NOT_SHOWN
    yield from answer.field.absent()


def _race_blocks(answer: Answer) -> Iterator[Part]:
    race = answer.raced.race
    if not race.rounds:
        yield Text(FEW)
    else:
        found = say(
            "Mean accuracy on validation pictures in %, seeds {first} to {last}, over all seeds so far.",
            first=race.rounds[0].seeds[0],
            last=race.rounds[-1].seeds[-1],
        )
        yield Text(found if race.spread is None else joined((found, _spread(race.spread)), SPACE))
        yield _table(race)
    if told := tuple(_race(answer)):
        yield Items(told)


def _spread(spread: float) -> Message:
    return say(
        "Spread of the first round: {spread} points, which is the standard deviation of a difference over seeds.",
        spread=format(100 * spread, ".2f"),
    )


def _table(race: Race) -> Table:
    names = dict.fromkeys(name for one in reversed(race.rounds) for name in one.means)
    rows = []
    for name in names:
        cells = [f"{100 * one.means[name]:.2f}" if name in one.means else "-" for one in race.rounds]
        rows.append((name, _outcome(name, race), *cells))
    seen = accumulate(len(one.seeds) for one in race.rounds)
    header = (say("criterion"), say("outcome"), *map(_seeds, seen))
    return Table(say("The race."), header, tuple(rows), text_columns=2)


def _outcome(name: str, race: Race) -> Message:
    left = next((number for number, one in enumerate(race.rounds, 1) if name in one.dropped), None)
    if left is not None:
        return say("dropped in round {round}", round=left)
    return say("finalist") if name in race.finalists else say("failed")


def _seeds(number: int) -> Message:
    return say_many("{number} seed", "{number} seeds", number)


def _accuracy(one: Standing) -> str:
    return say("{accuracy} %", accuracy=accuracy_with_half(one.mean, one.half))


def _cells(some: Sequence[Standing]) -> str:
    return joined(map(_cell, some), SEMICOLON)


def _cell(one: Standing) -> str:
    where = {"criterion": one.criterion, "accuracy": _accuracy(one)}
    if one.row is None:
        return say("`{criterion}` {accuracy}", **where)
    found = [difference_cell(dict(one.row)), *([_verdict(one)] if one.verdict else [])]
    return say("`{criterion}` {accuracy} ({found})", found=joined(found), **where)


def _with_verdict(points: str, one: Standing) -> str:
    if not one.verdict:
        return points
    verdict = _verdict(one)
    if one.decided:
        verdict = say("shown {verdict}", verdict=verdict)
    elif one.verdict not in (OPEN, TIED):
        verdict = say("undecided ({verdict})", verdict=verdict)
    return say("{points}: {verdict}", points=points, verdict=verdict)


def _verdict(one: Standing) -> str:
    """Write a verdict in the words of the report."""
    return verdict_cell({**(one.row or {}), "verdict": one.verdict})


def _list(names: Sequence[str]) -> str:
    return joined(map(code, names))
