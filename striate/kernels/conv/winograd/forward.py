"""Convolution by Winograd's transforms, and its gradient with respect to the input, which is one more convolution.

Weights are transformed by a launch of their own. Then there are two schedules. *Fused*, for many tiles: one item is a
block of tiles, whose transformed inputs stay in this core's cache while all weights stream by. *In two launches*, for
few tiles and many channels: the inputs of all tiles are transformed first, and then an item is a panel of output
channels, whose weights are read once.
"""

from contextlib import nullcontext
from itertools import chain
from typing import Any, NamedTuple

from striate.codegen import Function, Pointer, Target, Tile, Value, kernel, most_rows, split
from striate.codegen.values import Integer
from striate.graph import Node
from striate.kernels.conv import geometry
from striate.kernels.conv.winograd.choice import CACHE, Choice
from striate.kernels.conv.winograd.tiling import Convolution, apart, pitch
from striate.kernels.conv.winograd.transforms import Windows, both_ways, matrices, to_planes
from striate.kernels.conv.winograd.weights import flip, transform_weights
from striate.kernels.plan import Buffer, Plan
from striate.kernels.pointwise import Epilogue

#: Items that a convolution is cut into at least, if it has as many, so that threads can share.
FEWEST_ITEMS = 16
#: Tiles of a block, at most, whose images and products are both kept: the fewer, the nearer to the core they are, until
#: weights are read too often.
FUSED_ROWS = 14


class Blocking(NamedTuple):
    """How the work of one convolution is cut.

    Arguments:
        rows: tiles whose products are in registers at the same time.
        block: tiles of an item; a multiple of ``rows``.
        vectors: of output channels in a panel.
    """

    rows: int
    block: int
    vectors: int

    @classmethod
    def of(cls, target: Target, convolution: Convolution, tiles: int, fused: bool) -> "Blocking":
        """The blocking for a batch with this many tiles."""
        vectors = convolution.panel_vectors(target)
        most_in_registers = most_rows(target, vectors)
        ((rows, _), *_) = split(tiles, min(FUSED_ROWS, most_in_registers) if fused else most_in_registers)
        if fused:
            return cls(rows, rows, vectors)
        width = vectors * target.lanes
        panels = -(-convolution.outputs // width)
        most = min(CACHE // (4 * convolution.planes * width), tiles * panels // FEWEST_ITEMS)
        return cls(rows, max(1, most // rows) * rows, vectors)

    def width(self, target: Target) -> int:
        """Output channels in a panel."""
        return self.vectors * target.lanes

    def panels(self, target: Target, outputs: int) -> int:
        """How many panels there are; the last one may be filled up."""
        return -(-outputs // self.width(target))


class Panels(NamedTuple):
    """Writes the second half of a convolution: from transformed images and weights to y, panel by panel.

    Arguments:
        convolution, blocking, epilogue: the kernel's settings.
        u: the transformed weights.
        y, others: the result, and the epilogue's operands.
        products: scratch for the products of a panel and a block of tiles.
    """

    convolution: Convolution
    blocking: Blocking
    epilogue: Epilogue
    u: Pointer
    y: Pointer
    others: tuple[Pointer, ...]
    products: Pointer

    def compute(
        self, f: Function, images: Pointer, stride: int, panel: Integer, start: Integer, count: Integer
    ) -> None:
        """The outputs of ``count`` tiles from ``start`` on, in a panel of output channels.

        Arguments:
            images: the first of these tiles' channels in the first plane.
            stride: elements from plane to plane.
        """
        channels, planes = self.convolution.channels, self.convolution.planes
        rows, width = self.blocking.rows, self.blocking.width(f.target)
        depth = pitch(f.target, self.convolution.inputs)
        images = images + self.convolution.first_input(f.target, panel)
        product_stride, weight_stride = apart(self.blocking.block * width), apart(channels * width)
        weights = self.u + panel * (planes * weight_stride)
        for plane in f.range(0, planes):
            left, right = images + plane * stride, weights + plane * weight_stride
            for row in f.range(0, count, rows):  # tiles beyond ``count`` are computed from anything, and not used
                tile = Tile(f, rows, width, f.target.lanes)
                tile.multiply(left + row * depth, depth, 1, right, width, channels)
                result = self.products + plane * product_stride + row * width
                for r, k, _, value in tile.results():
                    (result + (r * width + k)).store(value)
        for slot in f.range(0, count):
            self._store(f, self.products + slot * width, product_stride, panel * width, start + slot)

    def _store(self, f: Function, products: Pointer, stride: int, first: Integer, tile: Value) -> None:
        """y = epilogue(Aᵀ products A) for one tile and the output channels of a panel, those that there are."""
        lanes, side, outputs = f.target.lanes, self.convolution.m + 2, self.convolution.outputs
        start, places = self.convolution.writes.locate(f, tile)
        for k in f.range(0, self.blocking.width(f.target), lanes):
            channel = first + k
            count = None if outputs % lanes == 0 else f.smaller(lanes, outputs - channel)
            numbers = [[(products + k + (i * side + j) * stride).load(lanes) for j in range(side)] for i in range(side)]
            values = both_ways(f, matrices(self.convolution.m).outputs, numbers)
            for value, (offset, inside) in zip(chain(*values), chain(*places), strict=True):
                with nullcontext() if inside is None else f.when(inside):
                    self.epilogue.store(value, self.y, self.others, start + offset + channel, channel, count)


@kernel
def fused(
    f: Function,
    x: Pointer,
    u: Pointer,
    y: Pointer,
    *others: Pointer,
    convolution: Convolution,
    blocking: Blocking,
    epilogue: Epilogue,
) -> None:
    """y = epilogue(x ⋆ w) from u = G w Gᵀ; an item is a tile."""
    depth = pitch(f.target, convolution.inputs)
    stride = apart(blocking.block * depth)
    zeros, planes = f.scratch, f.scratch + depth
    panels = Panels(convolution, blocking, epilogue, u, y, others, planes + convolution.planes * stride)
    f.clear(zeros, depth)
    for start in f.range(f.first, f.last, blocking.block):
        count = f.smaller(blocking.block, f.last - start)
        for slot in f.range(0, count):
            place = planes + slot * depth
            convolution.reads.prefetch(f, x, start + slot + blocking.block)
            convolution.writes.prefetch(f, y, start + slot, to_write=True)
            for other, where in zip(others, epilogue.operands, strict=True):
                if where == "same":
                    convolution.writes.prefetch(f, other, start + slot)
            to_planes(f, matrices(convolution.m).inputs, convolution.reads, x, start + slot, place, stride, zeros)
        for panel in f.range(0, blocking.panels(f.target, convolution.outputs)):
            panels.compute(f, planes, stride, panel, start, count)


@kernel
def transform_images(
    f: Function, x: Pointer, planes: Pointer, *, m: int, windows: Windows, stride: int, gradient: bool
) -> None:
    """planes = Bᵀ x B for each tile, an item; for the gradient of outputs, A x Aᵀ.

    x (N, H, W, C) → (planes, tiles, C filled up to whole vectors).

    Arguments:
        stride: elements from plane to plane.
    """
    depth = pitch(f.target, windows.channels)
    matrix = matrices(m).outputs.T if gradient else matrices(m).inputs
    f.clear(f.scratch, depth)
    for tile in f.items():
        to_planes(f, matrix, windows, x, tile, planes + tile * depth, stride, f.scratch)


@kernel
def multiply(
    f: Function,
    images: Pointer,
    u: Pointer,
    y: Pointer,
    *others: Pointer,
    convolution: Convolution,
    blocking: Blocking,
    tiles: int,
    stride: int,
    epilogue: Epilogue,
) -> None:
    """y = epilogue(x ⋆ w) from Bᵀ x B and u = G w Gᵀ; an item is a panel of output channels and a block of tiles."""
    blocks = -(-tiles // blocking.block)
    depth = pitch(f.target, convolution.inputs)
    panels = Panels(convolution, blocking, epilogue, u, y, others, f.scratch)
    for item in f.items():
        panel, start = item // blocks, item % blocks * blocking.block
        count = f.smaller(blocking.block, tiles - start)
        panels.compute(f, images + start * depth, stride, panel, start, count)


# Lowering


def lower_conv(plan: Plan, node: Node, choice: Choice) -> None:
    """y = x ⋆ w."""
    _convolve(plan, node, plan.read(node.inputs[1]), choice)


def lower_grad_input(plan: Plan, node: Node, choice: Choice) -> None:
    """The gradient is a convolution of g with the weights turned by 180° and the roles of C and K exchanged."""
    w = plan.read(node.inputs[1])
    groups = node.attributes["groups"]
    *_, channels, outputs = w.shape
    flipped = plan.temporary(3, 3, outputs // groups, groups * channels)
    items = 9 * -(-outputs // plan.target.lanes)
    plan.prepare(flip, w, flipped, items=items, channels=channels, outputs=outputs, groups=groups)
    _convolve(plan, node, flipped, choice)


def _convolve(plan: Plan, node: Node, w: Buffer, choice: Choice) -> None:
    x, target = plan.read(node.inputs[0]), plan.target
    convolution = Convolution.of(choice.m, geometry.of_node(node))
    channels, outputs, planes = convolution.channels, convolution.outputs, convolution.planes
    tiles = x.shape[0] * convolution.tiles_per_image
    blocking = Blocking.of(target, convolution, tiles, choice.fused)
    width, panels = blocking.width(target), blocking.panels(target, outputs)
    u = plan.temporary(panels, planes, apart(channels * width))
    sizes = {"m": choice.m, "channels": channels, "outputs": outputs, "width": width}
    plan.prepare(transform_weights, w, u, items=panels * channels, **sizes)
    y, epilogue, others = plan.finish(node)
    settings: dict[str, Any] = {"convolution": convolution, "blocking": blocking, "epilogue": epilogue}
    depth, scratch = pitch(target, convolution.inputs), 4 * planes * apart(blocking.block * width)
    if choice.fused:
        scratch += 4 * (depth + planes * apart(blocking.block * depth))
        plan.launch(fused, x, u, y, *others, items=tiles, grain=blocking.block, scratch=scratch, **settings)
    else:
        blocks = -(-tiles // blocking.block)
        images, stride = transformed(plan, x, convolution.reads, choice.m, blocks * blocking.block)
        settings |= {"tiles": tiles, "stride": stride}
        plan.launch(multiply, images, u, y, *others, items=panels * blocks, grain=1, scratch=scratch, **settings)


def transformed(
    plan: Plan, x: Buffer, windows: Windows, m: int, rows: int, gradient: bool = False
) -> tuple[Buffer, int]:
    """The transformed images of a batch, with room for ``rows`` tiles in a plane; and elements from plane to plane."""
    depth = pitch(plan.target, windows.channels)
    stride = apart(rows * depth)
    planes = plan.temporary((m + 2) ** 2, stride)
    tiles = x.shape[0] * windows.rows.tiles * windows.columns.tiles
    settings: dict[str, Any] = {"m": m, "windows": windows, "stride": stride, "gradient": gradient}
    plan.launch(transform_images, x, planes, items=tiles, scratch=4 * depth, **settings)
    return planes, stride
