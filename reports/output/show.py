"""The text of `prunebench show`: costs, accuracies and layer widths of one point."""

from tabulate import tabulate

from prunebench.records.record import Cost, Record, StageValues
from prunebench.reports.formatting import as_multiple, percent
from prunebench.reports.ordering import METRIC_WORDS
from prunebench.reports.protocols import repair_of

COSTS = (("macs", "MACs"), ("params", "parameters"), ("units", "units"), ("bytes", "bytes"))
SINGLE_WEIGHTS_NOTE = "single weights: no speed-up on dense kernels, which compute and store the zeros"


def layer_table(record: Record) -> str:
    """Write a record for a terminal: the cell, costs, accuracies, then the widths of each layer."""
    cell = record.cell
    network = f", network stages/{record.network}" if record.network else ""
    lines = [
        f"{cell.task} | {cell.criterion} | {cell.ranking} ranking | seed {cell.seed} | "
        f"keep {cell.keep:g} of {METRIC_WORDS[cell.metric]}",
        f"key {record.key}, version {record.protocol_version} of the protocol's rules{network}",
    ]
    if record.status == "failed":
        return "\n".join([*lines, f"failed: {record.reason or 'no reason given'}"])
    if record.dense and record.pruned:
        lines += ["", _cost_table(record.dense, record.pruned)]
    if record.weights:
        lines.append(SINGLE_WEIGHTS_NOTE)
    if record.blocks:
        lines.append(f"residual blocks removed: {', '.join(record.blocks)}")
    if record.accuracy:
        lines += ["", _accuracy_line(record.accuracy, repair_of(record))]
    if record.sparse:
        lines.append(sparse_line(record))
    if record.pushed:
        found = record.pushed
        pushed = f"{found.pushed} of {found.units} units pushed"
        lines.append(f"sparse training: {pushed}; {found.cut} were cut, {found.both} of them pushed")
    return "\n".join([*lines, "", _width_table(record)])


def sparse_line(record: Record) -> str:
    """Say what sparse training did to the regulariser's term and to the choice of units."""
    assert record.sparse is not None
    before, after = record.sparse.before, record.sparse.after
    words = [f"sparse training: the term went from {before:.4g} to {after:.4g}"]
    words.append(f"it acts on {percent(record.sparse.acted_on, 0)} of the units")
    if change := record.change:
        words.append(
            f"{percent(change.overlap, 0)} of the removed units would go without it, too "
            f"({percent(change.by_chance, 0)} by chance)"
        )
    if record.not_compared:
        words.append(f"not compared with plain training: {record.not_compared}")
    hardly = "the choice hardly changed" if record.change else "it fell by less than 5 %"
    return "; ".join([*words, *([hardly] if record.ineffective else [])])


def _cost_table(dense: Cost, pruned: Cost) -> str:
    rows = []
    for field, name in COSTS:
        before, after = getattr(dense, field), getattr(pruned, field)
        rows.append([name, f"{before:,}", f"{after:,}", percent(after / before), as_multiple(before / after)])
    header = ["", "dense", "pruned", "kept", "ratio"]
    return tabulate(rows, header, disable_numparse=True, colalign=["left", *["right"] * 4])


def _accuracy_line(scores: StageValues, repair: str) -> str:
    estimated = "" if scores.cut_bn == scores.cut else f"BatchNorm re-estimated {percent(scores.cut_bn)}, "
    repaired = "" if scores.repaired is None else f"repaired by {repair} {percent(scores.repaired)}, "
    return (
        f"accuracy: dense {percent(scores.dense)}, cut {percent(scores.cut)}, "
        f"{estimated}{repaired}fine-tuned {percent(scores.finetuned)}"
    )


def _width_table(record: Record) -> str:
    rows = [
        [layer, f"{dense:,}", f"{pruned:,}", percent(pruned / dense, 1), "floor" if layer in record.floors else ""]
        for layer, (dense, pruned) in record.remaining.items()
    ]
    header = ["weights of" if record.weights else "layer", "dense", "pruned", "kept", "at floor"]
    return tabulate(rows, header, disable_numparse=True, colalign=["left", "right", "right", "right", "left"])
