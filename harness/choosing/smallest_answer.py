"""The answer of a search for the smallest network above a bound, in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prunebench.choosing.answer import DEMONSTRATION
from prunebench.choosing.cost_words import network_costs, network_places
from prunebench.choosing.field import REFERENCES, Field
from prunebench.choosing.searching import Searched
from prunebench.records.latency import Latency
from prunebench.records.names import RANDOM, Metric
from prunebench.records.record import Record
from prunebench.reports.document import Items, Section, Table, Text
from prunebench.reports.formatting import accuracy_with_half, duration, percent, share
from prunebench.reports.language.message import SEMICOLON, Message, code, joined, say, say_many
from prunebench.reports.points import dense_accuracy, finetuned_accuracy
from prunebench.reports.results import Results
from prunebench.reports.statistics.above_bound import AboveBound
from prunebench.reports.statistics.intervals import t_interval

NOTHING_SHOWN = say("A search proves nothing: criteria that left it were not shown worse.")
ORDER = say(
    "Keeps are tested in this order, and the first that is not confirmed ends it. So the whole claim is wrong with a "
    "probability of at most 5 %."
)


@dataclass(frozen=True)
class Tested:
    """One keep of the confirmation. found: the test; None where every seed failed. reasons: why seeds failed.

    repeated: whether all seeds repeat one computation, so that the test is of its pictures alone.
    """

    keep: float
    found: AboveBound | None
    reasons: tuple[str, ...] = ()
    repeated: bool = False

    @property
    def confirmed(self) -> bool:
        """Tell whether the accuracy is shown to lie above the bound. A failed seed leaves it open."""
        return self.found is not None and self.found.confirmed and not self.reasons


@dataclass(frozen=True)
class Smallest:
    """What a search found. keep: the smallest confirmed one; None where no keep is confirmed.

    records, latencies, networks: of the first confirmation seed at this keep. results: of the confirmation; None
    where the search found nothing to confirm. seconds: of all stages.
    """

    bound: float
    metric: Metric
    keep: float | None
    field: Field
    searched: Searched
    tested: tuple[Tested, ...]
    results: Results | None
    seconds: float
    records: tuple[Record, ...] = ()
    latencies: tuple[Latency, ...] = ()
    networks: tuple[Path | None, ...] = ()

    @property
    def criterion(self) -> str | None:
        """Name the chosen criterion; None where no keep is confirmed."""
        return None if self.keep is None else self.searched.search.criterion

    @property
    def text(self) -> str:
        """The answer as lines."""
        return "\n".join(lines(self))


def lines(answer: Smallest) -> list[str]:
    """Write the answer, one fact a line."""
    return [*_choice(answer), *_search(answer)]


def sections(answer: Smallest) -> tuple[Section, ...]:
    """Give the sections that stand in front of the report on the confirmation."""
    search = (Text(_bisection(answer)), _table(answer), Items((NOTHING_SHOWN, *answer.field.absent())))
    return Section(say("The choice"), (Items(tuple(_choice(answer))),)), Section(say("The search"), search)


def _choice(answer: Smallest) -> Iterator[Message]:
    if not answer.tested:
        yield from _nothing_found(answer)
        return
    best = next((one for one in reversed(answer.tested) if one.confirmed), None)
    yield _not_confirmed(answer) if best is None else _confirmed(answer, best)
    if answer.results is not None and answer.results.demonstration:
        yield DEMONSTRATION
    yield from (_of_keep(answer, one) for one in answer.tested)
    yield ORDER
    if answer.tested[-1].confirmed:
        yield say("Smaller keeps were not tested.")
    yield from _references(answer)
    yield from network_costs(answer.records, answer.latencies)
    confirmed = len(answer.results.records) + len(answer.results.failures) if answer.results else 0
    yield say(
        "Cost: {points} points ({searched} in the search, {confirmed} in the confirmation), {time} of computing.",
        points=answer.searched.trials + confirmed,
        searched=answer.searched.trials,
        confirmed=confirmed,
        time=duration(answer.seconds),
    )
    yield from network_places(answer.records, answer.networks)


def _confirmed(answer: Smallest, best: Tested) -> Message:
    return say(
        "Choose `{criterion}` at {keep}: an accuracy above {bound} is confirmed on {seeds}.",
        criterion=str(answer.criterion),
        keep=_keep(answer, best.keep),
        bound=share(answer.bound, digits=6),
        seeds=_seeds(answer),
    )


def _not_confirmed(answer: Smallest) -> Message:
    return say(
        "No keep is confirmed: no accuracy above {bound} was shown on {seeds}. Give a lower bound or more training.",
        bound=share(answer.bound, digits=6),
        seeds=_seeds(answer),
    )


def _of_keep(answer: Smallest, one: Tested) -> Message:
    """Say what the test found at one keep."""
    where = {"keep": _keep(answer, one.keep)}
    if one.found is None or one.reasons:
        return say("{keep}: not confirmed, as a seed failed: {reason}", reason=one.reasons[0], **where)
    found = one.found
    assert found.low is not None or found.n == 1
    facts = {
        "criterion": str(answer.searched.search.criterion),
        "mean": percent(found.mean),
        "low": say("unknown") if found.low is None else percent(found.low),
        "verdict": _verdict(found),
        **where,
    }
    if one.repeated:
        return say(
            "{keep}: `{criterion}` reaches {mean}, {low} or more with 95 % confidence: {verdict}. All seeds repeat one "
            "computation, so the limit is over test pictures.",
            **facts,
        )
    return say_many(
        "{keep}: `{criterion}` reaches {mean}, {low} or more with 95 % confidence: {verdict}. {below} of {number} run "
        "lies below the bound, and up to {share} of runs may.",
        "{keep}: `{criterion}` reaches {mean}, {low} or more with 95 % confidence: {verdict}. {below} of {number} runs "
        "lie below the bound, and up to {share} of runs may.",
        found.n,
        below=found.below,
        share=percent(found.may_be_below, 0),
        **facts,
    )


def _verdict(found: AboveBound) -> Message:
    if not found.confirmed:
        return say("not confirmed")
    return say("confirmed") if found.other_pictures else say("confirmed, on these test pictures")


def _references(answer: Smallest) -> Iterator[Message]:
    """Say what dense networks and the references reach; this is no part of the claim."""
    if answer.results is None:
        return
    ours = [one for one in answer.results.records if one.cell.criterion == answer.searched.search.criterion]
    dense = {one.cell.seed: dense_accuracy(one) for one in ours}
    if dense:
        yield say("Dense networks reach {accuracy} on the test pictures.", accuracy=_mean([*dense.values()]))
    for name in REFERENCES:
        values = [finetuned_accuracy(one) for one in answer.results.records if one.cell.criterion == name]
        if not values or name == answer.criterion or answer.keep is None:
            continue
        at = {"name": name, "keep": _keep(answer, answer.keep), "accuracy": _mean(values)}
        if name == RANDOM and sum(values) / len(values) > answer.bound:
            yield say("Control `{name}` at {keep}: {accuracy}, so random units lie above the bound, too.", **at)
        elif name == RANDOM:
            yield say("Control `{name}` at {keep}: {accuracy}.", **at)
        else:
            yield say("Reference `{name}` at {keep}: {accuracy}.", **at)


def _nothing_found(answer: Smallest) -> Iterator[Message]:
    tried = [(mean, name, step.keep) for step in answer.searched.search.steps for name, mean in step.means.items()]
    mean, name, keep = max(tried)
    yield say(
        "No keep reaches {bound} on validation pictures, so nothing was confirmed.", bound=share(answer.bound, digits=6)
    )
    where = {"criterion": name, "keep": _keep(answer, keep), "accuracy": percent(mean)}
    yield say("The highest mean is that of `{criterion}` at {keep}: {accuracy}.", **where)
    dense = percent(answer.searched.dense)
    if answer.searched.dense < answer.bound:
        yield say(
            "The dense network itself reaches {accuracy}: train it longer, or give a lower bound.", accuracy=dense
        )
    else:
        yield say("The dense network reaches {accuracy}: give more fine-tuning, or a lower bound.", accuracy=dense)


def _search(answer: Smallest) -> Iterator[Message]:
    for step in answer.searched.search.steps:
        if not step.means:
            continue
        name, mean = next(iter(step.means.items()))
        reaching = sum(one >= answer.bound for one in step.means.values())
        yield say(
            "Search at {keep}: `{criterion}` is the best with {accuracy} of the validation pictures; {reaching} of "
            "{criteria} criteria reach the bound.",
            keep=_keep(answer, step.keep),
            criterion=name,
            accuracy=percent(mean),
            reaching=reaching,
            criteria=len(step.means),
        )
        yield from _failed(answer, step.failed)
    yield NOTHING_SHOWN
    yield from answer.field.absent()


def _failed(answer: Smallest, names: tuple[str, ...]) -> Iterator[Message]:
    for name in names:
        why = answer.searched.reasons.get(name) or say("no reason")
        yield say("Failed in the search: `{criterion}`: {reason}", criterion=name, reason=why)


def _bisection(answer: Smallest) -> Message:
    return say(
        "The search bisects the keeps on validation pictures, seeds {first} and up. It takes it that accuracy does not "
        "rise as the keep falls. Dense networks reach {dense} there.",
        first=answer.searched.search.steps[0].seeds[0],
        dense=percent(answer.searched.dense),
    )


def _table(answer: Smallest) -> Table:
    rows = tuple(
        (
            _keep(answer, step.keep),
            _count(len(step.seeds)),
            joined(code(name) for name, mean in step.means.items() if mean >= answer.bound) or say("none"),
            joined(
                (say("`{name}` {accuracy}", name=n, accuracy=percent(m)) for n, m in [*step.means.items()][:3]),
                SEMICOLON,
            ),
        )
        for step in answer.searched.search.steps
    )
    header = (say("keep"), say("seeds"), say("reach the bound"), say("highest means"))
    return Table(say("The search."), header, rows, text_columns=4)


def _count(number: int) -> Message:
    return say_many("{number} seed", "{number} seeds", number)


def _seeds(answer: Smallest) -> Message:
    return _count(len({one.cell.seed for one in answer.results.records}) if answer.results else 0)


def _keep(answer: Smallest, keep: float) -> str:
    return f"{answer.metric}={keep:g}"


def _mean(values: list[float]) -> Message:
    interval = t_interval(values)
    return say("{accuracy} %", accuracy=accuracy_with_half(interval.mean, interval.half))
