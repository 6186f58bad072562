"""ResNet-18, -34 and -50 (He et al., CVPR 2016, table 1) in the form usual for CIFAR: a 3 x 3 stem, no max-pool."""

from torch import Tensor, nn

from prunebench import Model, Training
from prunebench.models._common import check_size

SMALLEST = 8
STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with BatchNorm, added to a shortcut: 1 x 1 with BatchNorm where the shape changes."""

    expansion = 1

    def __init__(self, inputs: int, units: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, units, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(units)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(units, units, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(units)
        self.downsample = _shortcut(inputs, units, stride)
        self.relu2 = nn.ReLU(inplace=True)

    def forward(self, pictures: Tensor) -> Tensor:
        """(batch, inputs, s, s) -> (batch, units, s / stride, s / stride)."""
        inner = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(pictures)))))
        joined: Tensor = self.relu2(inner + self.downsample(pictures))
        return joined


class Bottleneck(nn.Module):
    """Convolutions of 1 x 1, 3 x 3 (with the stride) and 1 x 1 to four times the units, added to a shortcut."""

    expansion = 4

    def __init__(self, inputs: int, units: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, units, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(units)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(units, units, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(units)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv3 = nn.Conv2d(units, 4 * units, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * units)
        self.downsample = _shortcut(inputs, 4 * units, stride)
        self.relu3 = nn.ReLU(inplace=True)

    def forward(self, pictures: Tensor) -> Tensor:
        """(batch, inputs, s, s) -> (batch, 4 x units, s / stride, s / stride)."""
        inner = self.relu1(self.bn1(self.conv1(pictures)))
        inner = self.bn3(self.conv3(self.relu2(self.bn2(self.conv2(inner)))))
        joined: Tensor = self.relu3(inner + self.downsample(pictures))
        return joined


Block = type[BasicBlock] | type[Bottleneck]


def _shortcut(inputs: int, units: int, stride: int) -> nn.Module:
    if stride == 1 and inputs == units:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, units, 1, stride=stride, bias=False), nn.BatchNorm2d(units))


class Resnet(nn.Module):
    """A 3 x 3 convolution, four stages of blocks with 64, 128, 256 and 512 units, global average pool, a linear layer.

    The names in its state dict are torchvision's.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        blocks: number of blocks in each stage.
        channels, classes: of the pictures, (batch, channels, size, size) -> (batch, classes).
    """

    def __init__(self, block: Block, blocks: tuple[int, ...], channels: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        wide = 64 * block.expansion
        self.layer1 = _stage(block, blocks[0], 64, 64, 1)
        self.layer2 = _stage(block, blocks[1], wide, 128, 2)
        self.layer3 = _stage(block, blocks[2], 2 * wide, 256, 2)
        self.layer4 = _stage(block, blocks[3], 4 * wide, 512, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(8 * wide, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """(batch, channels, size, size) -> (batch, classes)."""
        maps = self.layer2(self.layer1(self.relu(self.bn1(self.conv1(pictures)))))
        scores: Tensor = self.fc(self.flatten(self.avgpool(self.layer4(self.layer3(maps)))))
        return scores


def _stage(block: Block, blocks: int, inputs: int, units: int, stride: int) -> nn.Sequential:
    rest = (block(units * block.expansion, units, 1) for _ in range(blocks - 1))
    return nn.Sequential(block(inputs, units, stride), *rest)


def initialise(model: nn.Module) -> None:
    """Draw the weights of convolutions for ReLU by their outputs, as torchvision does (He et al., 2015)."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _member(depth: int) -> Model:
    name = f"resnet{depth}"

    def build(channels: int, size: int, classes: int) -> nn.Module:
        check_size(name, size, SMALLEST)
        model = Resnet(Bottleneck if depth == 50 else BasicBlock, STAGES[depth], channels, classes)
        initialise(model)
        return model

    return Model(
        build,
        name=name,
        initialise=initialise,
        training=Training(epochs=100, batch=128, rate=0.1, weight_decay=5e-4),
        reference="He, Zhang, Ren, Sun, CVPR 2016, table 1; 3 x 3 stem without max-pool as is usual for CIFAR",
    )


RESNET18, RESNET34, RESNET50 = _member(18), _member(34), _member(50)
