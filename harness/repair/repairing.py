"""Repair a network after a cut, from calibration pictures without labels."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from prunebench.curvature.layer_gradients import columns, rows
from prunebench.errors import UserError
from prunebench.pruning.network import Network
from prunebench.records.names import RepairName
from prunebench.repair.readers import can_shift, cut_anything, plain, readers, shift
from prunebench.repair.running import in_order, run_to
from prunebench.repair.solving import Sums, fitted_change
from prunebench.scoring.evidence import undisturbed
from prunebench.scoring.layers import Batches
from prunebench.training.evaluate import reestimate_batchnorm
from prunebench.training.gates import NORMS

RIDGE = 1e-2  # as GPTQ and SparseGPT damp (Frantar et al. 2022, 2023); from 1e-4 to 1e-2 the accuracy hardly moves
ROOM, LARGE = 2**22, 2**27  # numbers of inputs that are held at once, on a CPU and on an accelerator


def repair(how: RepairName, before: Network, after: Network, batches: Batches, ridge: float = RIDGE) -> bool:
    """Repair a network in place. Returns whether it did: where nothing was cut, there is nothing to repair.

    - `batchnorm`: the statistics of every BatchNorm are estimated again.
    - `bias`: the outputs of each layer that reads removed units get their old means. The difference goes into the
      layer's bias, or into the running mean of its own BatchNorm. FLAP (An et al., AAAI 2024) folds in what the removed
      units gave on average. Here the change of the remaining inputs counts, too.
    - `least-squares`: the remaining weights and the bias of these layers are refitted to the old outputs, as He, Zhang
      & Sun (ICCV 2017) do. ThiNet (Luo et al., ICCV 2017) fits one factor for each input channel. A ridge draws towards
      the weights as they are.

    The last two go through the layers in the order of execution. The inputs are those of the network as repaired so
    far; the outputs to be reached are those before the cut. A layer with neither bias nor BatchNorm of its own is not
    shifted. Both networks run in eval mode.

    Args:
        how: the repair; `none` does nothing.
        before: the network before the cut; left as it was.
        after: the same network after the cut; changed. `least-squares` takes no single weights.
        batches: (pictures, labels) pairs, normalised; the labels are not used.
        ridge: of `least-squares`, see `solving.fitted_change`.

    Raises `CellError` for a layer that does not run exactly once, or computes more than a product with its weight.

    >>> from prunebench.pruning.removal import remove
    >>> from prunebench.testing import toys
    >>> before = toys.chain()
    >>> after = remove(before, {"0": torch.tensor([1, 2])})
    >>> as_cut = after.layer("2").weight.clone()
    >>> repair("least-squares", before, after, toys.batches())
    True
    >>> bool((after.layer("2").weight == as_cut).any())
    False
    """
    if how == "none" or not cut_anything(before, after):
        return False
    if how == "batchnorm":
        reestimate_batchnorm(after.model, (pictures.to(after.device, after.dtype) for pictures, _ in batches))
        return True
    left = readers(before, after)
    fit = shift_to_mean if how == "bias" else partial(refit, ridge=ridge)
    with undisturbed(before.model), undisturbed(after.model), torch.no_grad():
        for name in in_order(after.model, left, batches[0][0].to(after.device, after.dtype)):
            fit(before, after, name, left[name], batches)
    return True


def check_repair(how: RepairName, model: nn.Module, name: str) -> None:
    """Raise `UserError` for a network in which a repair finds nothing to mend. name: how errors call the network.

    >>> check_repair("batchnorm", nn.BatchNorm2d(3), "'mine'")
    >>> check_repair("batchnorm", nn.BatchNorm2d(3, track_running_stats=False), "'mine'")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    prunebench.errors.UserError: --repair batchnorm: 'mine' has no BatchNorm that keeps statistics; give ...
    """
    if how == "batchnorm" and not any(isinstance(one, NORMS) and one.track_running_stats for one in model.modules()):
        what = f"{name} has no BatchNorm that keeps statistics"
        raise UserError(f"--repair batchnorm: {what}; give another repair, or leave --repair out")


def shift_to_mean(before: Network, after: Network, name: str, left: Tensor, batches: Batches) -> None:
    """Give the outputs of one layer their means from before the cut. Arguments as of `refit`."""
    if not can_shift(after, name):
        return
    total, count = torch.zeros(len(left), dtype=torch.float64), 0
    for _, errors in _passes(before, after, name, left, batches):
        total += errors.to("cpu", torch.float64).sum((0, 3)).flatten()
        count += errors.shape[0] * errors.shape[3]
    shift(after, name, total / count)


def refit(before: Network, after: Network, name: str, left: Tensor, batches: Batches, *, ridge: float) -> None:
    """Refit the weight and bias of one layer to its outputs from before the cut.

    Memory grows with the square of the fan-in, not with the number of pictures.

    Args:
        before: network whose outputs are to be reached.
        after: network whose layer is changed.
        name: of the layer.
        left: its output positions that are left, as numbered in `before`.
        batches: (pictures, labels) pairs.
        ridge: see `solving.fitted_change`.
    """
    layer = plain(after, name)
    weight = layer.get_parameter("weight").data
    groups = getattr(layer, "groups", 1)
    device = torch.device("cpu") if weight.device.type == "mps" else weight.device  # MPS has no float64
    sums = Sums.zeros(groups, weight[0].numel(), len(weight) // groups, device)
    for inputs, errors in _passes(before, after, name, left, batches):
        each = groups * weight[0].numel() * errors.shape[3]
        step = max(1, (ROOM if device.type == "cpu" else LARGE) // each)
        for some, wanted in zip(torch.split(inputs, step), torch.split(errors, step), strict=True):
            sums.add(columns(layer, some), wanted)
    change, offset = fitted_change(sums, ridge, intercept=can_shift(after, name))
    weight.add_(change.reshape(weight.shape).to(weight))
    shift(after, name, offset.flatten())


def _passes(
    before: Network, after: Network, name: str, left: Tensor, batches: Batches
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give what a layer reads after the cut, and what its outputs lack: (batch, groups, units, positions)."""
    layer = plain(after, name)
    left = left.to(after.device)
    axis = 1 if isinstance(layer, nn.Conv2d) else -1
    for pictures, _ in batches:
        pictures = pictures.to(after.device, after.dtype)
        _, wanted = run_to(before.model, before.layer(name), pictures)
        inputs, given = run_to(after.model, layer, pictures)
        yield inputs, rows(layer, wanted.index_select(axis, left) - given)
