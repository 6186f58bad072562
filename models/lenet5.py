"""LeNet-5 as the pruning literature means it: Caffe's 20-50-500 network (LeCun et al., 1998; Jia et al., 2014)."""

from collections import OrderedDict

from torch import nn

from prunebench import Model, Training
from prunebench.models._common import check_size


def lenet5(channels: int, size: int, classes: int) -> nn.Sequential:
    """Build conv 20, pool, conv 50, pool, linear 500, ReLU, linear. As in Caffe no ReLU follows the convolutions.

    (batch, channels, size, size) -> (batch, classes). Pictures of less than 16 pixels (digits: 8) would shrink to
    nothing in the 5 x 5 convolutions. There the convolutions are padded and keep the size; everything else is the same.
    Raises `UserError` below 4 pixels.

    >>> sum(p.numel() for p in lenet5(1, 28, 10).parameters())
    431080
    """
    check_size("lenet5", size, 4)
    padding = 0 if size >= 16 else 2
    first = (size + 2 * padding - 4) // 2
    second = (first + 2 * padding - 4) // 2
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, 20, 5, padding=padding),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(20, 50, 5, padding=padding),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(50 * second**2, 500),
            relu=nn.ReLU(),
            fc2=nn.Linear(500, classes),
        )
    )


MODEL = Model(
    lenet5,
    training=Training(epochs=30, batch=64, rate=0.02, weight_decay=5e-4),
    reference="LeCun, Bottou, Bengio, Haffner, Proc. IEEE 1998; the 20-50-500 form: Caffe's examples/mnist/lenet",
)
