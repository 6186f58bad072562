"""The CNNs of timm: `timm:resnet18`, `timm:mobilenetv3_small_100,pretrained=true`; needs the extra `timm`."""

from importlib import import_module
from typing import Any

import torch
from torch import nn

from prunebench import IMAGENET_MOMENTS, Model, Training, UserError, unknown


def build(name: str, channels: int, size: int, classes: int, *, pretrained: bool = False, **options: Any) -> nn.Module:
    """Build timm's network of that name, (batch, channels, size, size) -> (batch, classes).

    pretrained: timm's own weights, by its own loader. A classifier of other than 1,000 classes is fresh. options: of
    `timm.create_model`, such as `drop_rate=0.1`. Raises `UserError` for a name that timm does not have, for options
    that it refuses, for pictures that are too small, and for weights that it cannot load.
    """
    timm = _timm()
    base = name.partition(".")[0]
    if base not in timm.list_models():
        near = [known for known in timm.list_models() if known[:3] == base[:3]]
        raise unknown("network", name, near, where="timm")
    if pretrained:
        _check_normalisation(timm, name)
    given = {"in_chans": channels, "num_classes": classes, **options}
    try:
        model: nn.Module = timm.create_model(name, pretrained=pretrained, **given)
    except Exception as error:
        raise UserError(_refusal(name, error, pretrained)) from None
    _check_runs(name, model, (1, channels, size, size))
    return model


def _timm() -> Any:
    """Import timm, which takes seconds. Raises `UserError` where it is not installed."""
    try:
        return import_module("timm")
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise UserError("timm:NAME: timm is not installed; pip install 'prunebench[timm]'") from None


def _check_normalisation(timm: Any, name: str) -> None:
    """Refuse published weights that expect other colours than ImageNet's, as the run would give them."""
    found = timm.get_pretrained_cfg(name, allow_unregistered=True)
    if found is None or not (found.url or found.hf_hub_id or found.file):
        raise UserError(f"timm:{name}: timm has no weights for it; leave pretrained out, or give --weights FILE")
    if (tuple(found.mean), tuple(found.std)) != IMAGENET_MOMENTS:
        what = f"its weights expect pictures normalised by {found.mean} and {found.std}, not by ImageNet's moments"
        raise UserError(f"timm:{name}: {what}; choose others, such as NAME.TAG of `timm.list_pretrained`")


def _refusal(name: str, error: Exception, pretrained: bool) -> str:
    """Say why timm does not build a network."""
    what = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    if pretrained and not isinstance(error, TypeError):
        cure = "copy them into its cache (HF_HOME), or leave pretrained out and give --weights FILE"
        return f"timm:{name}: timm cannot load the weights ({what}); {cure}"
    return f"timm:{name}: timm refuses ({what}); check its name and options"


def _check_runs(name: str, model: nn.Module, shape: tuple[int, ...]) -> None:
    """Try the picture size without computing: tensors on the meta device have a shape only."""
    tensors = {key: tensor.to("meta") for key, tensor in model.state_dict().items()}
    training = model.training
    try:
        torch.func.functional_call(model.eval(), tensors, torch.empty(shape, device="meta"))
    except (RuntimeError, AssertionError, ValueError) as error:
        side, why = shape[-1], str(error).partition("\n")[0][:120]
        raise UserError(f"timm:{name} does not take pictures of {side} x {side} pixels ({why}); give size=") from None
    finally:
        model.train(training)


MODEL = Model(
    build,
    name="timm",
    takes_argument="NAME",
    training=Training(epochs=30, batch=64, rate=0.01, weight_decay=1e-4),
    reference="timm (Wightman); weights as its documentation lists them; other options go to timm.create_model",
)
