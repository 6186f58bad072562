"""Measure the MACs of the operations that are no plain convolution or linear layer, as a function of the units."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from prunebench.errors import UserError
from prunebench.pruning.copies import skeleton, twin
from prunebench.pruning.network import Network, Polynomial, Table, weight_of
from prunebench.pruning.removal import remove

Counts = Mapping[str, int]
# Beginnings of the names of operations that multiply and add, and that the flop counter does not know.
_UNCOUNTED = (
    *("addbmm", "addr", "cdist", "conv_tbc", "deform_conv2d", "fft", "gru", "lstm", "matrix_exp", "mkldnn_rnn", "rnn"),
    *("linalg_cholesky", "linalg_eig", "linalg_inv", "linalg_lu", "linalg_qr", "linalg_solve", "linalg_svd"),
    *("native_multi_head_attention", "transformer_encoder_layer_fwd", "trilinear"),
)


def macs_by_operation(model: nn.Module, size: Iterable[int]) -> Counter[str]:
    """Count the MACs of one picture by operation, as torch's flop counter sees them.

    model: the copy to run, in eval mode, with shapes alone or with numbers.
    size: (channels, height, width).

    Raises `UserError` for an operation that multiplies and adds, but that the flop counter does not know.
    """
    like = next(model.parameters())
    picture = torch.zeros(1, *size, device=like.device, dtype=like.dtype)
    uncounted = _Uncounted()
    flops = FlopCounterMode(display=False, custom_mapping=_VECTORS)
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH), uncounted, flops:  # a fused attention has no formula
        model(picture)
    if uncounted.names:
        names = " and ".join(sorted(uncounted.names))
        raise UserError(f"the MACs of {names} are uncounted: torch has no formula for them")
    counts = flops.get_flop_counts().get("Global", {})
    return Counter({str(operation).split(".")[-1]: number // 2 for operation, number in counts.items()})


def _largest(*shapes: Any, **_: Any) -> int:
    """Count the FLOPs of a product with a vector: two for each element of the matrix, or of the other vector."""
    return 2 * max(math.prod(shape) for shape in shapes if isinstance(shape, torch.Size))


_VECTORS = {getattr(torch.ops.aten, name): _largest for name in ("mv", "dot", "vdot", "addmv")}


class _Uncounted(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the operations that multiply and add without a formula in the flop counter."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__.strip("_")
        if name.startswith(_UNCOUNTED):
            self.names.add(name)
        return func(*args, **(kwargs or {}))


def other_macs(model: nn.Module, table: Table, pictures: Tensor) -> Polynomial:
    """Give the MACs beyond those of `Table.positions`, as a function of the numbers of units.

    Copies of the network with fewer units are measured, with shapes alone. In most networks the other MACs do not
    depend on the units. Two copies show it, or one where there are no other MACs. Else the units of each group are
    varied alone. Where that does not suffice, pairs of these groups are varied: one copy for each pair.

    Raises `UserError` if no polynomial of degree two gives the measured numbers, naming the operations.
    """
    size = tuple(pictures.shape[1:])
    try:
        return _fitted(_Probe(skeleton(model).requires_grad_(False), table, size))
    except UserError:
        raise
    except Exception:  # it looks at its numbers
        with_numbers = twin(model, Tensor.clone).requires_grad_(False)
    try:
        return _fitted(_Probe(with_numbers, table, size))
    except UserError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise UserError(f"a copy with fewer units fails: {type(error).__name__}: {text}") from error


def _fitted(probe: "_Probe") -> Polynomial:
    """Find the polynomial that gives the other MACs of a network."""
    dense = {group.name: group.units for group in probe.table.groups}
    draws = _draws(dense)

    def fits(found: Polynomial) -> bool:
        return all(found.value(draw) == probe(draw) for draw in draws)

    constant = Polynomial(Fraction(probe(dense)))
    if not constant.constant:  # no such operation, so one smaller network is enough
        del draws[1:]
    if fits(constant):
        return constant
    alone = _alone(probe, dense)
    if fits(alone):
        return alone
    with_pairs = _with_pairs(probe, dense, alone)
    if fits(with_pairs):
        return with_pairs
    raise UserError(f"its MACs are uncounted: those of {probe.names()} do not follow from the numbers of units")


def runnable(model: nn.Module, pictures: Tensor) -> nn.Module:
    """Copy a network with shapes alone; with numbers, if it looks at them."""
    bare = skeleton(model)
    try:
        bare(pictures.to("meta"))
    except Exception:
        return twin(model, Tensor.clone)
    return bare


@dataclass
class _Probe:
    """Measures the other MACs of a network for given numbers of units."""

    model: nn.Module
    table: Table
    size: tuple[int, ...]
    _known: dict[tuple[int, ...], int] = field(default_factory=dict)
    _seen: Counter[str] = field(default_factory=Counter)

    def __call__(self, units: Counts) -> int:
        key = tuple(units.values())
        if key not in self._known:
            network = Network.dense(self.model, self.table)
            if units != network.units:
                network = remove(network, {name: kept[units[name] :] for name, kept in network.kept.items()})
            self._seen = macs_by_operation(network.model, self.size)
            own = sum(n * weight_of(network, layer).numel() for layer, n in self.table.positions.items())
            self._known[key] = sum(self._seen.values()) - own
        return self._known[key]

    def names(self) -> str:
        return ", ".join(f"'{name}'" for name in sorted(self._seen))


def _draws(dense: Counts) -> list[dict[str, int]]:
    draw = torch.Generator().manual_seed(0)
    return [
        {group: int(torch.randint(1, units, (), generator=draw)) for group, units in dense.items()} for _ in range(2)
    ]


def _alone(probe: Callable[[Counts], int], dense: Counts) -> Polynomial:
    """Fit a polynomial without products of two groups, by varying each group alone."""
    linear: dict[str, Fraction] = {}
    squares: dict[tuple[str, str], Fraction] = {}
    top = constant = Fraction(probe(dense))
    for group, units in dense.items():
        points = sorted({1, (units + 1) // 2, units})
        values = [probe({**dense, group: point}) - top for point in points]
        if any(values):
            slope = (values[-1] - values[0]) / Fraction(points[-1] - points[0])
            bend = Fraction(0)
            if len(points) == 3:
                first = (values[1] - values[0]) / Fraction(points[1] - points[0])
                bend = (slope - first) / (points[2] - points[1])
            squares[group, group] = bend
            linear[group] = slope - bend * (points[0] + points[-1])
            constant -= bend * units**2 + linear[group] * units
    return Polynomial(constant, linear, squares)


def _with_pairs(probe: Callable[[Counts], int], dense: Counts, alone: Polynomial) -> Polynomial:
    """Add the products of two groups to a fit, by varying pairs of groups."""
    constant, linear, squares = alone.constant, dict(alone.linear), dict(alone.squares)
    for one, other in combinations(alone.linear, 2):
        both = {**dense, one: 1, other: 1}
        product = Fraction(probe(both) - int(alone(both))) / ((dense[one] - 1) * (dense[other] - 1))
        # product * (one - dense) * (other - dense) vanishes where one of the two is dense
        squares[one, other] = product
        linear[one] -= product * dense[other]
        linear[other] -= product * dense[one]
        constant += product * dense[one] * dense[other]
    return Polynomial(constant, linear, squares)
