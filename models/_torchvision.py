"""torchvision's CNNs for the pictures and classes at hand, with its ImageNet weights where wanted."""

from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from prunebench import UserError, last_layer, unknown
from prunebench.models._common import check_size
from prunebench.models._torchvision_init import RULES, family

CLASSES = 1000  # of the published weights
LARGEST = 512
_MEAN = [0.485, 0.456, 0.406]  # ImageNet's, which pictures for published weights are normalised with


def names() -> list[str]:
    """List torchvision's classification CNNs."""
    from torchvision import models  # here and below, as it takes a second

    every = models.list_models(module=models)
    return [name for name in every if family(models.get_model_builder(name)) in RULES]


def network(
    name: str, channels: int, size: int, classes: int, *, weights: str = "", label: str, head: tuple[str, ...] = ()
) -> nn.Module:
    """Build one of torchvision's CNNs without its auxiliary classifiers.

    (batch, channels, size, size) -> (batch, classes). Other than three channels get a new first convolution. Of
    published weights, the classifier is kept for 1,000 classes and three channels only, else it is fresh; and for grey
    pictures the first convolution is theirs, summed over the colours: it then does to a grey picture what it did to
    that in three equal channels.

    name: in `torchvision.models`. weights: which, empty for fresh ones. label: how errors call the network. head: the
    modules that make the classifier, if not the last layer alone.

    Raises `UserError` for weights that do not exist or cannot be had, and pictures that are too small.
    """
    chosen = _choose(name, weights, label) if weights else None
    model = _raw(name, classes, transform_input=channels == 3)
    _check_size(label, model, size)
    first, convolution = next((n, m) for n, m in model.named_modules() if isinstance(m, nn.Conv2d))
    if channels != 3:
        model.set_submodule(first, _first(convolution, channels, family(model)))
    if chosen is not None:
        keeps_all = classes == CLASSES and channels == 3
        new = () if keeps_all else head or (last_layer(model),)
        _copy(_pretrained(name, chosen, label), model, new, f"{first}.weight")
    return model


def _raw(name: str, classes: int, transform_input: bool) -> nn.Module:
    """Build with fresh weights. GoogLeNet and Inception turn ImageNet's normalisation into their own by themselves."""
    from torchvision import models

    special: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        special = {"aux_logits": False, "init_weights": True, "transform_input": transform_input}
    model: nn.Module = models.get_model(name, weights=None, num_classes=classes, **special)
    return model


def _check_size(label: str, model: nn.Module, size: int) -> None:
    if _runs(model, size):
        return
    low, high = size, LARGEST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _runs(model, middle) else (middle, high)
    check_size(label, size, high)


def _runs(model: nn.Module, size: int) -> bool:
    """Try a size without computing anything: tensors on the meta device have a shape only."""
    tensors = {name: tensor.to("meta") for name, tensor in model.state_dict().items()}
    training = model.training
    try:
        torch.func.functional_call(model.eval(), tensors, torch.empty(1, 3, size, size, device="meta"))
    except RuntimeError:
        return False
    finally:
        model.train(training)
    return True


def _first(old: nn.Conv2d, channels: int, kind: str) -> nn.Conv2d:
    sides: dict[str, Any] = {"kernel_size": old.kernel_size, "stride": old.stride, "padding": old.padding}
    new = nn.Conv2d(channels, old.out_channels, **sides, bias=old.bias is not None)
    RULES[kind].draw(new)
    return new


def _choose(name: str, weights: str, label: str) -> Any:
    """Find published weights by name, of those for pictures normalised as all ImageNet's are."""
    from torchvision import models

    choices = models.get_model_weights(name)
    offered = {choice.name: choice for choice in choices if choice.transforms().mean == _MEAN}
    offered |= {"DEFAULT": choices.DEFAULT} if choices.DEFAULT in offered.values() else {}
    if weights not in offered:
        raise unknown("weights", weights, offered, where=f"'{label}'")
    return offered[weights]


def _pretrained(name: str, chosen: Any, label: str) -> nn.Module:
    """Build with published weights, through torchvision's own loading: its cache, its check of the file's hash."""
    from torchvision import models

    cached = Path(torch.hub.get_dir(), "checkpoints", PurePosixPath(urlparse(chosen.url).path).name)
    try:
        model: nn.Module = models.get_model(name, weights=chosen, progress=False)
    except Exception as error:  # of the network, of the file's hash, of unpickling, of loading
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        what = f"cannot be fetched ({reason}) and {cached} does not exist"
        cure = "copy the file there, or leave the option weights out and give --weights PATH"
        if cached.exists():
            what, cure = f"is not what {cached} holds ({reason})", "delete the file to fetch it again"
        raise UserError(f"{label}: {chosen} {what}; {cure}") from None
    return model


@torch.no_grad()
def _copy(trained: nn.Module, model: nn.Module, new: tuple[str, ...], first: str) -> None:
    """Copy all tensors but those of new modules."""
    own = model.state_dict()
    for name, tensor in trained.state_dict().items():
        if name not in own or name.startswith(
            tuple(f"{module}." for module in new)
        ):  # Inception's auxiliary classifier
            continue
        if name == first and tensor.shape != own[name].shape:
            if own[name].shape[1] != 1:
                continue
            tensor = _grey(tensor)
        own[name].copy_(tensor)


def _grey(weight: Tensor) -> Tensor:
    """(units, 3, k, k) -> (units, 1, k, k)."""
    return weight.sum(1, keepdim=True)
