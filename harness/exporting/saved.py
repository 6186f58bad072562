"""Exports a network that a run saved, with what its record says of it."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from prunebench.exporting.folder import About, export
from prunebench.records.record import Record
from prunebench.study.networks import Origin, load_network, read_origin


def export_saved(
    stage: Path,
    to: Path,
    record: Record | None = None,
    *,
    onnx: bool = False,
    plugins: tuple[str, ...] = (),
    models: Collection[str] = (),
) -> list[Path]:
    """Export the network in a folder of `stages/`. Returns the paths of the files; see `prunebench.export`.

    record: of the network's point, for the accuracy and costs. plugins, models: code that is allowed, as in
    `prunebench.load`.

    Raises `UserError` where the network was not saved, or its model is not allowed.
    """
    network = load_network(stage, plugins, models)
    found = read_origin(stage)
    assert found is not None  # else `load_network` has refused
    blocks = {"removed_blocks": sorted(network.blocks)} if network.blocks else {}
    about = About(
        title=_title(found, record),
        classes=found.class_names,
        mean=found.mean,
        std=found.std,
        masks=network.masks,
        facts={"model": found.model, "stage": stage.name, **blocks, **(_facts(record) if record else {})},
    )
    pictures = torch.zeros(1, found.channels, found.size, found.size)
    return export(network.model, to, pictures, about=about, onnx=onnx)


def _title(found: Origin, record: Record | None) -> str:
    if record is None:
        return f"{found.model}, as a run of PruneBench saved it"
    cell = record.cell
    lost = f", residual blocks removed: {', '.join(record.blocks)}" if record.blocks else ""
    return f"{cell.task} pruned by {cell.criterion} to {cell.metric}={cell.keep:g}, seed {cell.seed}{lost}"


def _facts(record: Record) -> dict[str, Any]:
    cell = record.cell.model_dump(mode="json")
    facts: dict[str, Any] = {"cell": cell, "protocol": record.protocol, "record": record.key}
    for name in ("accuracy", "top5", "dense", "pruned"):
        value = getattr(record, name)
        facts[name] = value.model_dump(mode="json") if value else None
    return facts | {"keep": record.keep}
