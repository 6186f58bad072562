"""What a model is: a function that builds a network for some pictures, and how that family is trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from torch import nn

from prunebench.errors import CellError
from prunebench.options import Value, convert, keyword_defaults, label


@dataclass(frozen=True)
class Training:
    """Defaults of a model family, each with its reason in docs/protocol.md.

    rate: peak learning rate of SGD with Nesterov momentum 0.9, per batch of `batch` pictures.
    """

    epochs: int = 30
    batch: int = 128
    rate: float = 0.05
    weight_decay: float = 5e-4


@dataclass(frozen=True)
class Model:
    """One network family member.

    Args:
        build: ``(channels, size, classes, *, options...) -> nn.Module`` for square pictures of `size` pixels; raises
            `UserError` where the pictures are too small. Draws its weights from torch's global generator.
        name: the name in the registry; the function's name if not given.
        initialise: sets fresh weights where they differ from torch's defaults; applied after `reset_parameters`.
        training: the family's training defaults.
        reference: author, venue, year.
    """

    build: Callable[..., nn.Module]
    name: str = ""
    initialise: Callable[[nn.Module], None] | None = None
    training: Training = field(default_factory=Training)
    reference: str = ""
    options: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.build.__name__)

    @property
    def label(self) -> str:
        """Name with the options that were given."""
        return label(self.name, self.options)

    def with_options(self, given: Mapping[str, str]) -> "Model":
        """Set the keyword-only options of `build`."""
        values = convert(self.name, given, keyword_defaults(self.build))
        return replace(self, options={**self.options, **values})

    def __call__(self, channels: int, size: int, classes: int) -> nn.Module:
        """Build the network for square pictures (channels, size, size)."""
        return self.build(channels, size, classes, **self.options)

    def classifier(self, model: nn.Module) -> tuple[str, ...]:
        """Name the parameters of the classifier."""
        last = [name for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1]
        return tuple(name for name, _ in model.named_parameters() if name.startswith(f"{last}."))

    @property
    def normalise(self) -> str:
        """What its pictures are normalised with."""
        return "data"

    @property
    def pretrained(self) -> bool:
        """Tell whether it is built with trained weights."""
        return False

    def reset(self, model: nn.Module) -> None:
        """Draw fresh weights for a network of any widths, from torch's global generator."""
        for module in model.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
            elif self.initialise is None and any(True for _ in module.parameters(recurse=False)):
                kind = type(module).__name__
                raise CellError(f"model '{self.name}': {kind} cannot draw fresh weights: give the model `initialise`")
        if self.initialise is not None:
            self.initialise(model)
