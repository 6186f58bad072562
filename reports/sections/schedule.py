"""The section on training: the origin of the dense networks, and the epochs and rates of every stage."""

from typing import Any

from prunebench.reports.document import Section, Table, Text
from prunebench.reports.language.message import say
from prunebench.reports.results import Results

TITLE = say("Schedule")
HEADER = ("task", "starts from", "classifier", "dense", "sparse", "rung", "fine-tuning", "cut")


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
    restart = bool(protocol.get("restart"))
    start = str(protocol.get("weights") or "its own or fresh weights")
    if protocol.get("normalise") == "imagenet":
        start += ", ImageNet's colours"
    if protocol.get("optimiser", "sgd") != "sgd":
        start += f"; trained by {_OPTIMISERS[protocol['optimiser']]}"
    if protocol.get("constant_rate"):
        start += "; constant rates"
    return (
        start,
        _stage_cell(protocol.get("frozen_epochs", 0), peak * protocol.get("frozen_rate", 1.0)),
        _stage_cell(protocol.get("epochs", 0), peak),
        _stage_cell(protocol.get("sparse_epochs", 0), peak * protocol.get("sparse_rate", 0)),
        _stage_cell(protocol.get("rung_epochs", 0), peak * protocol.get("finetune_rate", 0)),
        _stage_cell(protocol.get("finetune_epochs", 0), peak * protocol.get("finetune_rate", 0)),
        ("once for each keep; rungs' epochs join fine-tuning" if restart else _ladder(protocol))
        + _norm(protocol)
        + _repair(protocol),
    )


def _ladder(protocol: dict[str, Any]) -> str:
    step = protocol.get("rung_step", 0)
    return f"ladder of {100 * step:.3g} % of the dense network" if step else f"ladder of x{protocol.get('rung', 0):g}"


def _norm(protocol: dict[str, Any]) -> str:
    how = protocol.get("normalise_scores", "none")
    return "" if how == "none" else f"; scores over each layer's {how}"


def _repair(protocol: dict[str, Any]) -> str:
    how = protocol.get("repair", "none")
    return "" if how == "none" else f"; then repaired: {how}"


def _stage_cell(epochs: int | str | None, rate: float) -> str:
    return f"{epochs} at {rate:.2g}" if epochs else "none"


def _trains(protocol: dict[str, Any]) -> bool:
    return any(protocol.get(f"{stage}epochs") for stage in ("frozen_", "", "sparse_", "rung_", "finetune_"))


_OPTIMISERS = {"adam": "Adam", "adamw": "AdamW"}
