"""Direct convolution: each sum as it stands, vectors of output channels, a tile of sums in registers.

An item is a block of output rows for some panels of output channels. Of each row, a tile of neighbouring pixels at a
time, and for it one panel after another, so that results are written in the order in which they lie. For every tap of
the kernel, a product of matrices is added to the tile,

    (pixels of the input, channels) · (channels, columns of the panel).

Where the taps of a row of the kernel and their channels lie in a straight line, they are one product. Rows of the
kernel that lie outside of the image are left out. So are columns, where a tile is a whole row; where it is not, the
item's part of the input is first copied to scratch memory, with zeros on both sides. Pixels may lie so far apart that
the nearest cache, which has few places for such addresses, could not hold those of a tile: then they are copied closer
to each other, or tiles have fewer of them.

Letters: c correlation; d, h, s taps along depth, height, width; i output row of the item, j pixel, t tile of a row.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import NamedTuple

from striate.codegen import Function, Pointer, Tile, Value, kernel, pieces
from striate.codegen.values import Integer
from striate.kernels.conv.blocking import Blocks, cut
from striate.kernels.conv.geometry import Correlation
from striate.kernels.conv.packing import Entries, packed
from striate.kernels.plan import Buffer, Plan
from striate.kernels.pointwise import LINE, NOTHING, Epilogue

#: Multiply-adds that are written down in a row: with more, compiling takes longer and nothing runs faster.
WRITTEN = 64


def launch(
    plan: Plan,
    correlation: Correlation,
    x: Buffer,
    w: Buffer,
    entries: Entries,
    finish: tuple[Buffer, Epilogue, list[Buffer]],
) -> None:
    """Have a correlation computed.

    Arguments:
        x, w: input and weights.
        entries: of the weights that are taps.
        finish: the result, what is done to it, and what that needs.
    """
    if not correlation.images:
        return
    y, epilogue, others = finish
    correlation = correlation.simplified()
    blocks = cut(correlation, plan.target)
    plan.launch(
        correlate,
        x,
        packed(plan, w, entries, blocks.panels, correlation.groups),
        y,
        *others,
        items=blocks.items(correlation),
        scratch=blocks.scratch(correlation),
        correlation=correlation if blocks.parts > 1 else correlation._replace(images=1),
        blocks=blocks,
        epilogue=epilogue,
    )


class Place(NamedTuple):
    """Which part of the result an item is; each may be known while the kernel is written.

    Arguments:
        part: see `Blocks`.
        image, plane: of the result.
        row, rows: its first row, and how many.
        tile, end: its first tile of each row, and the one after its last.
        pixel: the first of the row.
    """

    part: Integer
    image: Integer
    plane: Integer
    row: Integer
    rows: Integer
    tile: Integer
    end: Integer
    pixel: Integer


class Source(NamedTuple):
    """Where an item reads its input.

    Arguments:
        start: first number of the first window, which may lie outside of the input.
        plane, row: numbers from tap to tap, along depth and height.
        line: numbers from window to window of neighbouring output rows.
        pixel: numbers from pixel to pixel.
    """

    start: Pointer
    plane: int
    row: int
    line: int
    pixel: int


@kernel
def correlate(
    f: Function,
    x: Pointer,
    weights: Pointer,
    y: Pointer,
    *others: Pointer,
    correlation: Correlation,
    blocks: Blocks,
    epilogue: Epilogue,
) -> None:
    """y = epilogue(x ⋆ w); see `Correlation` and `Blocks`.

    A long epilogue is applied when a row is finished, if the row lies in one piece: then its code is written once, and
    all lanes of its vectors are numbers of the row, even where there are few channels.
    """
    c, lanes = correlation, blocks.panels.lanes
    depth, height, width = c.axes
    all_outputs = c.groups * c.outputs
    in_one_piece = blocks.has_whole_rows and c.groups == blocks.panels.count == width.step == 1
    at_once, later = epilogue.split(f.target) if in_one_piece else (epilogue, NOTHING)
    for item in f.items():
        place = _place(f, item, c, blocks)
        source = _copy(f, x, place, c, blocks) if blocks.pitch else _in_place(x, place, c)
        planes = depth.seen(f, place.plane)
        plane = (place.image * depth.length + place.plane * depth.step + depth.start) * height.length
        for i in f.range(0, place.rows):
            row = place.row + i
            rows = height.seen(f, row)
            out = (plane + row * height.step + height.start) * width.length + width.start
            for size, pixel in _tiles(f, blocks, place):
                window = source.start + (i * source.line + (pixel - place.pixel) * (width.stride * source.pixel))
                place_of = out + pixel * width.step
                if blocks.fetch:
                    _fetch(f, window + size * (width.stride * source.pixel), size * source.pixel)
                for group, first, columns, panel in _panels(f, weights, c, blocks, place.part):
                    channel = group * c.outputs + first
                    if columns == all_outputs and width.step == 1:  # the tile's results lie in one piece
                        epilogue.prefetch(f, y, others, place_of * all_outputs, size * columns)
                    else:
                        for r in range(size):
                            start = (place_of + r * width.step) * all_outputs + channel
                            epilogue.prefetch(f, y, others, start, columns)
                    tile = Tile(f, size, columns, lanes)
                    here = window + group * c.channels
                    _multiply(f, tile, here, panel, blocks, c, source, planes, rows)
                    for r, column, count, value in tile.results():
                        offset = (place_of + r * width.step) * all_outputs + channel + column
                        at_once.store(value, y, others, offset, channel + column, count)
            if later.operations:
                numbers = width.count * c.outputs
                for number, count in pieces(f, 0, numbers, numbers, f.target.lanes):
                    offset = out * c.outputs + number
                    later.store((y + offset).load(f.target.lanes, count), y, others, offset, 0, count)


def _place(f: Function, item: Integer, c: Correlation, blocks: Blocks) -> Place:
    """Items count the columns of an image first, then rows, planes, images, and at last parts."""
    planes, rows, columns = blocks.per_image(c)
    left, column = item // columns, item % columns
    left, row = left // rows, left % rows * blocks.rows
    left, plane = left // planes, left % planes
    part, image = (left // c.images, left % c.images) if blocks.parts > 1 else (0, left)
    tile = column * blocks.columns
    (size, count), (rest, _) = blocks.tiles[0], blocks.tiles[-1]
    return Place(
        part=part,
        image=image,
        plane=plane,
        row=row,
        rows=f.smaller(blocks.rows, c.axes[1].count - row),
        tile=tile,
        end=f.smaller(tile + blocks.columns, blocks.tiles_in_row),
        pixel=f.smaller(tile, count) * size + f.larger(tile - count, 0) * rest,
    )


def _panels(
    f: Function, weights: Pointer, c: Correlation, blocks: Blocks, part: Integer
) -> Iterator[tuple[Integer, Integer, int, Pointer]]:
    """(group, first output channel in it, columns, weights) of each panel of a part."""
    panels = blocks.panels
    units = c.groups if c.groups > 1 else panels.count
    together = -(-units // blocks.parts)
    begin, end = part * together, f.smaller(part * together + together, units)
    if c.groups == 1:
        for panel in f.range(begin, f.smaller(end, panels.full)):
            yield 0, panel * panels.columns, panels.columns, weights + panel * (panels.columns * panels.depth)
        if panels.rest:
            with f.when(part.equals(blocks.parts - 1)) if isinstance(part, Value) else nullcontext():
                first = panels.full * panels.columns
                yield 0, first, panels.rest, weights + first * panels.depth
    else:
        for group in f.range(begin, end):
            start = weights + group * panels.group_size
            for panel in f.range(0, panels.full):
                yield group, panel * panels.columns, panels.columns, start + panel * (panels.columns * panels.depth)
            if panels.rest:
                first = panels.full * panels.columns
                yield group, first, panels.rest, start + first * panels.depth


def _tiles(f: Function, blocks: Blocks, place: Place) -> Iterator[tuple[int, Integer]]:
    """(pixels, the first of them) of each tile of a row."""
    tile = pixel = 0
    for size, count in blocks.tiles:
        for t in f.range(f.larger(place.tile, tile), f.smaller(place.end, tile + count)):
            yield size, (t - tile) * size + pixel
        tile, pixel = tile + count, pixel + size * count


def _in_place(x: Pointer, place: Place, c: Correlation) -> Source:
    """The input where it lies."""
    depth, height, width = c.axes
    pixel = c.groups * c.channels
    row = width.size * pixel
    plane = height.size * row
    d = place.image * depth.size + place.plane * depth.stride - depth.before
    h = place.row * height.stride - height.before
    w = place.pixel * width.stride - width.before
    start = x + (d * plane + h * row + w * pixel)
    return Source(start, depth.dilation * plane, height.dilation * row, height.stride * row, pixel)


def _copy(f: Function, x: Pointer, place: Place, c: Correlation, blocks: Blocks) -> Source:
    """The part of the input that an item needs, copied to scratch memory with zeros on both sides."""
    depth, height, width = c.axes
    _, rows, columns = blocks.window(c)
    there, row = _in_place(x, place, c), columns * blocks.pitch
    left = place.pixel * width.stride - width.before
    zeros = f.smaller(f.larger(0 - left, 0), columns)
    end = f.larger(f.smaller(columns, width.size - left), zeros)
    if blocks.rows == 1:  # only the rows that are taps
        to = Source(f.scratch, rows * row, row, 0, blocks.pitch)
        distance, (first, last) = there.row, height.seen(f, place.row)
    else:
        to = Source(f.scratch, rows * row, height.dilation * row, height.stride * row, blocks.pitch)
        top = place.row * height.stride - height.before
        distance, first = there.row // height.dilation, f.larger(0 - top, 0)
        last = f.smaller((place.rows - 1) * height.stride + height.span, height.size - top)
    for d in f.range(*depth.seen(f, place.plane)):
        for i in f.range(first, last):
            source, target = there.start + (d * there.plane + i * distance), to.start + (d * to.plane + i * row)
            f.clear(target, zeros * to.pixel)
            f.clear(target + end * to.pixel, (columns - end) * to.pixel)
            if to.pixel == there.pixel:
                f.copy(target + zeros * to.pixel, source + zeros * to.pixel, (end - zeros) * to.pixel)
            else:
                for j in f.range(zeros, end):
                    f.copy(target + j * to.pixel, source + j * there.pixel, there.pixel)
    return to


def _fetch(f: Function, place: Pointer, count: int) -> None:
    """Have ``count`` numbers brought into the cache."""
    for number in f.range(0, -(-count // LINE), unroll=4):
        f.prefetch(place + number * LINE)


def _multiply(
    f: Function,
    tile: Tile,
    window: Pointer,
    panel: Pointer,
    blocks: Blocks,
    c: Correlation,
    source: Source,
    planes: tuple[Integer, Integer],
    rows: tuple[Integer, Integer],
) -> None:
    """Add all products to the sums of a tile.

    Arguments:
        window: first number of the first pixel's window.
        panel: weights.
        planes, rows: which taps along depth and height are inside of the input.
    """
    if not c.taps:
        return
    _, height, width = c.axes
    line = source.pixel == c.channels and (width.taps == 1 or width.dilation == 1) and not blocks.inside
    taps, depth = (1, width.taps * c.channels) if line else (width.taps, c.channels)
    step = blocks.panels.padded(tile.columns)
    apart = width.stride * source.pixel
    most = min(WRITTEN // (tile.rows * len(tile.vectors)), apart)  # what pixels share is not worth registers
    unroll = next((u for u in range(min(most, depth), 2, -1) if depth % u == 0), max(1, min(most, 4)))
    for d in f.range(*planes):
        for h in f.range(*rows):
            for s, met in enumerate(width.met) if blocks.inside else ((s, None) for s in f.range(0, taps)):
                a = window + (d * source.plane + h * source.row + s * (width.dilation * source.pixel))
                b = panel + ((d * height.taps + h) * taps + s) * (depth * step)
                tile.multiply(a, apart, 1, b, step, depth, rows=met, unroll=unroll, padded=True)
