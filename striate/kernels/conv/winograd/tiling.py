"""How a 3×3 convolution is cut into tiles, and where their numbers lie while they are transformed."""

from typing import NamedTuple

from striate.codegen import Target
from striate.codegen.values import Integer
from striate.kernels.conv.geometry import Correlation
from striate.kernels.conv.winograd.transforms import Axis, Windows

Pair = tuple[int, int]


class Convolution(NamedTuple):
    """A 3×3 convolution with stride 1, in tiles of m × m outputs.

    Arguments:
        m: 2 or 4.
        size, output: height and width of the images and of the result.
        before: zeros above and left of the images; negative where their edges are not used.
        channels: of the images, in one group.
        outputs: channels of the result, of all groups.
        groups: parts into which the channels are split.
    """

    m: int
    size: Pair
    output: Pair
    before: Pair
    channels: int
    outputs: int
    groups: int

    @property
    def inputs(self) -> int:
        """Channels of the images, of all groups."""
        return self.groups * self.channels

    @property
    def planes(self) -> int:
        return (self.m + 2) ** 2

    @property
    def tiles(self) -> Pair:
        """How many tiles an image has, down and across."""
        down, across = self.output
        return -(-down // self.m), -(-across // self.m)

    @property
    def tiles_per_image(self) -> int:
        down, across = self.tiles
        return down * across

    @property
    def reads(self) -> Windows:
        """Where the tiles' inputs lie."""
        rows, columns = (
            Axis(size, tiles, self.m, before, self.m + 2)
            for size, tiles, before in zip(self.size, self.tiles, self.before, strict=True)
        )
        return Windows(rows, columns, self.inputs)

    @property
    def writes(self) -> Windows:
        """Where the tiles' outputs lie."""
        rows, columns = (
            Axis(size, tiles, self.m, 0, self.m) for size, tiles in zip(self.output, self.tiles, strict=True)
        )
        return Windows(rows, columns, self.outputs)

    @classmethod
    def of(cls, m: int, correlation: Correlation) -> "Convolution":
        """A sum with 3 × 3 taps, stride 1 and dilation 1, in tiles of m × m."""
        _, rows, columns = correlation.axes
        return cls(
            m,
            (rows.size, columns.size),
            (rows.count, columns.count),
            (rows.before, columns.before),
            correlation.channels,
            correlation.groups * correlation.outputs,
            correlation.groups,
        )

    def panel_vectors(self, target: Target) -> int:
        """How many vectors of output channels are computed together: two or three, if that leaves none over."""
        vectors = -(-self.outputs // (self.groups * target.lanes))
        return next(n for n in (2, 3, 1) if vectors % n == 0)

    def panel_width(self, target: Target) -> int:
        """Output channels in a panel; it lies in one group."""
        return self.panel_vectors(target) * target.lanes

    def first_input(self, target: Target, panel: Integer) -> Integer:
        """The first channel of the images that a panel of output channels depends on."""
        return (
            panel * self.panel_width(target) // (self.outputs // self.groups) * self.channels if self.groups > 1 else 0
        )


def pitch(target: Target, channels: int) -> int:
    """Elements from tile to tile in a plane: whole vectors, and not so that the tiles of a product share cache sets."""
    whole = -(-channels // target.lanes) * target.lanes
    return whole + target.lanes if whole % 512 == 0 else whole


def apart(size: int) -> int:
    """Elements from plane to plane, each of ``size``: an odd number of cache lines.

    A tile's numbers are written to all planes at once; this way they do not all want the same place in the cache.
    """
    return (-(-size // 16) | 1) * 16
