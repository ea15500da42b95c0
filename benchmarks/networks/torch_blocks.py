"""What several networks are made of, in PyTorch: written as its own users write it, in-place ReLUs included."""

from typing import cast

import torch
from torch import Tensor, nn

from benchmarks.networks.network import Shape, half


def conv(channels: int, filters: int, kernel: int | tuple[int, int] = 1, stride: int = 1) -> nn.Sequential:
    """Convolution with bias and ReLU, padded by half its kernel."""
    return nn.Sequential(nn.Conv2d(channels, filters, kernel, stride, half(kernel)), nn.ReLU(inplace=True))


def conv_bn(
    channels: int,
    filters: int,
    kernel: int | tuple[int, int] = 1,
    stride: int = 1,
    padding: int | tuple[int, int] | None = None,
    activation: type[nn.Module] | None = nn.ReLU,
    epsilon: float = 1e-5,
    groups: int = 1,
) -> nn.Sequential:
    """Convolution without bias, batch normalisation, activation; padded by half its kernel unless told otherwise."""
    padding = half(kernel) if padding is None else padding
    steps: list[nn.Module] = [
        nn.Conv2d(channels, filters, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(filters, eps=epsilon),
    ]
    return nn.Sequential(*steps, *([activation(inplace=True)] if activation else []))


class Residual(nn.Module):
    """main(x) + shortcut(x), then ReLU unless told otherwise."""

    def __init__(self, main: nn.Module, shortcut: nn.Module | None = None, relu: bool = True):
        super().__init__()
        self.main = main
        self.shortcut = shortcut or nn.Identity()
        self.relu = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.main(x)
        y += self.shortcut(x)
        return cast(Tensor, self.relu(y))


class Branches(nn.Module):
    """The same input through several modules, and their maps side by side."""

    def __init__(self, *branches: nn.Module):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def global_average() -> list[nn.Module]:
    """Global average pooling: (N, C, H, W) → (N, C)."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten()]


def flat_size(features: nn.Module, input_shape: Shape) -> int:
    """How many numbers of one image of (H, W, C) leave the convolutional part."""
    height, width, channels = input_shape
    with torch.no_grad():
        return cast(Tensor, features(torch.zeros(1, channels, height, width))).numel()
