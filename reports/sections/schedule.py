"""The section on training: the origin of the dense networks, and the epochs and rates of every stage."""

from collections.abc import Iterator
from typing import Any

from prunebench.reports.document import Section, Table, Text
from prunebench.reports.language.message import SEMICOLON, Message, joined, say
from prunebench.reports.results import Results

TITLE = say("Schedule")
HEADER = (
    *(say("task"), say("starts from"), say("classifier"), say("dense"), say("sparse"), say("rung")),
    *(say("fine-tuning"), say("cut")),
)


def schedule_section(results: Results) -> Section:
    """Tabulate the schedule of each task, or of each protocol where a task has several."""
    protocols = {results.tasks[record.key]: record.protocol for record in results.records}
    rows = tuple((task, *_row(protocol)) for task, protocol in protocols.items())
    if not rows:
        return Section(TITLE, (), say("No point came out."))
    caption = say("Epochs at peak learning rate; a rung is one step of the ladder.")
    untrained = not any(_trains(protocol) for protocol in protocols.values())
    notes = [Text(say("Nothing was trained: fine-tuned means as cut, or as repaired."))] if untrained else []
    return Section(TITLE, (*notes, Table(caption, HEADER, rows, text_columns=2)))


def _row(protocol: dict[str, Any]) -> tuple[str, ...]:
    peak = float(protocol.get("rate") or 0)
    return (
        joined(_start(protocol), SEMICOLON),
        _stage_cell(protocol.get("frozen_epochs", 0), peak * protocol.get("frozen_rate", 1.0)),
        _stage_cell(protocol.get("epochs", 0), peak),
        _stage_cell(protocol.get("sparse_epochs", 0), peak * protocol.get("sparse_rate", 0)),
        _stage_cell(protocol.get("rung_epochs", 0), peak * protocol.get("finetune_rate", 0)),
        _stage_cell(protocol.get("finetune_epochs", 0), peak * protocol.get("finetune_rate", 0)),
        joined(_cuts(protocol), SEMICOLON),
    )


def _start(protocol: dict[str, Any]) -> Iterator[str]:
    weights = str(protocol["weights"]) if protocol.get("weights") else say("its own or fresh weights")
    colours = [say("ImageNet's colours")] if protocol.get("normalise") == "imagenet" else []
    yield joined((weights, *colours))
    if protocol.get("optimiser", "sgd") != "sgd":
        yield say("trained by {optimiser}", optimiser=_OPTIMISERS[protocol["optimiser"]])
    if protocol.get("constant_rate"):
        yield say("constant rates")


def _cuts(protocol: dict[str, Any]) -> Iterator[Message]:
    part, rung = f"{100 * protocol.get('rung_step', 0):.3g} %", f"x{protocol.get('rung', 0):g}"
    how = protocol.get("repair", "none")
    if protocol.get("restart"):
        yield say("once for each keep; rungs' epochs join fine-tuning")
    elif protocol.get("rung_step"):
        yield say("ladder of {step} of the dense network", step=part)
    else:
        yield say("ladder of {rung}", rung=rung)
    if (norm := protocol.get("normalise_scores", "none")) != "none":
        yield say("scores normalised by layer: {how}", how=norm)
    if how != "none":
        yield say("then repaired: {how}", how=how)


def _stage_cell(epochs: int | str | None, rate: float) -> str:
    return say("{epochs} at {rate}", epochs=epochs, rate=format(rate, ".2g")) if epochs else say("none")


def _trains(protocol: dict[str, Any]) -> bool:
    return any(protocol.get(f"{stage}epochs") for stage in ("frozen_", "", "sparse_", "rung_", "finetune_"))


_OPTIMISERS = {"adam": "Adam", "adamw": "AdamW"}
