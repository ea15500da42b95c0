"""PyTorch's versions of the architectures: torchvision's, and twins of those that it does not have.

The twins' modules are named as in the files that are published for them.
"""

import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402


def torchvision(name: str, **settings: Any) -> Any:
    """A network of torchvision's with fresh weights; skips where it is not installed."""
    if name in ("googlenet", "inception_v3"):
        settings = {"aux_logits": False} | settings
    if name in ("googlenet", "inception_v3", "vgg16", "vgg19"):
        settings = {"init_weights": False} | settings  # they take long
    return getattr(torchvision_models(), name)(weights=None, **settings)


def torchvision_models() -> Any:
    """``torchvision.models``; skips where it is not installed.

    Its compiled operations, which no classifier uses, need CUDA's libraries; their registration is left out.
    """
    sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("_meta_registrations"))
    return pytest.importorskip("torchvision.models")


class AlexNet2012(nn.Module):
    """The paper's two groups; local response normalization with the paper's constants (PyTorch divides alpha by n)."""

    def __init__(self, classes: int):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 11, 4)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        self.norm, self.pool = nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0), nn.MaxPool2d(3, 2)
        self.fc6, self.fc7, self.fc8 = nn.LazyLinear(4096), nn.Linear(4096, 4096), nn.Linear(4096, classes)

    def forward(self, x: Any) -> Any:
        x = self.pool(self.norm(self.conv1(x).relu()))
        x = self.pool(self.norm(self.conv2(x).relu()))
        x = self.pool(self.conv5(self.conv4(self.conv3(x).relu()).relu()).relu())
        return self.fc8(self.fc7(self.fc6(x.flatten(1)).relu()).relu())


class CifarBlock(nn.Module):
    def __init__(self, before: int, maps: int, stride: int):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, maps, 3, stride, 1, bias=False), nn.BatchNorm2d(maps)
        self.conv2, self.bn2 = nn.Conv2d(maps, maps, 3, 1, 1, bias=False), nn.BatchNorm2d(maps)
        self.stride, self.new = stride, (maps - before) // 2

    def forward(self, x: Any) -> Any:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        x = x[:, :, :: self.stride, :: self.stride]
        return (y + nn.functional.pad(x, (0, 0, 0, 0, self.new, self.new))).relu()


class CifarResNet(nn.Module):
    def __init__(self, blocks: int, classes: int):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.layer1, self.layer2, self.layer3 = (
            nn.Sequential(*[CifarBlock(maps if i else before, maps, 1 if i else stride) for i in range(blocks)])
            for before, maps, stride in ((16, 16, 1), (16, 32, 2), (32, 64, 2))
        )
        self.linear = nn.Linear(64, classes)

    def forward(self, x: Any) -> Any:
        x = self.layer3(self.layer2(self.layer1(self.bn1(self.conv1(x)).relu())))
        return self.linear(x.mean((2, 3)))


class CaffeSqueezeNet(nn.Module):
    """As in the authors' prototxt: names with "." as "__", pools in ceil mode, a frame around the last convolution."""

    FIRES = ((96, 16, 64), (128, 16, 64), (128, 32, 128), (256, 32, 128), (256, 48, 192), (384, 48, 192))
    FIRES += ((384, 64, 256), (512, 64, 256))

    def __init__(self, classes: int = 1000):
        super().__init__()
        self.conv1, self.conv_final = nn.Conv2d(3, 96, 7, 2), nn.Conv2d(512, classes, 1, padding=1)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        for number, (before, squeezed, maps) in enumerate(self.FIRES, 2):
            self.add_module(f"fire{number}__conv1x1_1", nn.Conv2d(before, squeezed, 1))
            self.add_module(f"fire{number}__conv1x1_2", nn.Conv2d(squeezed, maps, 1))
            self.add_module(f"fire{number}__conv3x3_2", nn.Conv2d(squeezed, maps, 3, padding=1))

    def forward(self, x: Any) -> Any:
        x = self.pool(self.conv1(x).relu())
        for number in range(2, 10):
            squeeze, one, three = (getattr(self, f"fire{number}__conv{end}") for end in ("1x1_1", "1x1_2", "3x3_2"))
            x = squeeze(x).relu()
            x = torch.cat([one(x).relu(), three(x).relu()], 1)
            x = self.pool(x) if number in (4, 8) else x
        return self.conv_final(x).relu().mean((2, 3))


class SameConv(nn.Conv2d):
    """TensorFlow's "same": the output has ⌈size / stride⌉ rows and columns, and an odd row of zeros goes below."""

    def forward(self, x: Any) -> Any:
        pads: list[int] = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(nn.functional.pad(x, pads))


class LiteBlock(nn.Module):
    """timm's names: conv_pw widens and conv_pwl narrows; where nothing is widened, conv_pw narrows."""

    def __init__(self, before: int, maps: int, expansion: int, kernel: int, stride: int):
        super().__init__()
        wide = expansion * before
        steps = [("conv_dw", SameConv(wide, wide, kernel, stride, groups=wide, bias=False))]
        if expansion > 1:
            steps = [("conv_pw", SameConv(before, wide, 1, bias=False)), *steps]
        steps.append(("conv_pwl" if expansion > 1 else "conv_pw", SameConv(wide, maps, 1, bias=False)))
        for number, (name, step) in enumerate(steps, 1):
            self.add_module(name, step)
            self.add_module(f"bn{number}", nn.BatchNorm2d(step.out_channels, eps=1e-3))
        self.names, self.adds = [name for name, _ in steps], stride == 1 and before == maps

    def forward(self, x: Any) -> Any:
        y = x
        for number, name in enumerate(self.names, 1):
            y = getattr(self, f"bn{number}")(getattr(self, name)(y))
            y = nn.functional.relu6(y) if number < len(self.names) else y
        return x + y if self.adds else y


class EfficientNetLite0(nn.Module):
    #: Expansion, kernel, maps, blocks, stride.
    STAGES = ((1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2))
    STAGES += ((6, 5, 112, 3, 1), (6, 5, 192, 4, 2), (6, 3, 320, 1, 1))

    def __init__(self, classes: int):
        super().__init__()
        self.conv_stem, self.bn1 = SameConv(3, 32, 3, 2, bias=False), nn.BatchNorm2d(32, eps=1e-3)
        stages, before = [], 32
        for expansion, kernel, maps, count, stride in self.STAGES:
            blocks = []
            for number in range(count):
                blocks.append(LiteBlock(before, maps, expansion, kernel, 1 if number else stride))
                before = maps
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.conv_head, self.bn2 = SameConv(320, 1280, 1, bias=False), nn.BatchNorm2d(1280, eps=1e-3)
        self.classifier = nn.Linear(1280, classes)

    def forward(self, x: Any) -> Any:
        x = self.blocks(nn.functional.relu6(self.bn1(self.conv_stem(x))))
        return self.classifier(nn.functional.relu6(self.bn2(self.conv_head(x))).mean((2, 3)))


#: An image that is small, and where windows do not fit evenly.
SIZES = {
    "alexnet": (64, 70),
    "alexnet_2012": (67, 70),
    "vgg16": (64, 64),
    "vgg19": (32, 36),
    "googlenet": (64, 75),
    "inception_v3": (107, 97),
    "resnet18": (64, 57),
    "resnet34": (64, 64),
    "resnet50": (64, 57),
    "resnet101": (64, 64),
    "resnet152": (64, 64),
    "resnet20": (32, 32),
    "resnet32": (32, 32),
    "resnet44": (32, 32),
    "resnet56": (32, 27),
    "squeezenet1_0": (64, 75),
    "squeezenet1_0_caffe": (67, 64),
    "squeezenet1_1": (64, 75),
    "mobilenet_v2": (64, 57),
    "efficientnet_lite0": (64, 57),
}
#: Those that nobody has written down in PyTorch.
WITHOUT_A_TWIN = {"lenet5", "ocr", "simple"}

#: For each architecture that torchvision lacks, the twin for a number of classes.
TWINS: dict[str, Callable[[int], nn.Module]] = {
    "alexnet_2012": AlexNet2012,
    "resnet20": lambda classes: CifarResNet(3, classes),
    "resnet32": lambda classes: CifarResNet(5, classes),
    "resnet44": lambda classes: CifarResNet(7, classes),
    "resnet56": lambda classes: CifarResNet(9, classes),
    "squeezenet1_0_caffe": CaffeSqueezeNet,
    "efficientnet_lite0": EfficientNetLite0,
}


def module(name: str, classes: int, **settings: Any) -> nn.Module:
    """PyTorch's version of an architecture, dropping nothing in training."""
    network = TWINS[name](classes) if name in TWINS else torchvision(name, num_classes=classes, **settings)
    for part in network.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    return network


def randomized(network: nn.Module, images: Any) -> nn.Module:
    """Weights as a trained network could have them, whose logits for these images (N, C, H, W) have a spread of 1."""
    from benchmarks.contenders.pytorch import initialize

    with torch.no_grad():
        network.eval()(images)  # what is lazy knows its size now
        initialize(network, (*images.shape[2:], images.shape[1]))
        logits = network.eval()(images)
        for part in network.modules():
            if getattr(part, "out_features", getattr(part, "out_channels", 0)) == logits.shape[1]:
                part.weight /= logits.std()
                part.bias /= logits.std()
    return network


def state(network: nn.Module) -> dict[str, Any]:
    """What a file of this network's weights holds."""
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}
