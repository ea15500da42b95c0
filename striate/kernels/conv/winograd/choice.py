"""When Winograd's transforms pay, and which: a pure function of shapes and the target."""

import math
from typing import NamedTuple

from striate.codegen import Target, most_rows
from striate.graph import Node
from striate.kernels.conv import geometry
from striate.kernels.conv.cost import DIRECT, FEWEST_ROWS, MARGIN, WINOGRAD, Cost, direct
from striate.kernels.conv.winograd.tiling import Convolution, pitch
from striate.kernels.plan import Plan
from striate.ops.operation import known_shape

#: Bytes that the transformed images and the products of a block of tiles may take of a core's second-level cache.
CACHE = 400_000
#: Tiles in a shard of a weight gradient, at least; and shards, from which on there are enough of them to share.
SHARD_TILES, FEWEST_SHARDS = 64, 8
#: Row groups of tiles from which on there are enough blocks of them to share.
MANY = 8


class Choice(NamedTuple):
    """How a convolution is computed.

    Arguments:
        m: outputs of a tile along each axis, 2 or 4. Tiles of 2 need more multiplications, but half the weights.
        fused: whether images are transformed, multiplied and transformed back block by block.
    """

    m: int
    fused: bool


def choose(plan: Plan, node: Node) -> Choice | None:
    """What suits a `Conv`, `ConvGradInput` or `ConvGradWeight` node; None: direct convolution."""
    if plan.exact or not _is_possible(node, plan.target):
        return None
    taps = geometry.of_node(node)
    is_gradient = node.name != "conv"
    costs = {m: cost(plan.target, Convolution.of(m, taps), taps.images, is_gradient) for m in (4, 2)}
    times = {m: cost.cycles(WINOGRAD) for m, cost in costs.items()}
    m = min(times, key=lambda m: times[m])
    convolution = Convolution.of(m, taps)
    if times[m] > MARGIN * direct(plan.target, taps).cycles(DIRECT):
        return None
    tiles = taps.images * convolution.tiles_per_image
    fuse = _fuse_shards if node.name == "conv_grad_weight" else _fuse_blocks
    return Choice(m, fuse(plan.target, convolution, tiles))


def choices(plan: Plan, node: Node) -> list[Choice]:
    """All that can compute a node."""
    possible = not plan.exact and _is_possible(node, plan.target)
    return [Choice(m, fused) for m in (4, 2) for fused in (True, False)] if possible else []


def _is_possible(node: Node, target: Target) -> bool:
    a, numbers = node.attributes, (*node.inputs, node.output)
    kernel = a["kernel"] if node.name == "conv_grad_weight" else known_shape(node.inputs[1])[:-2]
    return (
        tuple(kernel) == (3, 3)
        and a["strides"] == a["dilation"] == (1, 1)
        and (a["groups"] == 1 or _whole_vectors(node, target))
        and all(tensor.dtype == "float32" and math.prod(known_shape(tensor)) for tensor in numbers)
    )


def _whole_vectors(node: Node, target: Target) -> bool:
    """Whether each group's channels fill whole vectors, before and after."""
    channels = (known_shape(tensor)[-1] for tensor in (node.output, node.inputs[0], *node.inputs[1:]))
    return all(count % (node.attributes["groups"] * target.lanes) == 0 for count in channels)


def cost(target: Target, convolution: Convolution, images: int, is_gradient: bool) -> Cost:
    """Products, transforms of images, and transformed weights that are read.

    Training writes these, or their gradient, at each step as well. So does a forward pass that is part of a step, but
    predictions should not be slower for that: for them the weights are already transformed.
    """
    c, k = (-(-n // target.lanes) for n in (convolution.inputs, convolution.outputs))
    tiles, planes = images * convolution.tiles_per_image, convolution.planes
    products = max(tiles, FEWEST_ROWS) * planes * convolution.channels * k
    weights = 4 * planes * convolution.channels * convolution.outputs * (2 if is_gradient else 1)
    return Cost(products, planes * tiles * (c + k), weights)


def _fuse_blocks(target: Target, convolution: Convolution, tiles: int) -> bool:
    """Whether enough blocks of tiles fit the cache to share, and each is large enough to make use of all weights."""
    vectors = convolution.panel_vectors(target)
    rows = most_rows(target, vectors)
    kept = 4 * convolution.planes * (pitch(target, convolution.inputs) + vectors * target.lanes)
    return tiles >= MANY * rows and rows * kept <= CACHE


def _fuse_shards(target: Target, convolution: Convolution, tiles: int) -> bool:
    """Whether there are enough shards to share, and the sums of each are few enough to be kept."""
    sums = 4 * convolution.planes * convolution.channels * convolution.outputs
    return tiles >= FEWEST_SHARDS * SHARD_TILES and sums < 3 * CACHE
