"""The contract suite for regularisers."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from prunebench.errors import CellError
from prunebench.plugins.regulariser import Attached, Regulariser
from prunebench.pruning.network import Network
from prunebench.testing import toys
from prunebench.training.term import attach, gradients_of, term_of


def require(condition: bool, message: str) -> None:
    """Raise `AssertionError` unless a condition holds; `python -O` would drop an `assert`."""
    if not condition:
        raise AssertionError(message)


def _networks(regulariser: Regulariser) -> list[Callable[[], Network]]:
    """Builders of the toy networks that a regulariser accepts. A `CellError` refuses a network; one must remain."""
    works, reasons = list[Callable[[], Network]](), list[str]()
    for make in toys.TOYS.values():
        try:
            attach(regulariser, make(), torch.Generator().manual_seed(0), watched=False)
        except CellError as error:
            reasons.append(str(error))
        except (Exception, SystemExit):  # the check that attaches the regulariser reports the error
            works.append(make)
        else:
            works.append(make)
    require(bool(works), f"the regulariser refuses every network: {', '.join(dict.fromkeys(reasons))}")
    return works


def _attached(regulariser: Regulariser, network: Network, watched: bool = False) -> Attached:
    attached = attach(regulariser, network, torch.Generator().manual_seed(0), watched)
    attached.draw()
    return attached


def _gradients(regulariser: Regulariser, network: Network) -> list[Tensor]:
    attached = _attached(regulariser, network)
    named = dict(network.model.named_parameters())
    named |= {f"parameter {number} of its own": parameter for number, parameter in enumerate(attached.parameters)}
    return [g for g in gradients_of(regulariser, attached, named).values() if g is not None]


def _gradient_at_zero(regulariser: Regulariser) -> None:
    """Expect a finite gradient of the term with zero weights in all units, and in one unit."""
    for make in _networks(regulariser):
        for units in (slice(None), slice(1)):
            network = make()
            with torch.no_grad():
                for parameter in network.model.parameters():
                    parameter[units].zero_()
            _gradients(regulariser, network)


def _gradient_elsewhere(regulariser: Regulariser) -> None:
    """Expect a finite gradient that is not zero everywhere."""
    gradients = [gradient for make in _networks(regulariser) for gradient in _gradients(regulariser, make())]
    acts = any(bool(gradient.any()) for gradient in gradients)
    require(acts, "the gradient of the regulariser is zero everywhere")


def _draws_from_its_generator(regulariser: Regulariser) -> None:
    """Expect equal terms and outputs from equal seeds, and unchanged global states."""
    pictures, seen = toys.batches()[0][0], list[list[Tensor]]()
    make = _networks(regulariser)[-1]
    for _ in range(2):
        network = make()
        for module in network.model.modules():  # dropout draws by itself
            module.training = not isinstance(module, nn.Dropout)
        attached = _attached(regulariser, network, watched=True)
        state = torch.get_rng_state()
        seen.append([term_of(regulariser, attached).detach(), network.model(pictures).detach()])
        require(torch.equal(state, torch.get_rng_state()), "the regulariser draws from torch's global random state")
    same = all(map(torch.equal, *seen))
    require(same, "two runs of the regulariser with one seed differ; draw from `generator` only")


@torch.no_grad()
def _folds(regulariser: Regulariser) -> None:
    """Expect the same outputs in eval mode before and after `detach`, and no hooks left."""
    for make in _networks(regulariser):
        network, (pictures, _) = make(), toys.batches()[0]
        before = _hooks(network)
        attached = attach(regulariser, network, torch.Generator().manual_seed(0), watched=False)
        for number, parameter in enumerate(attached.parameters):
            parameter.copy_(torch.linspace(-3, 3 + number, parameter.numel(), dtype=parameter.dtype))
        network.model.eval()
        attached_output = network.model(pictures)
        attached.pushed()  # refused by name if it is not what the contract says
        learned = attached.detach()
        require(_hooks(network) == before, "the regulariser leaves hooks behind")
        change = float((network.model(pictures) - attached_output).abs().max() / attached_output.abs().max())
        require(change <= 1e-12, f"detaching changes the {make.__name__} network's output by {change:.1e}")
        shapes = {name: tuple(values.shape) for name, values in learned.items()}
        wanted = {name: (units,) for name, units in network.units.items()}
        require(not shapes or shapes == wanted, f"detaching gives gates of shapes {shapes}, not {wanted}")


def _hooks(network: Network) -> list[int]:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [len(getattr(module, kind)) for module in network.model.modules() for kind in kinds]


REGULARISER_CHECKS: dict[str, Callable[[Regulariser], None]] = {
    "gradient at zero": _gradient_at_zero,
    "gradient elsewhere": _gradient_elsewhere,
    "draws from its generator": _draws_from_its_generator,
    "leaves what it showed": _folds,
}
