"""Prune published CNNs of timm with PruneBench and with torch-pruning's own pruner, and check both in the same way.

A copy with random weights in float64 loses about half of its MACs. The check knows nothing of either tool but which
output channels of which layers are gone: it sets these channels of the dense network to zero by hand (weights, biases,
normalisation) and compares the outputs. torch's flop counter checks the MACs. Run: python docs/compare_pruners.py
"""

import argparse
import copy
import signal
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import timm
import torch
import torch_pruning as tp
from tabulate import tabulate
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from prunebench.errors import UserError
from prunebench.pruning.analysis import analyse
from prunebench.pruning.cost import costs
from prunebench.pruning.network import Network, Table, holder
from prunebench.pruning.removal import remove
from prunebench.pruning.selection import Rule, lowest, select
from prunebench.pruning.verification import randomised
from prunebench.records.budget import Keep
from prunebench.study.networks import load_into, save

NAMES = """
resnet18 resnet18d resnet50 resnext50_32x4d wide_resnet50_2 seresnet50 ecaresnet26t resnetblur50 resnet50_gn
resnetv2_50 resnetv2_50d_gn resnetrs50 resnest14d res2net50_26w_4s cspresnet50 cspdarknet53 skresnet18
gcresnet50t lambda_resnet26t densenet121 dla34 dla60_res2net dpn68 hrnet_w18_small selecsls42b
vgg11 vgg13_bn repvgg_a0 mobileone_s0 vovnet39a ese_vovnet19b_dw ghostnet_100 hardcorenas_a mobilenetv2_100
mobilenetv3_small_100 mobilenetv3_large_100 mobilenetv4_conv_small mnasnet_100 fbnetc_100 spnasnet_100
semnasnet_100 efficientnet_b0 efficientnet_lite0 tf_efficientnetv2_b0 mixnet_s tinynet_e lcnet_050 rexnet_100
regnetx_002 regnety_002 regnetz_b16 nfnet_l0 nf_regnet_b1 dm_nfnet_f0 inception_v3 inception_v4 xception41
convnext_atto convnextv2_atto convmixer_768_32 starnet_s1 fasternet_t0 repghostnet_050 edgenext_xx_small
inception_next_atto rdnet_tiny
"""
TRAINED = 10  # the first networks are trained a step, saved and loaded, too
LIMIT = 300  # seconds for one network
Gone = dict[str, list[int]]  # removed output channels by layer


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES.split())
    parser.add_argument("--size", type=int, default=128)
    chosen = parser.parse_args()
    torch.manual_seed(0)
    rows = []
    for number, name in enumerate(chosen.names):
        rows.append([name, *_row(name, chosen.size, trained=number < TRAINED)])
        print(*rows[-1], sep=" | ", flush=True)
    print(tabulate(rows, ["network", "PruneBench", "MACs left", "torch-pruning", "MACs left"], tablefmt="github"))


def _row(name: str, size: int, trained: bool) -> list[str]:
    model = timm.create_model(name, pretrained=False, num_classes=10).eval()
    example = torch.randn(2, 3, size, size)
    ours = _outcome(lambda: _by_us(model, example, trained))
    theirs = _outcome(lambda: _by_torch_pruning(model, example))
    return [*ours, *theirs]


def _outcome(attempt: Callable[[], tuple[str, str]]) -> tuple[str, str]:
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.alarm(LIMIT)
    try:
        return attempt()
    except UserError as error:
        return f"refused: {error}"[:150], ""
    except _Late:
        return f"gave up after {LIMIT} s", ""
    except Exception as error:
        return f"crashed: {type(error).__name__}: {' '.join(str(error).split())}"[:150], ""
    finally:
        signal.alarm(0)


class _Late(BaseException):
    """The time of one network is over."""


def _out_of_time(*_: object) -> None:
    raise _Late


def _by_us(model: nn.Module, example: Tensor, trained: bool) -> tuple[str, str]:
    table = analyse(model, example)
    cost = costs(model, table)
    least = cost.cost({g.name: lowest(g.units, Rule()) for g in table.groups}).macs / cost.dense.macs
    dense = randomised(model, table, torch.device("cpu"))
    scores = {group: torch.rand(units) for group, units in dense.units.items()}
    chosen = select(scores, dense, cost, Keep("macs", max(0.5, least)), Rule()).remove
    small = remove(dense, chosen)
    gone: Gone = {}
    for group in table.groups:
        for part in group.slices:
            if part.side == "out":
                gone.setdefault(part.layer, []).extend(part.index[chosen.get(group.name, [])].flatten().tolist())
    if cost.cost(small.units).macs != _macs(small.model, example):
        return "wrong MACs", ""
    verdict = _compared(dense.model, small.model, gone, example)
    if trained:
        _train_save_load(model, table, chosen, example)
    return verdict, _left(dense.model, small.model, example)


def _by_torch_pruning(model: nn.Module, example: Tensor) -> tuple[str, str]:
    model = copy.deepcopy(model)
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    dense = randomised(model, Table((), {}), torch.device("cpu")).model.requires_grad_(True)
    small = copy.deepcopy(dense)
    last = [module for module in small.modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1]
    heads = [module for module in small.modules() if getattr(module, "out_features", 0) == 10] or [last]
    pruner = tp.pruner.MagnitudePruner(
        small, example.double(), tp.importance.RandomImportance(), pruning_ratio=0.3, ignored_layers=heads
    )
    names = {module: name for name, module in small.named_modules()}
    left: dict[str, list[int]] = {}
    gone: Gone = {}
    for group in pruner.step(interactive=True):
        for dependency, index in group:
            module = dependency.target.module
            out = group._DG.is_out_channel_pruning_fn(dependency.handler) and hasattr(module, "weight")
            width = group._DG.get_out_channels(module) if module in names and out else None
            if width is not None:
                now = left.setdefault(names[module], list(range(width)))
                gone.setdefault(names[module], []).extend(now[i] for i in index)
                left[names[module]] = [one for place, one in enumerate(now) if place not in set(index)]
        group.prune()
    return _compared(dense, small, gone, example), _left(dense, small, example)


@torch.no_grad()
def _compared(dense: nn.Module, small: nn.Module, gone: Gone, example: Tensor) -> str:
    masked = copy.deepcopy(dense)
    for name, channels in gone.items():
        module, tensor = holder(masked, name)
        for value in [getattr(module, tensor)] if tensor else _rows(module):
            rows = value.movedim(max(range(value.ndim), key=lambda axis: value.shape[axis]), 0) if tensor else value
            rows[channels] = 0
    expected, found = masked(example.double()), small(example.double())
    if not expected.isfinite().all():
        return "not comparable"
    same = found.shape == expected.shape and (found - expected).abs().max() <= 1e-9 * expected.abs().max()
    return "exact" if same else "wrong"


def _rows(module: nn.Module) -> Iterable[Tensor]:
    for name in ("weight", "bias"):
        value = getattr(module, name, None)
        if isinstance(value, Tensor) and value.ndim:
            yield value.transpose(0, 1) if isinstance(module, nn.ConvTranspose2d) and name == "weight" else value


def _train_save_load(model: nn.Module, table: Any, chosen: dict[str, Tensor], example: Tensor) -> None:
    small = remove(Network.dense(model, table), chosen)
    optimiser = torch.optim.SGD(small.model.train().parameters(), lr=1e-4)
    nn.functional.cross_entropy(small.model(example), torch.tensor([1, 2])).backward()
    optimiser.step()
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        save(small, Path(folder))
        loaded = load_into(copy.deepcopy(model), table, Path(folder)).model.eval()
        if not torch.equal(loaded(example), small.model.eval()(example)):
            raise ValueError("the loaded network differs from the saved one")


def _left(dense: nn.Module, small: nn.Module, example: Tensor) -> str:
    return f"{_macs(small, example) / _macs(dense, example):.2f}"


def _macs(model: nn.Module, example: Tensor) -> int:
    with FlopCounterMode(display=False) as flops, torch.enable_grad():
        model(example[:1].double())
    return int(flops.get_total_flops()) // 2


if __name__ == "__main__":
    main()
