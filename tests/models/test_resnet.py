import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from prunebench.models import resnet
from prunebench.models.resnet import RESNET20
from prunebench.plugins.model import Model

MEMBERS = {m.name: m for m in vars(resnet).values() if isinstance(m, Model)}


@pytest.mark.parametrize(
    ("depth", "parameters", "macs"),
    [  # He et al., table 6: 0.27, 0.46, 0.66, 0.85 and 1.7 M; MACs as Lin et al., CVPR 2020, count: 125.49 and 252.89 M
        (20, 269_722, 40_551_040),
        (32, 464_154, 68_862_592),
        (44, 658_586, 97_174_144),
        (56, 853_018, 125_485_696),
        (110, 1_727_962, 252_887_680),
    ],
)
def test_published_size_with_option_a(depth: int, parameters: int, macs: int) -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = MEMBERS[f"resnet{depth}"](3, 32, 10)
        network(torch.zeros(1, 3, 32, 32))
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert counter.get_total_flops() == 2 * macs


def test_option_b_adds_two_projections() -> None:
    network = RESNET20.with_options({"shortcut": "B"})(3, 32, 10)
    extra = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    assert sum(p.numel() for p in network.parameters()) == 269_722 + extra
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 10)


def reference(x: Tensor, state: dict[str, Tensor]) -> Tensor:
    """The forward pass of akamaster/pytorch_resnet_cifar10, resnet20, option A, written with its own functions."""

    def norm(x: Tensor, name: str) -> Tensor:
        w, b, mean, var = (state[f"{name}.{key}"] for key in ("weight", "bias", "running_mean", "running_var"))
        return F.batch_norm(x, mean, var, w, b, False, 0.0, 1e-5)

    x = F.relu(norm(F.conv2d(x, state["conv1.weight"], padding=1), "bn1"))
    for stage, planes in ((1, 16), (2, 32), (3, 64)):
        for block in range(3):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            inner = F.conv2d(x, state[f"{name}.conv1.weight"], stride=stride, padding=1)
            inner = F.conv2d(F.relu(norm(inner, f"{name}.bn1")), state[f"{name}.conv2.weight"], padding=1)
            if stride == 2:
                x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, planes // 4, planes // 4), "constant", 0)
            x = F.relu(norm(inner, f"{name}.bn2") + x)
    return F.linear(F.avg_pool2d(x, x.size(3)).flatten(1), state["linear.weight"], state["linear.bias"])


@pytest.mark.parametrize("size", [16, 14, 9])
def test_names_and_outputs_are_those_of_the_published_checkpoints(size: int) -> None:
    torch.manual_seed(0)
    network = RESNET20(3, size, 10).double().eval()
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_(-0.2, 0.2)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    state = {name: value for name, value in network.state_dict().items() if ".shortcut." not in name}
    pictures = torch.randn(2, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        scores = network(pictures)
        torch.testing.assert_close(scores, reference(pictures, state))
    assert not torch.allclose(scores[0], scores[1])  # the pictures came through


def test_every_nonlinearity_is_a_module_of_its_own() -> None:
    relus = [name for name, module in RESNET20(3, 32, 10).named_modules() if isinstance(module, torch.nn.ReLU)]
    assert len(relus) == 1 + 2 * 9
