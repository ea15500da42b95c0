"""Operations that work element by element, as values of a kernel: on their own, or at the end of another's kernel."""

import functools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from striate.codegen import Function, Pointer, Target, Value, math
from striate.codegen.values import FLOAT, Integer
from striate.graph import Shape
from striate.kernels.activations import ACTIVATIONS, ones_where
from striate.kernels.losses import LOSSES

#: Operation name → what it does to vectors of numbers: ``(f, *values, **attributes) → value``.
POINTWISE: dict[str, Callable[..., Value]] = {
    "add": lambda f, a, b: a + b,
    "subtract": lambda f, a, b: a - b,
    "multiply": lambda f, a, b: a * b,
    "divide": lambda f, a, b: a / b,
    "negative": lambda f, x: -x,
    "square": lambda f, x: x * x,
    "stop_gradient": lambda f, x: x,
    "sqrt": lambda f, x: f.sqrt(x),
    "absolute": lambda f, x: f.absolute(x),
    "sign": lambda f, x: f.select(x > 0.0, 1.0, f.select(x < 0.0, -1.0, x)),
    "maximum": lambda f, a, b: f.maximum(a, b),
    "minimum": lambda f, a, b: f.minimum(a, b),
    "equal": lambda f, a, b: ones_where(f, a.equals(b), a),
    "not_equal": lambda f, a, b: ones_where(f, a.differs(b), a),
    "greater": lambda f, a, b: ones_where(f, a > b, a),
    "greater_equal": lambda f, a, b: ones_where(f, a >= b, a),
    "less": lambda f, a, b: ones_where(f, a < b, a),
    "less_equal": lambda f, a, b: ones_where(f, a <= b, a),
    "floor": math.floor,
    "ceil": lambda f, x: -math.floor(f, -x),
    "round": math.round_even,
    "where": lambda f, condition, a, b: f.select(condition.differs(0.0), a, b),
    "erf": math.erf,
    "exp": math.exp,
    "log": math.log,
    "power": math.power,
    "drop": lambda f, x, kept, scale: x * kept * scale,
    "scale_shift": lambda f, x, scale, shift: f.fma(x, scale, shift),
    **ACTIVATIONS,
    **LOSSES,
}

#: Floats in a cache line.
LINE = 16
#: Instructions of an operation that is short; longer ones should not be written down many times.
FEW = 5
#: Instructions that take as long as many others.
SLOW = ("fdiv", "llvm.sqrt")


def placement(shape: Shape, result: Shape) -> str:
    """How an operand lies under a result: ``same``, one number for each ``channel``, one ``scalar``, or ``""``."""
    if shape == result:
        return "same"
    if all(size == 1 for size in shape):
        return "scalar"
    if len(shape) <= len(result) and shape[-1] == result[-1] and all(size == 1 for size in shape[:-1]):
        return "channel"
    return ""


@dataclass(frozen=True)
class Pointwise:
    """One element-wise operation; called with a function and vectors of numbers, it writes what computes the result.

    Arguments:
        operation: its name.
        attributes: its settings.
        arguments: in an `Epilogue`, for each input −1 for the number so far, or which of the other operands.
    """

    operation: str
    attributes: tuple[tuple[str, Hashable], ...]
    arguments: tuple[int, ...] = ()

    def __call__(self, f: Function, *values: Value) -> Value:
        floating = (v if v.type.is_floating else f.convert(v, FLOAT, signed=False) for v in values)
        return POINTWISE[self.operation](f, *floating, **dict(self.attributes))


@functools.lru_cache(256)
def is_short(operation: Pointwise, target: Target) -> bool:
    """Whether an operation of an `Epilogue` is a few quick instructions, found by writing it down once."""
    f = Function(operation.operation, target)
    values = [f.argument(number, FLOAT).load(target.lanes) for number in range(len(operation.arguments))]
    before = len(f.instructions)
    operation(f, *values)
    written = f.instructions[before:]
    return len(written) <= FEW and not any(slow in line for line in written for slow in SLOW)


class Epilogue(NamedTuple):
    """What is done to each number of a result before it is stored.

    Arguments:
        operations: element-wise, each on the result of the one before.
        operands: how each other operand lies under the result (`placement`).
    """

    operations: tuple[Pointwise, ...] = ()
    operands: tuple[str, ...] = ()

    def apply(
        self, value: Value, others: Sequence[Pointer], offset: Integer, channel: Integer, count: Integer | None = None
    ) -> Value:
        """The value after all operations.

        Arguments:
            value: a vector of neighbouring channels of the result.
            others: pointers to the other operands.
            offset: elements from the beginning of the result to the vector.
            channel: channel of its first lane.
            count: lanes that are real; default all.
        """
        f, lanes = value.function, value.type.lanes

        def operand(number: int) -> Value:
            if number < 0:
                return value
            pointer, where = others[number], self.operands[number]
            if where == "scalar":
                return f.splat(pointer.load(), lanes)
            return (pointer + (offset if where == "same" else channel)).load(lanes, count)

        for operation in self.operations:
            value = operation(f, *map(operand, operation.arguments))
        return value

    def prefetch(self, f: Function, y: Pointer, others: Sequence[Pointer], offset: Integer, count: int) -> None:
        """Have the places brought into the cache at which `store` will write, and read, ``count`` numbers."""
        reads = [other for other, where in zip(others, self.operands, strict=True) if where == "same"]
        for first in range(0, count, LINE):
            f.prefetch(y + offset + first, to_write=True)
            for other in reads:
                f.prefetch(other + offset + first)

    def split(self, target: Target) -> tuple["Epilogue", "Epilogue"]:
        """The operations before the first long one, and the others; none of these if one needs to know the channel."""
        every = self.operations
        short = next((n for n, each in enumerate(every) if not is_short(each, target)), len(every))
        needed = [self.operands[a] for each in every[short:] for a in each.arguments if a >= 0]
        if "channel" in needed:
            short = len(every)
        return Epilogue(every[:short], self.operands), Epilogue(every[short:], self.operands)

    def store(
        self,
        value: Value,
        y: Pointer,
        others: Sequence[Pointer],
        offset: Integer,
        channel: Integer,
        count: Integer | None = None,
    ) -> None:
        """Apply the steps to a value and store it at ``y + offset``; arguments as `apply`."""
        (y + offset).store(self.apply(value, others, offset, channel, count), count=count)


#: The epilogue that does nothing.
NOTHING = Epilogue()
