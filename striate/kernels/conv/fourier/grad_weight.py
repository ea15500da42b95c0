"""The weight gradient of convolution by Fourier transforms, in four launches.

Windows of the input and tiles of the gradient to frequencies, for each frequency a product of matrices that sums over
all pairs of tiles, and back. Of a pair (x₁ + i·x₂) · conj(g₁ + i·g₂) has the real part x₁·g₁ + x₂·g₂, the sum for both.
"""

from striate.codegen import Function, Pointer, kernel, pieces
from striate.graph import Node
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
from striate.kernels.plan import Plan
from striate.kernels.pointwise import Epilogue


def launch_grad_weight(plan: Plan, node: Node, way: Tiling) -> None:
    """Have a `ConvGradWeight` node computed."""
    x, g = map(plan.read, node.inputs)
    windows = plan.temporary(way.frequencies, way.plane(way.vectors))
    items = way.pairs * way.vectors
    plan.launch(transform_windows, x, windows, items=items, scratch=way.scratch, way=way, of_result=False)
    gradients = plan.temporary(way.frequencies, way.plane(way.panels))
    items = way.pairs * way.panels
    plan.launch(transform_windows, g, gradients, items=items, scratch=way.scratch, way=way, of_result=True)
    sums = plan.temporary(way.panels, way.frequencies, way.sums.channels, 2 * way.lanes)
    plan.launch(multiply_pairs, windows, gradients, sums, items=way.panels * way.frequencies, way=way)
    y, epilogue, others = plan.finish(node)
    items = way.panels * way.sums.channels
    plan.launch(back_to_taps, sums, y, *others, items=items, scratch=way.scratch, way=way, epilogue=epilogue)


@kernel
def multiply_pairs(f: Function, windows: Pointer, gradients: Pointer, sums: Pointer, *, way: Tiling) -> None:
    """Σ over pairs of F(x) · conj F(g), each item one frequency in one panel of output channels.

    (frequencies, pairs, 2, C) and (frequencies, pairs, panels, 2, lanes) → (panels, frequencies, C, 2, lanes).
    """
    channels, lanes = way.sums.channels, way.lanes
    left_pixel, right_pixel = way.vectors * 2 * lanes, way.panels * 2 * lanes
    for item in f.items():
        panel, frequency = item // way.frequencies, item % way.frequencies
        left = windows + (frequency * way.plane(way.vectors) + way.inputs_of(panel))
        right = gradients + frequency * way.plane(way.panels) + panel * (2 * lanes)
        for c, rows in pieces(f, 0, channels, channels, rows_of_products(f.target.registers)):
            products = Products(f, rows, lanes)
            products.add(left + c, left_pixel // 2, 1, left_pixel, right, right_pixel, way.pairs)
            for r, number in products.results():
                write(sums + (item * channels + c + r) * (2 * lanes), number, lanes)


@kernel
def back_to_taps(f: Function, sums: Pointer, y: Pointer, *others: Pointer, way: Tiling, epilogue: Epilogue) -> None:
    """y = epilogue(F⁻¹(sums) at the taps); an item is a vector of output channels for one input channel."""
    correlation, lanes = way.sums, way.lanes
    for item in f.items():
        panel, c = item // correlation.channels, item % correlation.channels
        k, count = way.outputs_of(f, panel)
        for frequency, there in places(f, way):
            here = sums + ((panel * way.frequencies + frequency) * correlation.channels + c) * (2 * lanes)
            write(there, read(here, lanes), lanes)
        transform(f, way, 1, way.taps)
        for indices in nested(f, [(0, size) for size in way.taps]):
            row = number_of(indices, way.taps[1:]) * correlation.channels + c
            offset = row * (correlation.groups * correlation.outputs) + k
            value = place(f, way, *indices).load(lanes) * (1 / way.frequencies)
            epilogue.store(value, y, others, offset, k, count)
