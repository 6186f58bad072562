"""torchvision's CNNs for given pictures and classes, with torchvision's ImageNet weights on request."""

from bisect import bisect_left
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

import torch
from torch import nn

from prunebench import UserError, last_layer, unknown
from prunebench.models._common import check_size
from prunebench.models._torchvision_init import RULES, family

CLASSES = 1000  # of the published weights
LARGEST = 512
_MEAN = [0.485, 0.456, 0.406]  # of ImageNet; published weights expect pictures normalised with it


def names() -> list[str]:
    """List torchvision's classification CNNs."""
    from torchvision import models  # imported in functions, since the import takes a second

    every = models.list_models(module=models)
    return [name for name in every if family(models.get_model_builder(name)) in RULES]


def network(
    name: str, channels: int, size: int, classes: int, *, weights: str = "", label: str, head: tuple[str, ...] = ()
) -> nn.Module:
    """Build one of torchvision's CNNs without its auxiliary classifiers.

    (batch, channels, size, size) -> (batch, classes). Other than three channels get a new first convolution. A
    published classifier is kept for 1,000 classes and three channels only, else the classifier is fresh. For grey
    pictures, the published first convolution is summed over the colours. A grey picture then gives the same as three
    equal channels.

    name: in `torchvision.models`. weights: name of published weights; empty for fresh ones. label: how errors call the
    network. head: the modules of the classifier, if it is more than the last layer.

    Raises `UserError` for weights that do not exist or cannot be loaded, and for pictures that are too small.
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
    """Build with fresh weights. GoogLeNet and Inception convert ImageNet's normalisation to their own."""
    from torchvision import models

    special: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        special = {"aux_logits": False, "init_weights": True, "transform_input": transform_input}
    model: nn.Module = models.get_model(name, weights=None, num_classes=classes, **special)
    return model


def _check_size(label: str, model: nn.Module, size: int) -> None:
    if not _runs(model, size):
        smallest = bisect_left(range(LARGEST), True, lo=size + 1, key=partial(_runs, model))
        check_size(label, size, smallest)


def _runs(model: nn.Module, size: int) -> bool:
    """Try a picture size without computing: tensors on the meta device have a shape only."""
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
    """Find published weights by name, among those for pictures normalised with ImageNet's mean."""
    from torchvision import models

    choices = models.get_model_weights(name)
    offered = {choice.name: choice for choice in choices if choice.transforms().mean == _MEAN}
    offered |= {"DEFAULT": choices.DEFAULT} if choices.DEFAULT in offered.values() else {}
    if weights not in offered:
        raise unknown("weights", weights, offered, where=f"'{label}'")
    return offered[weights]


def _pretrained(name: str, chosen: Any, label: str) -> nn.Module:
    """Build with published weights by torchvision's loader, which caches the file and checks its hash."""
    from torchvision import models

    cached = Path(torch.hub.get_dir(), "checkpoints", PurePosixPath(urlparse(chosen.url).path).name)
    try:
        model: nn.Module = models.get_model(name, weights=chosen, progress=False)
    except Exception as error:  # from the download, the file's hash, unpickling or loading
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        what = f"{chosen} cannot be downloaded ({reason}), and {cached} does not exist"
        cure = "copy the file there, or leave the option weights out and give --weights PATH"
        if cached.exists():
            what, cure = f"{cached} does not hold {chosen} ({reason})", "delete the file to download it again"
        raise UserError(f"{label}: {what}; {cure}") from None
    return model


@torch.no_grad()
def _copy(trained: nn.Module, model: nn.Module, new: tuple[str, ...], first: str) -> None:
    """Copy all tensors except those of new modules."""
    own, fresh = model.state_dict(), tuple(f"{module}." for module in new)
    for name, tensor in trained.state_dict().items():
        if name not in own or name.startswith(fresh):  # Inception's auxiliary classifier is not in `own`
            continue
        if name == first and tensor.shape != own[name].shape:
            if own[name].shape[1] != 1:
                continue
            tensor = tensor.sum(1, keepdim=True)  # over the colours
        own[name].copy_(tensor)
