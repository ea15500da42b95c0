"""Dropout: one kernel draws the mask, once in a step; forward and backward then multiply by it.

The bits are those of `striate.random.bits`: Philox-4x64-10, whose block n + 1 gives the 32-bit numbers 8·n … 8·n + 7.

Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011).
"""

import math

import numpy as np

from striate.codegen import Function, Pointer, Value, kernel
from striate.codegen.values import BYTE, INT, LONG, Type
from striate.graph import Node, Shape
from striate.kernels.broadcasting import compute, under
from striate.kernels.plan import FUSIONS, Buffer, Fusion, Plan, lowers
from striate.kernels.pointwise import Pointwise
from striate.ops.dropout import DROPOUT, mask_shape, threshold
from striate.ops.operation import known_shape
from striate.random import purpose_number

ITEM = 1024  # numbers drawn by one item
ROUNDS = 10
MULTIPLIERS = 0xD2E7470EE14C6C93, 0xCA5A826395121157
WEYL = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B  # what a key grows by from round to round
TWICE = Type("i128")


@kernel
def draw_mask(f: Function, random: Pointer, drawn: Pointer, kept: Pointer) -> None:
    """kept = 1 where the 32-bit number at the same position is not below the threshold, else 0.

    Arguments:
        random: seed and step.
        drawn: the purpose's number, the stream, the threshold, and how many numbers there are.
    """
    seed, step = random[0], random[1]
    purpose, stream, least, size = (drawn[i] for i in range(4))
    keys = [(seed + WEYL[0] * i, purpose + WEYL[1] * i) for i in range(ROUNDS)]
    words, numbers = f.scratch.view(LONG), f.scratch.view(INT)
    least, lanes = f.convert(least, INT), f.target.lanes
    for item in f.items():
        for block in f.range(0, ITEM // 8):
            counter = item * (ITEM // 8) + block + 1
            for i, word in enumerate(philox(f, (counter, f.constant(0, LONG), stream, step), keys)):
                (words + block * 4 + i).store(word)
        start = item * ITEM
        count = f.smaller(size - start, ITEM)
        for width, first, last in ((lanes, 0, count // lanes * lanes), (1, count // lanes * lanes, count)):
            for i in f.range(first, last, width):
                above = (numbers + i).load(width).compare("uge", "oge", least)
                (kept + (start + i)).store(f.convert(above, BYTE))


def philox(f: Function, counter: tuple[Value, ...], keys: list[tuple[Value, Value]]) -> tuple[Value, ...]:
    """One block: four 64-bit words."""
    a, b, c, d = counter
    for first, second in keys:
        (high_a, low_a), (high_c, low_c) = _product(f, a, MULTIPLIERS[0]), _product(f, c, MULTIPLIERS[1])
        a, b, c, d = high_c ^ b ^ first, low_c, high_a ^ d ^ second, low_a
    return a, b, c, d


def _product(f: Function, a: Value, b: int) -> tuple[Value, Value]:
    """The high and the low 64 bits of a·b."""
    product = f.convert(a, TWICE, signed=False) * b
    return f.convert(product >> 64, LONG), f.convert(product, LONG)


def mask_of(plan: Plan, node: Node) -> tuple[str, list[Buffer]]:
    """What dropout multiplies by: the mask, and 1 / (1 − rate)."""
    rate, stream = node.attributes["rate"], node.attributes["stream"]
    random, shape = node.inputs[1], shape_of_mask(node)
    key = (DROPOUT, random, rate, stream, shape)
    if key not in plan.shared:
        size = math.prod(shape)
        kept = plan.temporary(*shape, dtype=np.uint8)
        drawn = plan.constant(np.array([purpose_number("dropout"), stream, threshold(rate), size], np.uint64))
        scale = plan.constant(np.array(1 / (1 - rate), np.float32))
        items = -(-size // ITEM)
        plan.launch(draw_mask, plan.read(random), drawn, kept, items=items, scratch=4 * ITEM)
        plan.shared[key] = [kept, scale]
    return "drop", plan.shared[key]


def shape_of_mask(node: Node) -> Shape:
    """The shape of what is drawn for a node."""
    return mask_shape(known_shape(node.output), node.attributes["noise_shape"])


FUSIONS[DROPOUT.name] = Fusion(mask_of, lambda node: [shape_of_mask(node)])


@lowers(DROPOUT)
def lower(plan: Plan, node: Node) -> bool | None:
    """x·kept / (1 − rate), and what follows it."""
    x, _ = node.inputs
    if x.dtype != np.float32:
        return False
    name, parameters = mask_of(plan, node)
    shape = known_shape(x)
    operands = [under(shape, plan.read(x), shape), *(under(shape, buffer) for buffer in parameters)]
    y, epilogue, others = plan.finish(node)
    compute(plan, Pointwise(name, ()), operands, shape, y, epilogue, others)
    return None
