"""Convolution, and its gradient with respect to the input, by Fourier transforms, in four launches.

Weights to frequencies, windows of two tiles at a time to frequencies, for each frequency a product of matrices,
(pairs of tiles, channels) · (channels, output channels), and back.
"""

from striate.codegen import Function, Pointer, kernel, pieces
from striate.codegen.values import Integer
from striate.kernels.conv.fourier.tiling import Tiling
from striate.kernels.conv.fourier.transforms import (
    Products,
    nested,
    number_of,
    place,
    places,
    read,
    rows_of_products,
    transform,
    transform_windows,
    write,
)
from striate.kernels.conv.packing import Entries, Panels, packed
from striate.kernels.plan import Buffer, Plan
from striate.kernels.pointwise import Epilogue


def launch(
    plan: Plan, way: Tiling, x: Buffer, w: Buffer, entries: Entries, finish: tuple[Buffer, Epilogue, list[Buffer]]
) -> None:
    """Have a correlation computed; arguments as `direct.launch`."""
    y, epilogue, others = finish
    sums, vector = way.sums, 2 * way.lanes
    panels = packed(plan, w, entries, Panels(sums.depth, sums.outputs, way.lanes, way.lanes), sums.groups)
    weights = plan.temporary(way.panels, way.frequencies, sums.channels, vector)
    items = way.panels * sums.channels
    plan.prepare(transform_weights, panels, weights, items=items, scratch=way.scratch, way=way)
    windows = plan.temporary(way.frequencies, way.plane(way.vectors))
    items = way.pairs * way.vectors
    plan.launch(transform_windows, x, windows, items=items, scratch=way.scratch, way=way, of_result=False)
    products = plan.temporary(way.panels, way.frequencies, way.plane(1))
    plan.launch(multiply, windows, weights, products, items=way.panels * way.frequencies, way=way)
    items = way.panels * way.pairs
    plan.launch(transform_back, products, y, *others, items=items, scratch=way.scratch, way=way, epilogue=epilogue)


@kernel
def transform_weights(f: Function, panels: Pointer, to: Pointer, *, way: Tiling) -> None:
    """F(w) divided by the number of frequencies; an item is a vector of output channels for one input channel.

    (panels, taps, C, lanes) → (panels, frequencies, C, 2, lanes).
    """
    sums, lanes = way.sums, way.lanes
    for item in f.items():
        panel, c = item // sums.channels, item % sums.channels
        f.clear(f.scratch, way.scratch // 4)
        for indices in nested(f, [(0, count) for count in way.taps]):
            tap = number_of(indices, way.taps[1:])
            number = (panels + (panel * sums.depth + tap * sums.channels + c) * lanes).load(lanes)
            place(f, way, *indices).store(number)
        transform(f, way, -1, way.taps)
        for frequency, there in places(f, way):
            real, imaginary = read(there, lanes)
            scaled = real * (1 / way.frequencies), imaginary * (1 / way.frequencies)
            write(to + ((panel * way.frequencies + frequency) * sums.channels + c) * (2 * lanes), scaled, lanes)


@kernel
def multiply(f: Function, windows: Pointer, weights: Pointer, products: Pointer, *, way: Tiling) -> None:
    """F(x) · conj F(w), each item one frequency in one panel of output channels."""
    channels, vector = way.sums.channels, 2 * way.lanes
    pixel = way.vectors * vector
    for item in f.items():
        panel, frequency = item // way.frequencies, item % way.frequencies
        left = windows + (frequency * way.plane(way.vectors) + way.inputs_of(panel))
        right = weights + item * (channels * vector)
        for pair, rows in pieces(f, 0, way.pairs, way.pairs, rows_of_products(f.target.registers)):
            sums = Products(f, rows, way.lanes)
            sums.add(left + pair * pixel, pixel // 2, pixel, 1, right, vector, channels)
            for r, number in sums.results():
                write(products + (item * way.plane(1) + (pair + r) * vector), number, way.lanes)


@kernel
def transform_back(
    f: Function, products: Pointer, y: Pointer, *others: Pointer, way: Tiling, epilogue: Epilogue
) -> None:
    """y = epilogue(F⁻¹(products)); an item is a vector of output channels for one pair of tiles."""
    sums, lanes = way.sums, way.lanes
    lengths = [axis.length for axis in sums.axes]
    for item in f.items():
        panel, pair = item // way.pairs, item % way.pairs
        k, count = way.outputs_of(f, panel)
        for frequency, there in places(f, way):
            here = products + ((panel * way.frequencies + frequency) * way.plane(1) + pair * (2 * lanes))
            write(there, read(here, lanes), lanes)
        transform(f, way, 1, way.tile)
        for part, image, starts in way.two(f, pair):
            bounds: list[tuple[Integer, Integer]] = [
                (0, f.smaller(size, axis.count - start))
                for size, axis, start in zip(way.tile, sums.axes, starts, strict=True)
            ]
            for indices in nested(f, bounds):
                at = [
                    (start + i) * axis.step + axis.start
                    for start, i, axis in zip(starts, indices, sums.axes, strict=True)
                ]
                offset = number_of([image, *at], lengths) * (sums.groups * sums.outputs) + k
                value = (place(f, way, *indices) + part * lanes).load(lanes)
                epilogue.store(value, y, others, offset, k, count)
