"""Dense layers: a matrix times weights, and the two products that are its gradients.

    y = x · w        grad_input = g · wᵀ        grad_weight = xᵀ · g

The first two are one kernel. It computes a *panel* at a time, columns of the result that fit in registers, for one
tile of rows after another. With few rows, the weights are read where they lie. With more, the panel of the weights is
first copied, so that the tiles after the first find it in the cache; for wᵀ it has to be copied anyhow, unless the
rows are so few that it is cheaper to add up vectors along the rows of w.
"""

import math
from typing import NamedTuple

from striate.codegen import Function, Pointer, Target, Tile, fit, kernel, pieces
from striate.codegen.values import Integer
from striate.graph import Node, Shape
from striate.kernels.broadcasting import unravel
from striate.kernels.conv.geometry import Axis, Correlation
from striate.kernels.conv.grad_weight import add_shards, lower_sums
from striate.kernels.plan import Buffer, Plan, lowers
from striate.kernels.pointwise import NOTHING, Epilogue
from striate.ops.dense import DENSE, DENSE_GRAD_INPUT, DENSE_GRAD_WEIGHT
from striate.ops.operation import known_shape

#: Items that are enough for many threads to finish together.
ITEMS = 16
#: Rows for which the weights are copied, and rows so few that wᵀ is not; or not where it comes from memory.
MANY, FEW, NOT_MANY = 48, 8, 32
#: Rows of one item at most, about.
ROWS = 256
#: Numbers of a copied panel at most: they must be in the second-level cache when the next tile needs them.
COPY = 65_536
#: Numbers of weights from which on they come from memory, which wants to be read in long lines.
LARGE = 2**20
#: Lines of weights that are read side by side, and parts into which their depth is cut.
LINES, SLICES = 16, 16
#: Rows this many numbers apart, or a multiple of it, share a place in the first-level cache, which has few for each.
PERIOD = 1024
#: Lanes of the sums along rows of w, the same on every machine, as the order of summation depends on it.
LANES = 16


class Stack(NamedTuple):
    """Products of matrices of equal sizes, side by side in y.

    Arguments:
        sizes: of the leading axes.
        a, w: for each leading axis, numbers from one matrix to the next; 0 where it is the same one.
    """

    sizes: Shape = ()
    a: Shape = ()
    w: Shape = ()

    @property
    def products(self) -> int:
        """How many."""
        return math.prod(self.sizes)

    def places(self, product: Integer) -> tuple[Integer, Integer]:
        """Where a product's matrices begin in a and in w."""
        a: Integer = 0
        w: Integer = 0
        for i, a_step, w_step in zip(unravel(product, self.sizes), self.a, self.w, strict=True):
            a, w = i * a_step + a, i * w_step + w
        return a, w


class Product(NamedTuple):
    """y (rows, columns) = a (rows, depth) · w, and how the work is cut.

    Arguments:
        rows, depth, columns: sizes.
        transposed: whether w lies as (columns, depth).
        copied: whether a panel of w is copied before it is used.
        pitch: numbers from c to c + 1 of a row of a: 1 as it came; more where the rows of a tile lie side by side.
        tile: its rows and columns; its columns are those of a panel.
        block: rows that one item computes, a multiple of the tile's.
        stretch: products that are added to all sums of a block before the next ones.
        turned: whether a lies as (depth, rows).
        stack: how many such products there are, and where their matrices lie.
    """

    rows: int
    depth: int
    columns: int
    transposed: bool
    copied: bool
    pitch: int
    tile: tuple[int, int]
    block: int
    stretch: int
    turned: bool = False
    stack: Stack = Stack()

    @property
    def tiles(self) -> int:
        """Of all rows."""
        return -(-self.rows // self.tile[0])

    @property
    def panels(self) -> int:
        return -(-self.columns // self.tile[1])

    @property
    def slice(self) -> int:
        """Lines of w in one of the parts into which its depth is cut."""
        return -(-self.depth // (SLICES * LINES)) * LINES

    @property
    def blocks(self) -> int:
        return -(-self.rows // self.block)

    @property
    def scratch(self) -> int:
        """Bytes of a copied panel."""
        return 4 * self.stretch * self.tile[1] if self.copied else 0

    @property
    def items(self) -> int:
        """Parts that threads may share: a panel of a block of one product each."""
        return self.stack.products * self.blocks * self.panels


def cut(rows: int, depth: int, columns: int, transposed: bool, target: Target, count: int = 1) -> Product:
    """How a product is computed, or each of ``count`` that threads share."""
    tall, wide = fit(target, max(rows, 1), columns, most=2 if rows >= MANY else 8)
    panels = -(-columns // wide)
    copied = transposed or (rows >= MANY and panels > 1)
    blocks = max(ITEMS // (panels * max(count, 1)), rows // ROWS)
    block = tall * -(-rows // (max(1, min(blocks, rows // (MANY if copied else tall))) * tall))
    collides = tall > 4 and panels > 4 and depth % PERIOD == 0
    pitch = -(-tall // target.lanes) * target.lanes if collides else 1
    most = COPY // wide // LANES * LANES
    stretch = most if copied and depth > most else depth
    return Product(rows, depth, columns, transposed, copied, pitch, (tall, wide), max(1, block), stretch)


@lowers(DENSE)
def lower_dense(plan: Plan, node: Node) -> None:
    """y = x · w."""
    features, outputs = known_shape(node.inputs[1])
    _lower_product(plan, node, features, outputs, transposed=False)


@lowers(DENSE_GRAD_INPUT)
def lower_dense_grad_input(plan: Plan, node: Node) -> None:
    """x = g · wᵀ."""
    features, outputs = known_shape(node.inputs[1])
    _lower_product(plan, node, outputs, features, transposed=True)


@lowers(DENSE_GRAD_WEIGHT)
def lower_dense_grad_weight(plan: Plan, node: Node) -> None:
    """w = xᵀ · g: the weight gradient of a convolution whose pixels are the rows."""
    x, g = map(known_shape, node.inputs)
    rows = math.prod(x[:-1])
    axes = Axis(), Axis(), Axis(size=rows, count=rows, length=rows)
    lower_sums(plan, node, Correlation(1, axes, 1, x[-1], g[-1]))


def _lower_product(plan: Plan, node: Node, depth: int, columns: int, transposed: bool) -> None:
    a, w = map(plan.read, node.inputs)
    y, epilogue, others = plan.finish(node)
    rows = math.prod(y.shape[:-1])
    if transposed and (rows <= FEW or (rows <= NOT_MANY and depth * columns >= LARGE)):
        sizes = {"rows": rows, "depth": depth, "columns": columns}
        plan.launch(multiply_rows, a, w, y, *others, items=-(-columns // LANES), epilogue=epilogue, **sizes)
        return
    product = cut(rows, depth, columns, transposed, plan.target)
    if not product.copied and depth * columns >= LARGE and product.panels > 1:
        slices = -(-depth // product.slice)
        slots = plan.temporary(slices, rows, columns)
        plan.launch(multiply_slices, a, w, slots, items=slices, product=product)
        sizes = {"rows": rows, "columns": columns, "shards": slices}
        plan.launch(add_shards, slots, y, *others, items=rows, epilogue=epilogue, **sizes)
        return
    plan.launch(
        multiply,
        _interleaved(plan, a, product) if product.pitch > 1 else a,
        w,
        y,
        *others,
        items=product.items,
        scratch=product.scratch,
        product=product,
        epilogue=epilogue,
    )


def _interleaved(plan: Plan, a: Buffer, product: Product) -> Buffer:
    to = plan.temporary(product.tiles, product.depth, product.pitch)
    plan.launch(interleave, a, to, items=product.tiles * (product.depth // PERIOD), product=product)
    return to


@kernel
def interleave(f: Function, a: Pointer, to: Pointer, *, product: Product) -> None:
    """to[tile, c, r] = a[tile · tall + r, c], in (tiles, depth, pitch); an item is a part of a tile's rows."""
    p, lanes, tall = product, f.target.lanes, product.tile[0]
    stretches = p.depth // PERIOD
    for item in f.items():
        tile, start = item // stretches, item % stretches * PERIOD
        for row, some in pieces(f, tile * tall, tall, p.rows, tall):
            for c in f.range(start, start + PERIOD, lanes):
                for first in range(0, some, lanes):
                    count = min(lanes, some - first)
                    rows = [(a + ((row + first + i) * p.depth + c)).load(lanes) for i in range(count)]
                    for i, column in enumerate(f.transpose([*rows, *[f.zeros(lanes)] * (lanes - count)])):
                        (to + ((tile * p.depth + c + i) * p.pitch + first)).store(column)


@kernel
def multiply(
    f: Function, a: Pointer, w: Pointer, y: Pointer, *others: Pointer, product: Product, epilogue: Epilogue
) -> None:
    """y = a · w, each item a panel of some rows."""
    p = product
    tall, wide = p.tile
    at_once, later = epilogue.split(f.target) if p.stretch == p.depth else (NOTHING, epilogue)
    a_row, a_step = (1, p.pitch) if p.pitch > 1 else (1, p.rows) if p.turned else (p.depth, 1)
    whole_a, whole_w = a, w
    for item in f.items():
        part, above = item, 0  # of one product, and rows of y before its
        if p.stack.sizes:
            number, part = item // (p.blocks * p.panels), item % (p.blocks * p.panels)
            a_place, w_place = p.stack.places(number)
            a, w, above = whole_a + a_place, whole_w + w_place, number * p.rows
        panel, first = part % p.panels * wide, part // p.panels * p.block
        for k, columns in pieces(f, panel, wide, p.columns, wide):
            for c in f.range(0, p.depth, p.stretch):
                depth = f.smaller(c + p.stretch, p.depth) - c
                if p.copied:
                    (_copy_transposed if p.transposed else _copy)(f, w, p, k, columns, c)
                right, w_step = (f.scratch, wide) if p.copied else (w + (c * p.columns + k), p.columns)
                for r, count in pieces(f, first, p.block, p.rows, tall):
                    tile = Tile(f, count, columns, f.target.lanes)
                    left = a + (r // tall * (p.depth * p.pitch) if p.pitch > 1 else r * a_row) + c * a_step
                    tile.multiply(left, a_row, a_step, right, w_step, depth, unroll=2, padded=p.copied)
                    for i, column, real, total in tile.results():
                        offset, channel = (r + i + above) * p.columns + k + column, k + column
                        if p.stretch == p.depth:
                            at_once.store(total, y, others, offset, channel, real)
                        else:
                            before = (y + offset).load(total.type.lanes, real)
                            (y + offset).store(f.select(c.equals(0), total, before + total), count=real)
            if later.operations:
                for r in f.range(first, f.smaller(first + p.block, p.rows)):
                    for c, real in pieces(f, 0, columns, columns, f.target.lanes):
                        offset, channel = (r + above) * p.columns + k + c, k + c
                        total = (y + offset).load(f.target.lanes, real)
                        later.store(total, y, others, offset, channel, real)


@kernel
def multiply_slices(f: Function, a: Pointer, w: Pointer, slots: Pointer, *, product: Product) -> None:
    """slots[item] = a · w summed over one slice of the depth: w is read once, in lines from end to end."""
    p = product
    tall, wide = p.tile
    for item in f.items():
        start = item * p.slice
        for c in f.range(start, f.smaller(start + p.slice, p.depth), LINES):
            depth = f.smaller(c + LINES, p.depth) - c
            for k, columns in pieces(f, 0, p.columns, p.columns, wide):
                for r, count in pieces(f, 0, p.rows, p.rows, tall):
                    tile = Tile(f, count, columns, f.target.lanes)
                    tile.multiply(a + (r * p.depth + c), p.depth, 1, w + (c * p.columns + k), p.columns, depth)
                    for i, column, real, total in tile.results():
                        slot = slots + ((item * p.rows + r + i) * p.columns + k + column)
                        before = slot.load(total.type.lanes, real)
                        slot.store(f.select(c.equals(start), total, before + total), count=real)


@kernel
def multiply_rows(
    f: Function,
    a: Pointer,
    w: Pointer,
    y: Pointer,
    *others: Pointer,
    rows: int,
    depth: int,
    columns: int,
    epilogue: Epilogue,
) -> None:
    """y = a · wᵀ by sums along the rows of both, each item some columns."""
    side = max(1, math.isqrt(f.target.lanes * f.target.registers // (2 * LANES)))  # a square of sums fits the registers
    tall = max(1, min(rows, side))
    wide = 2 ** int(math.log2(min(LANES, max(2, side * side // tall))))
    for item in f.items():
        for k, count in pieces(f, item * LANES, LANES, columns, wide):
            for r, height in pieces(f, 0, rows, rows, tall):
                sums = [[f.accumulator(f.zeros(LANES)) for _ in range(count)] for _ in range(height)]
                for c, some in pieces(f, 0, depth, depth, LANES):
                    right = [(w + ((k + j) * depth + c)).load(LANES, some) for j in range(count)]
                    for i, row in enumerate(sums):
                        left = (a + ((r + i) * depth + c)).load(LANES, some)
                        for total, weights in zip(row, right, strict=True):
                            total.value = f.fma(left, weights, total.value)
                for i, row in enumerate(sums):
                    numbers = [f.sum_lanes(total.value) for total in row]
                    numbers += [f.constant(0.0)] * (wide - count)
                    epilogue.store(f.pack(numbers), y, others, (r + i) * columns + k, k, count)


def _copy(f: Function, w: Pointer, p: Product, k: Integer, columns: int, start: Integer) -> None:
    """scratch[c − start, :] = w[c, k:], whole vectors, for a stretch."""
    lanes = f.target.lanes
    for c in f.range(start, f.smaller(start + p.stretch, p.depth)):
        for first, count in pieces(f, 0, columns, columns, lanes):
            number = (w + (c * p.columns + k + first)).load(lanes, count)
            (f.scratch + ((c - start) * p.tile[1] + first)).store(number)


def _copy_transposed(f: Function, w: Pointer, p: Product, k: Integer, columns: int, start: Integer) -> None:
    """scratch[c − start, :] = w[k:, c], whole vectors; squares of numbers are turned in registers."""
    lanes = f.target.lanes
    for c, depth in pieces(f, start, p.stretch, p.depth, lanes):
        for first, count in pieces(f, 0, columns, columns, lanes):
            corner = w + ((k + first) * p.depth + c)
            rows = [(corner + i * p.depth).load(lanes, depth) for i in range(count)]
            rows += [f.zeros(lanes)] * (lanes - count)
            for i, column in enumerate(f.transpose(rows)[:depth]):
                (f.scratch + ((c - start + i) * p.tile[1] + first)).store(column)
