import pytest
import torch
from torch import Tensor, nn

from prunebench.errors import UserError
from prunebench.testing.toys import Net
from prunebench.training.memory_format import working_format

PICTURES = torch.zeros(2, 3, 6, 6)


class Stubborn(nn.Conv2d):
    """Gives a contiguous output, as some kernels do for small batches."""

    def forward(self, pictures: Tensor) -> Tensor:
        return super().forward(pictures).contiguous()


def flat(convolution: type[nn.Conv2d], view: bool) -> nn.Module:
    layers = {"conv": convolution(3, 4, 3), "last": nn.Linear(64, 2)}
    return Net(lambda net, x: net.last(net.conv(x).view(len(x), -1) if view else net.conv(x).flatten(1)), **layers)


def test_channels_last_where_it_works_whatever_format_a_kernel_gives() -> None:
    for convolution in (nn.Conv2d, Stubborn):
        assert working_format(flat(convolution, view=False), PICTURES) is torch.channels_last
        assert working_format(flat(convolution, view=True), PICTURES) is torch.contiguous_format


@pytest.mark.parametrize("between", [nn.BatchNorm2d(4), nn.ReLU6()])
def test_an_input_that_is_changed_before_the_backward_pass_reads_it_is_a_fault(between: nn.Module) -> None:
    def run(net: nn.Module, x: Tensor) -> Tensor:
        first = net.conv(x)
        second = net.between(first)
        first *= 2
        return net.last((first + second).flatten(1))

    model = Net(run, conv=nn.Conv2d(3, 4, 3), between=between, last=nn.Linear(64, 2))
    with pytest.raises(UserError, match=r"it fails in training mode: .* modified by an inplace operation"):
        working_format(model, PICTURES)


@pytest.mark.parametrize("behind", [nn.ReLU(inplace=True), nn.ReLU6(inplace=True)])
def test_a_nonlinearity_in_place_behind_batchnorm_is_no_fault(behind: nn.Module) -> None:
    def run(net: nn.Module, x: Tensor) -> Tensor:
        return net.last(net.behind(net.norm(net.conv(x))).flatten(1))

    model = Net(run, conv=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4), behind=behind, last=nn.Linear(64, 2))
    assert working_format(model, PICTURES) is torch.channels_last


def test_a_backward_pass_that_fails_is_a_fault() -> None:
    def run(net: nn.Module, x: Tensor) -> Tensor:
        first = net.conv(x).sigmoid()
        first[:, 1] *= 2
        return net.last(first.flatten(1))

    model = Net(run, conv=nn.Conv2d(3, 4, 3), last=nn.Linear(64, 2))
    with pytest.raises(UserError, match=r"it fails in training mode: .* modified by an inplace operation"):
        working_format(model, PICTURES)
