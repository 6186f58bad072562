"""Models: a function that builds a network for given pictures, and the training defaults of its family."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from torch import nn

from prunebench.errors import CellError, UserError
from prunebench.plugins.guard import built
from prunebench.plugins.options import Value, convert, function_options, keyword_defaults, label, takes_any
from prunebench.pruning.suitability import uncompiled

PRETRAINED = ("weights", "pretrained")  # options of `build` that ask for published weights

IMAGENET_CLASSES = 1000
Normalise = Literal["data", "imagenet"]


@dataclass(frozen=True)
class Training:
    """Training defaults of a model family; docs/explanation/protocol.md gives the reason of each.

    rate: peak learning rate of SGD with Nesterov momentum 0.9, for batches of `batch` pictures.
    """

    epochs: int = 30
    batch: int = 128
    rate: float = 0.05
    weight_decay: float = 5e-4


@dataclass(frozen=True)
class Model:
    """One member of a model family.

    Args:
        build: ``(channels, size, classes, *, options...) -> nn.Module`` for square pictures of `size` pixels. Pictures
            that are too small raise `UserError`. Weights are drawn from torch's global generator. An option
            `weights` or `pretrained` asks for published weights, which the same network then has. Under
            ``**options`` all others are passed on.
        name: the name in the registry; by default the name of the function.
        initialise: sets fresh weights that differ from torch's defaults; called after `reset_parameters`.
        training: the family's training defaults.
        reference: author, venue, year.
        takes_argument: name of the argument after the colon, for the help (`NAME` of `torchvision:NAME`); empty if
            the model takes none. `build` receives the argument first.
        head: names of the classifier's modules, by default the last linear layer or convolution in the order of
            definition. Transfer to other classes replaces the classifier.
        options: the given options.
        argument: the given argument.
    """

    build: Callable[..., nn.Module]
    name: str = ""
    initialise: Callable[[nn.Module], None] | None = None
    training: Training = field(default_factory=Training)
    reference: str = ""
    options: Mapping[str, Value] = field(default_factory=dict)
    takes_argument: str = ""
    argument: str = ""
    head: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.build.__name__)

    @property
    def label(self) -> str:
        """Name with the given argument and options."""
        return label(self.name, self.options, self.argument)

    @property
    def pretrained(self) -> bool:
        """Whether an option of `build` asks for published weights, so that training begins with them."""
        return any(name in keyword_defaults(self.build) and self.options.get(name) for name in PRETRAINED)

    @property
    def digest(self) -> str:
        """Hash of weights that the network brings along; empty where a seed draws them, or where a name says which."""
        return ""

    def trained_for(self, channels: int, classes: int) -> bool:
        """Whether the network comes trained for such pictures, its classifier included."""
        return self.pretrained and channels == 3 and classes == IMAGENET_CLASSES

    @property
    def normalise(self) -> Normalise:
        """Source of the mean and standard deviation that normalise pictures; published weights expect ImageNet's."""
        return "imagenet" if self.pretrained else "data"

    def with_options(self, given: Mapping[str, str]) -> "Model":
        """Set the keyword-only options of `build`."""
        values = convert(self.name, given, function_options(self.build), rest=takes_any(self.build))
        return replace(self, options={**self.options, **values})

    def without_weights(self) -> "Model":
        """Return the model without published weights, for a network whose weights are loaded from elsewhere."""
        return replace(self, options={name: value for name, value in self.options.items() if name not in PRETRAINED})

    def __call__(self, channels: int, size: int, classes: int) -> nn.Module:
        """Build the network for square pictures (channels, size, size). Raises `UserError` if `build` fails."""
        behind = (self.argument,) if self.takes_argument else ()
        who = f"model '{self.label}'"
        model = built(who, lambda: self.build(*behind, channels, size, classes, **self.options))
        return uncompiled(model) if isinstance(model, nn.Module) else model

    def classifier(self, model: nn.Module) -> tuple[str, ...]:
        """Name the parameters of the classifier in a network that this model built.

        Raises `UserError` for a module of `head` without parameters in the network.
        """
        head, parameters = self.head_of(model), [name for name, _ in model.named_parameters()]
        for module in head:
            if not any(name.startswith(f"{module}.") for name in parameters):
                raise UserError(f"model '{self.label}': its head '{module}' has no parameters; name others in `head`")
        return tuple(name for name in parameters if name.startswith(tuple(f"{module}." for module in head)))

    def head_of(self, model: nn.Module) -> tuple[str, ...]:
        """Name the modules of the classifier in a network that this model built."""
        return self.head or (last_layer(model),)

    def reset(self, model: nn.Module) -> None:
        """Draw fresh weights for a network of any widths, from torch's global generator."""
        built(f"model '{self.label}'", lambda: self._reset(model))

    def _reset(self, model: nn.Module) -> None:
        for module in model.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
            elif self.initialise is None and any(True for _ in module.parameters(recurse=False)):
                kind = type(module).__name__
                raise CellError(f"model '{self.name}': {kind} has no reset_parameters; give the model `initialise`")
        if self.initialise is not None:
            self.initialise(model)


def last_layer(model: nn.Module) -> str:
    """Name the last linear layer or convolution in the order of definition.

    >>> last_layer(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2), nn.Softmax(1)))
    '2'
    """
    modules: Iterator[tuple[str, nn.Module]] = model.named_modules()
    layers = [name for name, module in modules if isinstance(module, nn.Linear | nn.Conv2d)]
    if not layers:
        raise UserError("the network has no linear layer or convolution that could be its classifier")
    return layers[-1]
