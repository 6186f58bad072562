"""Who reads each tensor of a forward pass, by the graph that autograd keeps: forks, additions and nonlinearities.

A tensor is known by the node of the graph that made it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from prunebench.pruning.network import Place, Side
from prunebench.pruning.shapes import shape

Readers = Mapping[Any, Sequence[Any]]  # by node, the nodes that read its tensor

SUMS = frozenset({"Add", "Sub"})
CURVES = frozenset(
    {"Relu", "LeakyRelu", "Elu", "Celu", "Gelu", "Silu", "Mish", "PreluKernel", "Hardtanh", "Hardswish", "Hardsigmoid"}
    | {"Sigmoid", "Tanh", "Softplus", "Clamp", "ClampMin", "Threshold"}
)


def readers(output: Tensor) -> Readers:
    """List the readers of every tensor that the output depends on.

    >>> x = torch.ones(2, requires_grad=True) * 2
    >>> [node.name() for node in readers(x.exp() + x)[x.grad_fn]]
    ['AddBackward0', 'ExpBackward0']
    """
    found = defaultdict[Any, list[Any]](list)
    stack, seen = [output.grad_fn], {output.grad_fn, None}
    while stack:
        node: Any = stack.pop()
        for function, _ in node.next_functions if node is not None else ():
            found[function].append(node)
            if function not in seen:
                seen.add(function)
                stack.append(function)
    return found


def leaves(found: Readers) -> list[Tensor]:
    """List the trainable tensors that no operation made, such as parameters.

    >>> x = torch.ones(2, requires_grad=True)
    >>> [leaf is x for leaf in leaves(readers(x * 2 + 1))]
    [True]
    """
    return [node.variable for node in found if node is not None and node.name() == "torch::autograd::AccumulateGrad"]


def read_by(given: Any, result: Any, found: Readers) -> bool:
    """Tell whether only one module reads a tensor. given, result: the nodes of its input and of its output.

    Inside, the module may read its input several times.
    """
    own, stack = {given, None}, [result]
    while stack:
        node = stack.pop()
        if node not in own:
            own.add(node)
            stack += [function for function, _ in node.next_functions]
    return result is given or all(reader in own for reader in found.get(given, ()))


def follow(start: Any, curved: bool, found: Readers) -> Iterator[Any]:
    """Yield the tensors that a layer's output becomes: behind additions and factors, then behind one nonlinearity.

    It ends where another operation reads the tensor, too. A factor that is computed from the tensor itself, as in
    squeeze-and-excitation, is no end.

    curved: whether the layer's output is behind a nonlinearity already; then one follows only behind an addition.
    """
    node = start
    while node is not None:
        yield node
        onward = [reader for reader in found.get(node, ()) if shape(reader) == shape(start)]
        alone = len(found.get(node, ())) == 1
        onto = (
            one for one in onward if (_kind(one) in SUMS and alone) or (_kind(one) == "Mul" and _only(node, one, found))
        )
        node = next(onto, None)
        if node is None and alone and not curved:
            yield from (one for one in onward if _kind(one) in CURVES)
        curved = curved and (node is None or _kind(node) not in SUMS)


def _only(node: Any, product: Any, found: Readers) -> bool:
    """Tell whether all that reads a tensor beside a product leads to the product's other factor."""
    return all(reader is product or product in _onward(reader, found) for reader in found.get(node, ()))


def _onward(start: Any, found: Readers) -> set[Any]:
    """Give the operations that a tensor reaches."""
    reached, stack = {start}, [start]
    while stack:
        for reader in found.get(stack.pop(), ()):
            if reader not in reached:
                reached.add(reader)
                stack.append(reader)
    return reached


def _kind(node: Any) -> str:
    return str(node.name()).partition("Backward")[0]


class Places:
    """The modules that return or read each tensor of one forward pass."""

    def __init__(self) -> None:
        self._found: dict[Side, dict[Any, Place]] = {"out": {}, "in": {}}
        self._calls = Counter[str]()

    def find(self, node: Any) -> Place | None:
        """Find the first module that returns a tensor, else the first that reads it; None if there is none."""
        return self._found["out"].get(node) or self._found["in"].get(node)

    @contextmanager
    def watch(self, model: nn.Module) -> Iterator[None]:
        """Look at every module inside a model during a forward pass."""
        with ExitStack() as hooks:
            for name, module in model.named_modules():
                if name:
                    hooks.enter_context(module.register_forward_pre_hook(partial(self._enter, name), with_kwargs=True))
                    hooks.enter_context(module.register_forward_hook(partial(self._leave, name)))
            yield

    def _enter(self, name: str, module: nn.Module, inputs: tuple[object, ...], named: dict[str, object]) -> None:
        self._calls[name] += 1
        self._note(name, "in", next(iter((*inputs, *named.values())), None))

    def _leave(self, name: str, module: nn.Module, inputs: object, result: object) -> None:
        self._note(name, "out", result)

    def _note(self, name: str, side: Side, tensor: object) -> None:
        if isinstance(tensor, torch.Tensor) and tensor.grad_fn is not None:
            self._found[side].setdefault(tensor.grad_fn, Place(name, self._calls[name], side))
