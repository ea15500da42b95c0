"""The weight gradient of convolution: a product of matrices whose sums run over the pixels of all images.

    w[u, c, k] = Σ x[pixel·stride + u·dilation − before, c] · g[pixel, k]

A tile of sums has rows (u, c) and columns k. The work is cut in three ways, by shapes alone:

    chunk   pixels whose x and g stay in the cache while one tile after another passes over them
    shard   chunks that are summed one after another; each shard has a result of its own, and a second launch adds
            them in order: so the bits do not depend on which thread computed what
    block   rows × columns of the result that one item computes

With few input channels a tile would have few rows; then taps that are neighbours in the image are *merged* into one
run of rows. As some of these may lie outside of the image, chunks are copied with their padding. Otherwise nothing is
copied: for each tap, pixels whose partner lies outside are left out.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

from striate.codegen import Function, Pointer, Target, Tile, fit, kernel, most_rows, pieces, split
from striate.codegen.values import Integer
from striate.graph import Node
from striate.kernels.conv.geometry import Correlation
from striate.kernels.plan import Plan
from striate.kernels.pointwise import LINE, Epilogue

Four = tuple[int, int, int, int]

#: Numbers of x and g in one chunk: a quarter of a MiB; fewer where the next chunk is fetched meanwhile, as the first
#: one is waited for.
CHUNK, FETCHED = 65_536, 16_384
#: Items that are enough for many threads to finish together, and those that are too few.
ITEMS, FEW_ITEMS = 32, 8
#: Pixels of a shard at least, so that adding shards costs little beside computing them.
PIXELS = 512
#: Rows and columns of the result in one item, about.
BLOCK = 128, 64
#: Bytes of x that one core's caches do not hold.
FAR = 2**21
#: Input channels from which on taps are not merged, and rows that are merged without regard to their places.
ENOUGH_ROWS, FEW_ROWS = 16, 48


class Cut(NamedTuple):
    """How the work is cut.

    Arguments:
        merged: axes of the kernel, counted from the last, whose taps are rows of one run: 3, 1 or 0.
        copied: whether chunks are copied with their padding.
        chunk: images and places along each axis in one chunk.
        chunks: in one shard.
        shards: how many.
        tile: its rows and columns.
        lanes: columns of a vector: fewer than the target has where the result has few columns.
        block: rows of a run and columns that one item computes, multiples of the tile's.
        fetch: whether the next chunk is brought into the cache while one is summed.
        apart: whether each run is an item of its own, so that few pixels, too, give several threads work.
    """

    merged: int
    copied: bool
    chunk: Four
    chunks: int
    shards: int
    tile: tuple[int, int]
    lanes: int
    block: tuple[int, int]
    fetch: bool
    apart: bool


def cut(sums: Correlation, target: Target) -> Cut:
    """Chunks that fit the cache, and as many shards as give many threads work."""
    padded = any(axis.is_padded for axis in sums.axes)
    merged = 0
    if sums.channels < ENOUGH_ROWS and not (padded and sums.groups > 1):
        if sums.depth <= FEW_ROWS:
            merged = 3
        elif sums.axes[-1].dilation == 1 == sums.groups:
            merged = 1
    copied = padded and merged > 0
    rows = run(sums, merged)
    parts = 1, 1
    if not merged:  # while the copy of a chunk serves the whole result
        parts = max(1, round(rows / BLOCK[0])), max(1, round(sums.outputs / BLOCK[1]))

    counts = sums.images, *(axis.count for axis in sums.axes)
    pixels = math.prod(counts)
    enough = -(-ITEMS // (sums.groups * math.prod(parts)))
    shards = max(1, min(enough, pixels // PIXELS))
    channels = sums.channels * (sums.groups if copied else 1) / parts[0]
    per_pixel = channels * math.prod(min(axis.stride, axis.span) for axis in sums.axes) + sums.outputs / parts[1]
    neighbours = sums.groups == 1 and all(axis.is_pointwise for axis in sums.axes)  # the pixels of a chunk are
    in_pieces = parts[0] > 2  # each pixel is read; else the processor sees what comes next
    fetch = neighbours and in_pieces and 4 * pixels * sums.channels > FAR
    left = max(1, min(round((FETCHED if fetch else CHUNK) / per_pixel), -(-pixels // shards)))
    sizes: list[int] = []
    for count in reversed(counts):
        most = count if copied and not sizes else left  # rows are copied whole
        sizes.insert(0, max(1, -(-count // max(1, -(-count // most)))))
        left = max(1, left // sizes[0])
    chunk = sizes[0], sizes[1], sizes[2], sizes[3]
    total = max(1, math.prod(-(-count // size) for count, size in zip(counts, chunk, strict=True)))
    chunks = -(-total // shards)

    lanes = target.lanes_for(sums.outputs)
    tile = fit(target, rows, sums.outputs)
    if lanes < target.lanes:
        tile = split(rows, most_rows(target, 1))[0][0], lanes
    block = _multiple(-(-rows // parts[0]), tile[0]), _multiple(-(-sums.outputs // parts[1]), tile[1])
    way = Cut(merged, copied, chunk, chunks, -(-total // chunks), tile, lanes, block, fetch, apart=False)
    return way._replace(apart=not copied and items(sums, way) < FEW_ITEMS)


def items(sums: Correlation, way: Cut) -> int:
    """How many items of work there are."""
    runs = math.prod(_runs(sums, way)) if way.apart else 1
    return way.shards * sums.groups * runs * math.prod(_blocks(sums, way))


def run(sums: Correlation, merged: int) -> int:
    """Rows of the result in one run."""
    return sums.channels * math.prod(axis.taps for axis in sums.axes[3 - merged :])


def lower_sums(plan: Plan, node: Node, sums: Correlation) -> None:
    """Have a node computed that is the weight gradient of a correlation, and whose inputs are x and g."""
    sums = sums.simplified()
    way = cut(sums, plan.target)
    x, g = map(plan.read, node.inputs)
    settings: dict[str, Any] = {"sums": sums, "way": way}
    scratch = 4 * math.prod(_copied_sizes(sums, way)) * sums.channels * sums.groups if way.copied else 0
    columns = sums.groups * sums.outputs
    if way.shards > 1:
        slots = plan.temporary(way.shards, sums.depth, columns)
        plan.launch(sum_pixels, x, g, slots, items=items(sums, way), scratch=scratch, epilogue=Epilogue(), **settings)
        y, epilogue, others = plan.finish(node)
        plan.launch(
            add_shards,
            slots,
            y,
            *others,
            items=sums.depth,
            rows=sums.depth,
            columns=columns,
            shards=way.shards,
            epilogue=epilogue,
        )
    elif way.chunks > 1:
        y = plan.write(node.output)
        plan.launch(sum_pixels, x, g, y, items=items(sums, way), scratch=scratch, epilogue=Epilogue(), **settings)
    else:
        y, epilogue, others = plan.finish(node)
        plan.launch(
            sum_pixels, x, g, y, *others, items=items(sums, way), scratch=scratch, epilogue=epilogue, **settings
        )


@kernel
def add_shards(
    f: Function, slots: Pointer, y: Pointer, *others: Pointer, rows: int, columns: int, shards: int, epilogue: Epilogue
) -> None:
    """y (rows, columns) = the sum of slots (shards, rows, columns) in their order; each item is a row."""
    for row in f.items():
        for k, count in pieces(f, 0, columns, columns, f.target.lanes):
            offset = row * columns + k
            total = f.accumulator(f.zeros(f.target.lanes))
            for shard in f.range(0, shards, unroll=4):
                total.value = total.value + (slots + (offset + shard * (rows * columns))).load(f.target.lanes, count)
            epilogue.store(total.value, y, others, offset, k, count)


@kernel
def sum_pixels(
    f: Function, x: Pointer, g: Pointer, y: Pointer, *others: Pointer, sums: Correlation, way: Cut, epilogue: Epilogue
) -> None:
    """y (shards, taps, C, K) = Σ x · g over the pixels of each shard; each item is a block of a shard, group or run."""
    rows, columns, all_columns = run(sums, way.merged), sums.outputs, sums.groups * sums.outputs
    for item in f.items():
        runs = _runs(sums, way) if way.apart else [1, 1, 1]
        shard, group, *only, row, column = _digits(item, (way.shards, sums.groups, *runs, *_blocks(sums, way)))
        row, column = row * way.block[0], column * way.block[1]
        start = shard * way.chunks
        stop = f.smaller(start + way.chunks, math.prod(_grid(sums, way)))
        chunks: Iterable[Any] = f.range(start, stop) if way.chunks > 1 else [start]
        for chunk in chunks:
            begin = _begin(chunk, sums, way)
            base, units = _copy(f, x, sums, way, begin) if way.copied else _in_place(x, sums)
            base = base + group * sums.channels
            images = begin[0], f.smaller(begin[0] + way.chunk[0], sums.images)
            near = _Near(f, x, g, sums, way, row, column) if way.fetch else None
            if near:
                with f.when(chunk.equals(start)) if way.chunks > 1 else nullcontext():
                    near.fetch(chunk, 0, near.pixels)
            for line, tap, bounds in _taps(f, sums, way, begin, only):
                steps = (axis.dilation * unit for axis, unit in zip(sums.axes, units[1:], strict=True))
                here = base + sum(u * s for u, s in zip(tap, steps, strict=True))
                for r, count, first, places in _rows(f, sums, way, row, units):
                    if near and way.chunks > 1:
                        part = (r - row) // way.tile[0]
                        near.fetch(chunk + 1, part * near.share, near.share)
                    for k, wide in pieces(f, column, way.block[1], columns, way.tile[1]):
                        channel = group * columns + k
                        tile = Tile(f, count, wide, way.lanes)
                        left, right = here + first, g + channel
                        _add_pixels(tile, left, places, units, right, all_columns, sums, [images, *bounds])
                        for i, c, lanes, added in tile.results():
                            offset = (shard * sums.depth + line * rows + r + i) * all_columns + channel + c
                            total = added
                            if way.chunks > 1:
                                before = (y + offset).load(added.type.lanes, lanes)
                                total = f.select(chunk.equals(start), added, before + added)
                            epilogue.store(total, y, others, offset, channel + c, lanes)


class _Near(NamedTuple):
    """Brings what an item reads into the cache. With one tap, the pixels of a chunk are neighbours.

    Arguments:
        row, column: of the item's block.
    """

    f: Function
    x: Pointer
    g: Pointer
    sums: Correlation
    way: Cut
    row: Integer
    column: Integer

    @property
    def pixels(self) -> int:
        """In a chunk."""
        return math.prod(self.way.chunk)

    @property
    def share(self) -> int:
        """Pixels that are fetched before each tile of a chunk."""
        return -(-self.pixels // (self.way.block[0] // self.way.tile[0]))

    def fetch(self, chunk: Integer, first: Integer, count: int) -> None:
        """Fetch some pixels of a chunk."""
        image, *places = _begin(chunk, self.sums, self.way)
        for place, axis in zip(places, self.sums.axes, strict=True):
            image = image * axis.count + place
        first = image + first
        for pixel in self.f.range(first, first + count):
            for rows, size, block, start in (
                (self.x, self.sums.channels, self.way.block[0], self.row),
                (self.g, self.sums.outputs, self.way.block[1], self.column),
            ):
                for number in range(0, min(size, block), LINE):
                    self.f.prefetch(rows + (pixel * size + start + number))


def _in_place(x: Pointer, sums: Correlation) -> tuple[Pointer, Four]:
    """Where the first tap of the first pixel lies in x, and how far it is to the next image, plane, row and place."""
    units = _units([axis.size for axis in sums.axes], sums)
    before = sum(axis.before * unit for axis, unit in zip(sums.axes, units[1:], strict=True))
    return x + -before, units


def _copy(f: Function, x: Pointer, sums: Correlation, way: Cut, begin: Sequence[Integer]) -> tuple[Pointer, Four]:
    """Copy a chunk with its padding to scratch; the same answer as `_in_place`, for the copy."""
    images, depth, height, width = _copied_sizes(sums, way)
    units = _units([depth, height, width], sums)
    source = _units([axis.size for axis in sums.axes], sums)
    pixel = units[3]
    deep, high, wide = sums.axes
    for n in f.range(0, f.smaller(images, sums.images - begin[0])):
        for d in f.range(0, depth):
            for h in f.range(0, height):
                row = f.scratch + (n * units[0] + d * units[1] + h * units[2])
                f.clear(row, width * pixel)
                at_d = begin[1] * deep.stride + d - deep.before
                at_h = begin[2] * high.stride + h - high.before
                inside = f.within(at_d, deep.size) & f.within(at_h, high.size)
                if width > wide.before:
                    with f.when(inside):
                        place = (begin[0] + n) * source[0] + at_d * source[1] + at_h * source[2]
                        f.copy(row + wide.before * pixel, x + place, min(wide.size, width - wide.before) * pixel)
    skipped = [begin[0] * units[0]]
    skipped += [b * (axis.stride * unit) for b, axis, unit in zip(begin[1:], sums.axes, units[1:], strict=True)]
    return f.scratch + -sum(skipped), units


def _copied_sizes(sums: Correlation, way: Cut) -> Four:
    """Images of a chunk, and places along each axis that its pixels see."""
    depth, height, width = (
        (count - 1) * axis.stride + axis.span for count, axis in zip(way.chunk[1:], sums.axes, strict=True)
    )
    return way.chunk[0], depth, height, width


def _units(sizes: Sequence[int], sums: Correlation) -> Four:
    """Numbers from one image, plane, row and place to the next, in images of these sizes."""
    _, height, width = sizes
    pixel = sums.groups * sums.channels
    return math.prod(sizes) * pixel, height * width * pixel, width * pixel, pixel


def _runs(sums: Correlation, way: Cut) -> list[int]:
    """How many runs of rows there are along each axis of the kernel."""
    return [axis.taps if i < 3 - way.merged else 1 for i, axis in enumerate(sums.axes)]


def _taps(
    f: Function, sums: Correlation, way: Cut, begin: Sequence[Integer], only: Sequence[Integer]
) -> Iterator[tuple[Integer, list[Integer], list[tuple[Integer, Integer]]]]:
    """A loop over the runs: (number of the run, its first tap, pixels along each axis that it meets in the image).

    Where runs are items of their own, it is the ``only`` one.
    """
    counts = _runs(sums, way)
    spans = list(zip(begin[1:], way.chunk[1:], sums.axes, strict=True))

    def meets(number: int, tap: Integer) -> tuple[Integer, Integer]:
        start, size, axis = spans[number]
        first, stop = (0, axis.count) if way.copied else axis.meets(f, tap)
        first = f.larger(first, start)
        return first, f.larger(first, f.smaller(stop, start + size))

    def loop(number: int) -> Iterable[Integer]:
        return [only[number]] if way.apart else f.range(0, counts[number])

    for d in loop(0):
        deep = meets(0, d)
        for h in loop(1):
            high = meets(1, h)
            for w in loop(2):
                yield (d * counts[1] + h) * counts[2] + w, [d, h, w], [deep, high, meets(2, w)]


def _rows(
    f: Function, sums: Correlation, way: Cut, row: Integer, units: Four
) -> Iterator[tuple[Integer, int, Integer, Integer | list[int]]]:
    """A loop over tiles of a run: (first row, how many, where it is read, from there on the place of each row)."""
    rows, tall = run(sums, way.merged), way.tile[0]
    if way.merged < 3:
        for r, count in pieces(f, row, way.block[0], rows, tall):
            yield r, count, r, 1
        return
    taps = itertools.product(*(range(axis.taps) for axis in sums.axes))
    steps = [axis.dilation * unit for axis, unit in zip(sums.axes, units[1:], strict=True)]
    places = [sum(u * s for u, s in zip(tap, steps, strict=True)) + c for tap in taps for c in range(sums.channels)]
    for r in range(0, rows, tall):
        yield r, min(tall, rows - r), 0, places[r : r + tall]


def _add_pixels(
    tile: Tile,
    x: Pointer,
    places: Integer | list[int],
    units: Four,
    g: Pointer,
    columns: int,
    sums: Correlation,
    bounds: Sequence[tuple[Integer, Integer]],
) -> None:
    """Add the products of all pixels within the bounds to a tile."""
    f = tile.f
    deep, high, wide = sums.axes
    images, planes, rows, (first, stop) = bounds
    for n in f.range(*images):
        for d in f.range(*planes):
            for h in f.range(*rows):
                place = n * units[0] + d * (deep.stride * units[1]) + h * (high.stride * units[2])
                place = place + first * (wide.stride * units[3])
                pixel = ((n * deep.count + d) * high.count + h) * wide.count + first
                tile.multiply(
                    x + place,
                    places,
                    wide.stride * units[3],
                    g + pixel * columns,
                    columns,
                    stop - first,
                    unroll=1 if tile.rows * len(tile.vectors) >= 12 else 4,
                )


def _grid(sums: Correlation, way: Cut) -> list[int]:
    """How many chunks there are along the images and each axis."""
    counts = sums.images, *(axis.count for axis in sums.axes)
    return [max(1, -(-count // size)) for count, size in zip(counts, way.chunk, strict=True)]


def _begin(chunk: Integer, sums: Correlation, way: Cut) -> list[Integer]:
    """The image and the places at which a chunk begins."""
    return [digit * size for digit, size in zip(_digits(chunk, _grid(sums, way)), way.chunk, strict=True)]


def _digits(number: Integer, counts: Sequence[int]) -> list[Integer]:
    """The places of an item in a grid of these sizes, of which it is the ``number``-th; the last axis runs fastest."""
    digits: list[Integer] = []
    for count in reversed(counts[1:]):
        digits.insert(0, number % count)
        number = number // count
    return [0 if counts[0] == 1 else number, *digits]


def _blocks(sums: Correlation, way: Cut) -> tuple[int, int]:
    """How many blocks there are of rows and of columns."""
    return -(-run(sums, way.merged) // way.block[0]), -(-sums.outputs // way.block[1])


def _multiple(number: int, of: int) -> int:
    return -(-number // of) * of
