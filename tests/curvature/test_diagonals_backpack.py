"""Curvature against another library, BackPACK (`pip install backpack-for-pytorch`)."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prunebench.curvature.kinds import Curvature
from prunebench.pruning.network import Group, Network, Slice, Table
from prunebench.scoring.evidence import gather
from prunebench.testing import toys

backpack: Any = pytest.importorskip("backpack", reason="needs BackPACK: pip install backpack-for-pytorch")


def model(nonlinear: type[nn.Module]) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3, stride=2, padding=1), nonlinear(), nn.Conv2d(4, 6, 2, padding=1, groups=2), nonlinear()),
        *(nn.Flatten(), nn.Linear(96, 5), nonlinear(), nn.Linear(5, 3)),
    ).double()


def theirs(extension: str, nonlinear: type[nn.Module]) -> dict[str, Tensor]:
    pictures, labels = toys.batches()[0]
    net, loss = backpack.extend(model(nonlinear)), backpack.extend(nn.CrossEntropyLoss())
    with backpack.backpack(getattr(backpack.extensions, extension)()):
        loss(net(pictures), labels).backward()
    attribute = {"DiagGGNExact": "diag_ggn_exact", "DiagHessian": "diag_h"}[extension]
    return {name: getattr(p, attribute) for name, p in net.named_parameters()}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("nonlinear", [nn.ReLU, nn.Tanh])
@pytest.mark.parametrize(("kind", "extension"), [("exact", "DiagGGNExact"), ("hessian", "DiagHessian")])
def test_it_agrees_with_backpack(kind: str, extension: str, nonlinear: type[nn.Module]) -> None:
    groups = []
    for name, layer in model(nonlinear).named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            units = len(layer.weight)
            groups.append(Group(name, units, (name,), (Slice(name, "out", torch.arange(units)[:, None]),)))
    network = Network.dense(model(nonlinear), Table(tuple(groups), {}))
    names = frozenset({"curvature", "bias_curvature"})
    wanted = theirs(extension, nonlinear)
    for layer, found in gather(network, names, toys.batches()[0], torch.Generator(), Curvature(kind)).items():
        expected = wanted[f"{layer}.weight"].flatten(1)
        torch.testing.assert_close(found["curvature"], expected, rtol=1e-8, atol=1e-14)
        torch.testing.assert_close(found["bias_curvature"], wanted[f"{layer}.bias"], rtol=1e-8, atol=1e-14)
