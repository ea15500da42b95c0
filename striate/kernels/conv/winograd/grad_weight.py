"""The gradient with respect to the weights by Winograd's transforms: dw = Gᵀ [ Σ over tiles (Bᵀ x B) ⊙ (A g Aᵀ) ] G.

Again every plane is a product of matrices, (C × tiles) · (tiles × K). *Fused*, for many tiles and few channels: an item
is a shard, a part of the tiles that only the shapes decide, and has sums of its own, which are added up at the end. *In
two launches*: the images of the whole batch are transformed first, and then an item is a plane and a panel of output
channels, summed over all tiles while the sums stay in registers.
"""

from itertools import chain
from typing import Any

from striate.codegen import Function, Pointer, Target, Tile, Value, kernel, most_rows, split
from striate.codegen.values import Integer
from striate.graph import Node
from striate.kernels.conv import geometry
from striate.kernels.conv.winograd.choice import CACHE, SHARD_TILES, Choice
from striate.kernels.conv.winograd.forward import transformed
from striate.kernels.conv.winograd.tiling import Convolution, Pair, apart, pitch
from striate.kernels.conv.winograd.transforms import both_ways, matrices, to_planes
from striate.kernels.plan import Plan
from striate.kernels.pointwise import Epilogue

#: Tiles that are summed in registers before their sum is added to that of the tiles before: rounding errors of a sum
#: grow with its length.
CHUNK = 128
#: Shards at most.
MOST_SHARDS = 16


@kernel
def sum_products(
    f: Function, v: Pointer, q: Pointer, du: Pointer, *, convolution: Convolution, tiles: int, strides: Pair
) -> None:
    """du = Σ over tiles v ⊙ q; an item is a plane and a panel of output channels.

    v (planes, tiles, C), q (planes, tiles, K) → du (planes, C, K), C and K of v and q filled up to whole vectors.

    Arguments:
        strides: of v and q from plane to plane.
    """
    panels = -(-convolution.outputs // convolution.panel_width(f.target))
    size = du_plane(f.target, convolution)
    depths = [pitch(f.target, channels) for channels in (convolution.inputs, convolution.outputs)]
    for item in f.items():
        plane, panel = item // panels, item % panels
        left, right = v + plane * strides[0], q + plane * strides[1]
        for start in f.range(0, tiles, CHUNK):
            count = f.smaller(CHUNK, tiles - start)
            is_first = start.equals(0) if isinstance(start, Value) else None
            a, b, sums = left + start * depths[0], right + start * depths[1], du + plane * size
            _add_products(f, a, b, sums, panel, count, convolution, is_first)


@kernel
def sum_shards(
    f: Function, x: Pointer, g: Pointer, du: Pointer, *, convolution: Convolution, tiles: int, shards: int, block: int
) -> None:
    """du[s] = Σ over the tiles of shard s of (Bᵀ x B) ⊙ (A g Aᵀ); an item is a shard.

    x (N, H, W, C), g (N, OH, OW, K) → du (shards, planes, C, K).

    Arguments:
        block: tiles that are transformed, and multiplied, before the next ones are.
    """
    depths = [pitch(f.target, size) for size in (convolution.inputs, convolution.outputs)]
    strides = [apart(block * depth) for depth in depths]
    zeros = f.scratch
    v = zeros + max(depths)
    q = v + convolution.planes * strides[0]
    size = du_plane(f.target, convolution)
    panels = -(-convolution.outputs // convolution.panel_width(f.target))
    maps = matrices(convolution.m)
    f.clear(zeros, max(depths))
    for shard in f.items():
        sums = du + shard * (convolution.planes * size)
        first, last = shard * tiles // shards, (shard + 1) * tiles // shards
        for start in f.range(first, last, block):
            count = f.smaller(block, last - start)
            for slot in f.range(0, count):
                tile = start + slot
                convolution.reads.prefetch(f, x, tile + block)
                convolution.writes.prefetch(f, g, tile + block)
                to_planes(f, maps.inputs, convolution.reads, x, tile, v + slot * depths[0], strides[0], zeros)
                to_planes(f, maps.outputs.T, convolution.writes, g, tile, q + slot * depths[1], strides[1], zeros)
            for plane in f.range(0, convolution.planes):
                left, right = v + plane * strides[0], q + plane * strides[1]
                for panel in f.range(0, panels):
                    _add_products(f, left, right, sums + plane * size, panel, count, convolution, start.equals(first))


def _add_products(
    f: Function,
    v: Pointer,
    q: Pointer,
    du: Pointer,
    panel: Integer,
    count: Integer,
    convolution: Convolution,
    is_first: Value | None,
) -> None:
    """du[c, k] += Σ v[tile, c] · q[tile, k] for one plane and the k of one panel.

    Arguments:
        is_first: whether nothing is there yet; None: nothing ever is.
    """
    channels, lanes = convolution.channels, f.target.lanes
    depth, width = pitch(f.target, convolution.inputs), convolution.panel_width(f.target)
    v = v + convolution.first_input(f.target, panel)
    row = pitch(f.target, convolution.outputs)
    first = 0
    for rows, times in split(channels, most_rows(f.target, width // lanes)):
        for c in f.range(first, first + rows * times, rows):
            place = du + c * row + panel * width
            tile = Tile(f, rows, width, lanes)
            tile.multiply(v + c, 1, depth, q + panel * width, row, count)
            for r, k, _, value in tile.results():
                sums = place + (r * row + k)
                sums.store(value if is_first is None else f.select(is_first, value, sums.load(lanes) + value))
        first += rows * times


@kernel
def to_weights(
    f: Function,
    du: Pointer,
    dw: Pointer,
    *others: Pointer,
    convolution: Convolution,
    shards: int,
    epilogue: Epilogue,
) -> None:
    """dw = epilogue(Gᵀ (Σ over shards du) G); an item is an input channel."""
    lanes, side = f.target.lanes, convolution.m + 2
    channels, outputs = convolution.channels, convolution.outputs
    row, size = pitch(f.target, outputs), du_plane(f.target, convolution)
    for c in f.items():
        for k in f.range(0, outputs, lanes):
            count = None if outputs % lanes == 0 else f.smaller(lanes, outputs - k)
            sums = [f.accumulator(f.zeros(lanes)) for _ in range(side * side)]
            for shard in f.range(0, shards):
                place = du + shard * (side * side * size) + c * row + k
                for plane, total in enumerate(sums):
                    total.value += (place + plane * size).load(lanes)
            tile = [[total.value for total in sums[i : i + side]] for i in range(0, side * side, side)]
            taps = chain(*both_ways(f, matrices(convolution.m).weights.T, tile))
            for tap, value in enumerate(taps):
                epilogue.store(value, dw, others, tap * channels * outputs + c * outputs + k, k, count)


def du_plane(target: Target, convolution: Convolution) -> int:
    """Elements of du from plane to plane."""
    return apart(convolution.channels * pitch(target, convolution.outputs))


# Lowering


def lower_grad_weight(plan: Plan, node: Node, choice: Choice) -> None:
    """The gradient of y = x ⋆ w with respect to w, from x and the gradient g of y."""
    x, g = map(plan.read, node.inputs)
    convolution = Convolution.of(choice.m, geometry.of_node(node))
    channels, outputs = convolution.channels, convolution.outputs
    tiles, planes = x.shape[0] * convolution.tiles_per_image, convolution.planes
    settings: dict[str, Any] = {"convolution": convolution, "tiles": tiles}
    if choice.fused:
        shards = max(1, min(MOST_SHARDS, tiles // SHARD_TILES))
        depths = [pitch(plan.target, n) for n in (convolution.inputs, outputs)]
        block = max(1, min(CHUNK, -(-tiles // shards), CACHE // (4 * planes * sum(depths))))
        scratch = 4 * (max(depths) + planes * sum(apart(block * depth) for depth in depths))
        du = plan.temporary(shards, planes, du_plane(plan.target, convolution))
        settings |= {"shards": shards, "block": block}
        plan.launch(sum_shards, x, g, du, items=shards, grain=1, scratch=scratch, **settings)
    else:
        shards = 1
        v, v_stride = transformed(plan, x, convolution.reads, choice.m, tiles)
        q, q_stride = transformed(plan, g, convolution.writes, choice.m, tiles, gradient=True)
        du = plan.temporary(planes, du_plane(plan.target, convolution))
        items = planes * -(-outputs // convolution.panel_width(plan.target))
        plan.launch(sum_products, v, q, du, items=items, strides=(v_stride, q_stride), **settings)
    dw, epilogue, others = plan.finish(node)
    plan.launch(to_weights, du, dw, *others, items=channels, convolution=convolution, shards=shards, epilogue=epilogue)
