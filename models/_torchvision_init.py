"""Initial weights as torchvision draws them, by family, for networks of any widths.

torchvision draws weights while it builds a network, so it cannot draw them for a pruned network. The rules here follow
the files of torchvision.models (0.21 to 0.29). Where a file has no rule, the layer's `reset_parameters` has drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn
from torch.nn import init

from prunebench import last_layer

Draw = Callable[[Tensor], object]


@dataclass(frozen=True)
class Rule:
    """How a family draws the weights of convolutions and linear layers. unbiased: the layers whose bias is zero."""

    convolution: Draw | None = None
    linear: Draw | None = None
    unbiased: tuple[type[nn.Module], ...] = ()

    def draw(self, layer: nn.Module) -> None:
        """Draw one layer's weights; layers of other kinds stay as they are."""
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            return
        draw = self.convolution if isinstance(layer, nn.Conv2d) else self.linear
        if draw is not None:
            draw(layer.weight)
        if layer.bias is not None and isinstance(layer, self.unbiased):
            init.zeros_(layer.bias)


def _by_outputs(weight: Tensor) -> None:
    """Draw by fan-out (He et al., 2015); in a depthwise convolution, too, all outputs count."""
    init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")


def _uniform_by_outputs(weight: Tensor) -> None:
    init.uniform_(weight, -(weight.shape[0] ** -0.5), weight.shape[0] ** -0.5)


_narrow = partial(init.normal_, std=0.01)
_cut_off = partial(init.trunc_normal_, a=-2.0, b=2.0)
_BOTH = (nn.Conv2d, nn.Linear)
LAYER_SCALE = 1e-6

RULES = {
    "alexnet": Rule(),
    "convnext": Rule(partial(_cut_off, std=0.02), partial(_cut_off, std=0.02), _BOTH),
    "densenet": Rule(init.kaiming_normal_, None, (nn.Linear,)),
    "efficientnet": Rule(_by_outputs, _uniform_by_outputs, _BOTH),
    "googlenet": Rule(partial(_cut_off, std=0.01), partial(_cut_off, std=0.01)),
    "inception": Rule(partial(_cut_off, std=0.1), partial(_cut_off, std=0.1)),
    "mnasnet": Rule(_by_outputs, partial(init.kaiming_uniform_, mode="fan_out", nonlinearity="sigmoid"), _BOTH),
    "mobilenetv2": Rule(_by_outputs, _narrow, _BOTH),
    "mobilenetv3": Rule(_by_outputs, _narrow, _BOTH),
    "regnet": Rule(_by_outputs, _narrow, (nn.Linear,)),
    "resnet": Rule(_by_outputs),
    "shufflenetv2": Rule(),
    "squeezenet": Rule(init.kaiming_uniform_, None, (nn.Conv2d,)),
    "vgg": Rule(_by_outputs, _narrow, _BOTH),
}


def family(thing: object) -> str:
    """Name the family of a network, its class or its builder: the file of torchvision.models that defines it."""
    module = getattr(thing, "__module__", "") or type(thing).__module__
    return module.rpartition(".")[2]


def initialise(model: nn.Module) -> None:
    """Draw the weights of a torchvision CNN as torchvision does, after `reset_parameters` of all its layers."""
    rule = RULES[family(model)]
    for module in model.modules():
        rule.draw(module)
        scale = getattr(module, "layer_scale", None)
        if isinstance(scale, nn.Parameter):  # ConvNeXt's blocks own it
            init.constant_(scale, LAYER_SCALE)
    if family(model) == "squeezenet":
        _narrow(model.get_parameter(f"{last_layer(model)}.weight"))
