"""Check that a network without blocks equals the network whose branches give zero, on random numbers in float64."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from prunebench.blocks.finding import Block, find_blocks
from prunebench.blocks.removing import without_blocks
from prunebench.errors import UserError
from prunebench.pruning.kinds import NORMS
from prunebench.pruning.network import Network, Table
from prunebench.pruning.verification import SEED, SIDE, TOLERANCE, randomised


def removable_blocks(model: nn.Module, table: Table, pictures: Tensor, name: str) -> tuple[Block, ...]:
    """Find the blocks of a network whose removal is exact.

    Every block that is found is removed from a copy with random parameters in float64. The output must equal that of
    the network whose parameters inside the block are zero, so that the branch adds nothing.

    model: dense. table: of its units. pictures: (batch, channels, height, width), for their shape. name: how errors
    call the model. Raises `UserError` where no block is left.
    """
    if table.macs(dict.fromkeys((group.name for group in table.groups), 1)):
        what = "it multiplies matrices outside its layers, as attention does, and a block's share of that is not known"
        raise UserError(f"{name} has no blocks to remove: {what}; leave --units out")
    known = {layer for group in table.groups for layer in group.producers}
    found = [block for block in find_blocks(model, pictures) if known.intersection(block.layers)]
    with torch.random.fork_rng(devices=[]):
        network = randomised(model, table, torch.device("cpu"))
        exact = (
            tuple(found)
            if _same(network, found, pictures)
            else tuple(b for b in found if _same(network, [b], pictures))
        )
    if not exact:
        what = "no module adds a branch to its own unchanged input"
        raise UserError(f"{name} has no blocks to remove: {what}; leave --units out, or give another model")
    return exact


@torch.no_grad()
def _same(network: Network, blocks: Sequence[Block], pictures: Tensor) -> bool:
    """Compare a network without blocks with the same network whose blocks are masked."""
    side = [min(one, SIDE) for one in pictures.shape[2:]]
    noise = torch.randn(2, pictures.shape[1], *side, generator=torch.Generator().manual_seed(SEED), dtype=torch.float64)
    for size in (noise, torch.nn.functional.interpolate(noise, tuple(pictures.shape[2:]))):
        masked = masked_blocks(network, blocks)
        try:
            wanted, found = masked.model(size), without_blocks(network, blocks).model(size)
        except Exception:
            continue
        same = wanted.shape == found.shape and wanted.isfinite().all()
        return bool(same and (wanted - found).abs().max() <= TOLERANCE * wanted.abs().max().clamp(min=1e-300))
    return False


@torch.no_grad()
def masked_blocks(network: Network, blocks: Sequence[Block]) -> Network:
    """Copy a network with every parameter inside some blocks set to zero; widths and modules stay."""
    copy = without_blocks(network, ())
    for block in blocks:
        inside = copy.model.get_submodule(block.name)
        for parameter in inside.parameters():
            parameter.zero_()
        for module in inside.modules():
            if isinstance(module, NORMS) and module.running_mean is not None:
                module.running_mean.zero_()
    return copy
