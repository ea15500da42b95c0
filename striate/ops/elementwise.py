"""Element-wise arithmetic with NumPy's broadcasting, and the sum that undoes broadcasting in gradients."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from striate.errors import ShapeError
from striate.graph import Array, Node, Shape, Tensor
from striate.graph.tensor import ARITHMETIC
from striate.ops.operation import Box, Index, Operation, Read, Term, Terms, known_shape, read
from striate.ops.windows import integers

Rule = Callable[[Tensor, tuple[Tensor, ...], Tensor], tuple[Any, ...]]


def broadcast_shape(operation: str, *inputs: Any) -> Shape:
    """The shape that all inputs broadcast to, however large; raises ShapeError if there is none."""
    ranks = [len(value.shape) for value in inputs]
    most = max(ranks, default=0)
    result = []
    for axis in range(most):
        there = (v.shape[axis - most + rank] for v, rank in zip(inputs, ranks, strict=True) if axis >= most - rank)
        sizes = {size for size in there if size != 1}
        if len(sizes) > 1:
            shapes = " and ".join(str(tuple(value.shape)) for value in inputs)
            raise ShapeError(f"{operation}: expected shapes that broadcast together, got {shapes}.")
        result.append(sizes.pop() if sizes else 1)
    return tuple(result)


def read_broadcast(source: str, array: Array, index: Index) -> Read:
    """The number of ``array`` that is broadcast to the output's ``index``."""
    own = index[len(index) - array.ndim :]
    return read(source, array, tuple(0 if n == 1 else i for i, n in zip(own, array.shape, strict=True)))


def reach_broadcast(tensor: Tensor, box: Box, output: Tensor) -> Box | None:
    """The rectangle of ``tensor`` that is broadcast to the rectangle ``box`` of ``output``."""
    if len(tensor.shape) != len(output.shape):
        return None
    return Box(tuple((0, 1) if n == 1 else side for n, side in zip(tensor.shape[1:-1], box.sides, strict=True)))


class ElementWise(Operation):
    """One NumPy function applied element by element.

    Arguments:
        name: the operation's name.
        inputs: names of its inputs.
        formula: what it computes, in the notation of `Terms`.
        function: the NumPy function.
        rule: (grad_output, inputs, output) → gradient for each input, before the sum that undoes broadcasting.
        signs: of each input, if the function is a signed sum of them; then each input is a separate term.
    """

    def __init__(
        self,
        name: str,
        inputs: tuple[str, ...],
        formula: str,
        function: Callable[..., Any],
        rule: Rule,
        signs: tuple[int, ...] = (),
    ):
        self.name, self.inputs, self.formula = name, inputs, formula
        self.function, self.rule, self.signs = function, rule, signs
        super().__init__()

    def shape(self, *inputs: Any) -> Shape:
        return broadcast_shape(self.name, *inputs)

    def dtype(self, *inputs: Any) -> Any:
        floating = [value.dtype for value in inputs if value.dtype.kind == "f"]  # integers do not widen floats
        return np.result_type(*(floating or [value.dtype for value in inputs]))

    def forward(self, *arrays: Array) -> Array:
        return np.asarray(self.function(*arrays), self.dtype(*arrays))

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        inputs = tuple(node.inputs)
        contributions = self.rule(grad_output, inputs, node.output)
        return tuple(
            None if grad is None else sum_to(grad, tensor.shape)
            for grad, tensor in zip(contributions, inputs, strict=True)
        )

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [reach_broadcast(tensor, box, node.output) for tensor in node.inputs]

    def terms(self, index: Index, *arrays: Array) -> Terms:
        reads = tuple(read_broadcast(name, array, index) for name, array in zip(self.inputs, arrays, strict=True))
        if self.signs:
            signed = zip(self.signs, reads, strict=True)
            return Terms(self.formula, tuple(Term(sign * one.value, (one,)) for sign, one in signed))
        with np.errstate(all="ignore"):
            value = float(self.function(*(np.float64(r.value) for r in reads)))
        return Terms(self.formula, (Term(value, reads),))


class Comparison(ElementWise):
    """1 where the comparison holds, else 0; floating, so that means, products and kernels can use it directly.

    Its gradient is 0 wherever it is defined.
    """

    def __init__(self, name: str, sign: str, function: Callable[..., Any]):
        super().__init__(name, ("x1", "x2"), f"1 where x1 {sign} x2", function, lambda g, i, y: (None, None))

    def dtype(self, *inputs: Any) -> Any:
        return np.result_type(np.float32, *(value.dtype for value in inputs if value.dtype.kind == "f"))

    def forward(self, *arrays: Array) -> Array:
        return np.asarray(self.function(*arrays), self.dtype(*arrays))


class SumTo(Operation):
    """Sum over the axes along which ``shape`` was broadcast: the adjoint of broadcasting."""

    name = "sum_to"
    inputs = ("x",)

    def shape(self, x: Any, *, shape: Shape) -> Shape:
        if broadcast_shape(self.name, x, Tensor(shape)) != tuple(x.shape):
            raise ShapeError(f"{self.name}: {shape} does not broadcast to {tuple(x.shape)}.")
        return shape

    def forward(self, x: Array, *, shape: Shape) -> Array:
        x = x.sum(axis=tuple(range(x.ndim - len(shape))))  # leading axes that broadcasting added
        stretched = tuple(i for i, (n, m) in enumerate(zip(shape, x.shape, strict=True)) if n != m)
        return np.asarray(x.sum(axis=stretched, keepdims=True))

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (broadcast_to(grad_output, node.inputs[0].shape),)

    def terms(self, index: Index, x: Array, *, shape: Shape) -> Terms:
        front = x.ndim - len(shape)
        ranges = [range(n) for n in x.shape[:front]]
        ranges += [
            range(i, i + 1) if n == m else range(m) for i, n, m in zip(index, shape, x.shape[front:], strict=True)
        ]
        summands = (read("x", x, place) for place in itertools.product(*ranges))
        return Terms("Σ x over the broadcast axes", tuple(Term(r.value, (r,)) for r in summands))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        x, y = known_shape(node.inputs[0]), known_shape(node.output)
        if len(x) != len(y):
            return [None]
        sides = zip(x[1:-1], y[1:-1], box.sides, strict=True)
        return [Box(tuple(side if n == m else (0, n) for n, m, side in sides))]


class BroadcastTo(Operation):
    """Repeat along axes of size 1, and along new leading axes."""

    name = "broadcast_to"
    inputs = ("x",)

    def shape(self, x: Any, *, shape: Shape) -> Shape:
        if broadcast_shape(self.name, x, Tensor(shape)) != tuple(shape):
            raise ShapeError(f"{self.name}: {tuple(x.shape)} does not broadcast to {tuple(shape)}.")
        return tuple(shape)

    def forward(self, x: Array, *, shape: Shape) -> Array:
        return np.broadcast_to(x, shape)

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor]:
        return (sum_to(grad_output, node.inputs[0].shape),)

    def terms(self, index: Index, x: Array, *, shape: Shape) -> Terms:
        one = read_broadcast("x", x, index)
        return Terms("x", (Term(one.value, (one,)),))

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        return [reach_broadcast(node.inputs[0], box, node.output)]


SUM_TO = SumTo()
BROADCAST_TO = BroadcastTo()


def sum_to(x: Any, shape: Any) -> Any:
    """Sum ``x`` over the axes along which ``shape`` would be broadcast to it; ``x`` itself if there are none.

    Arguments:
        x: any shape that ``shape`` broadcasts to.
        shape: shape of the result.

    Raises:
        ArgumentError: ``shape`` is not a list of integers.
        ShapeError: ``shape`` does not broadcast to that of ``x``.
    """
    (x,), shape = SUM_TO.same_kind(x), integers("sum_to", "shape", shape)
    return x if tuple(x.shape) == shape else SUM_TO(x, shape=shape)


def broadcast_to(x: Any, shape: Any) -> Any:
    """Repeat ``x`` along axes of size 1 and along new leading axes until it has ``shape``.

    Raises:
        ArgumentError: ``shape`` is not a list of integers.
        ShapeError: it does not broadcast to ``shape``.
    """
    (x,), shape = BROADCAST_TO.same_kind(x), integers("broadcast_to", "shape", shape)
    return x if tuple(x.shape) == shape else BROADCAST_TO(x, shape=shape)


def add_bias(where: str, y: Any, bias: Any) -> Any:
    """``y`` (…, K) plus one number for each entry of the last axis; None adds nothing.

    Raises:
        ShapeError: ``bias`` is not (K,).
    """
    if bias is None:
        return y
    y, bias = ADD.same_kind(y, bias)
    if tuple(bias.shape) != tuple(y.shape[-1:]):
        raise ShapeError(
            f"{where}: expected a bias of {tuple(y.shape[-1:])}, one number for each output, got {tuple(bias.shape)}."
        )
    return ADD(y, bias)


def _larger(g: Tensor, inputs: tuple[Tensor, ...], chosen: Callable[..., Any]) -> tuple[Any, Any]:
    """The gradient goes to the input that was picked; on a tie, to the first."""
    first = chosen(*inputs)
    return multiply(g, first), multiply(g, subtract(1.0, first))


ADD = ElementWise("add", ("x1", "x2"), "x1 + x2", np.add, lambda g, i, y: (g, g), (1, 1))
SUBTRACT = ElementWise("subtract", ("x1", "x2"), "x1 − x2", np.subtract, lambda g, i, y: (g, negative(g)), (1, -1))
MULTIPLY = ElementWise(
    "multiply", ("x1", "x2"), "x1·x2", np.multiply, lambda g, i, y: (multiply(g, i[1]), multiply(g, i[0]))
)
DIVIDE = ElementWise(
    "divide",
    ("x1", "x2"),
    "x1 / x2",
    np.divide,
    lambda g, i, y: (divide(g, i[1]), negative(divide(multiply(g, y), i[1]))),
)
NEGATIVE = ElementWise("negative", ("x",), "−x", np.negative, lambda g, i, y: (negative(g),))
EQUAL = Comparison("equal", "=", np.equal)
NOT_EQUAL = Comparison("not_equal", "≠", np.not_equal)
GREATER = Comparison("greater", ">", np.greater)
GREATER_EQUAL = Comparison("greater_equal", "≥", np.greater_equal)
LESS = Comparison("less", "<", np.less)
LESS_EQUAL = Comparison("less_equal", "≤", np.less_equal)
MAXIMUM = ElementWise("maximum", ("x1", "x2"), "max(x1, x2)", np.maximum, lambda g, i, y: _larger(g, i, greater_equal))
MINIMUM = ElementWise("minimum", ("x1", "x2"), "min(x1, x2)", np.minimum, lambda g, i, y: _larger(g, i, less_equal))
ABSOLUTE = ElementWise("absolute", ("x",), "|x|", np.abs, lambda g, i, y: (multiply(g, sign(i[0])),))
SIGN = ElementWise("sign", ("x",), "sign(x)", np.sign, lambda g, i, y: (None,))
SQUARE = ElementWise("square", ("x",), "x²", np.square, lambda g, i, y: (multiply(g, multiply(2.0, i[0])),))
SQRT = ElementWise("sqrt", ("x",), "√x", np.sqrt, lambda g, i, y: (divide(g, multiply(2.0, y)),))
EXP = ElementWise("exp", ("x",), "eˣ", np.exp, lambda g, i, y: (multiply(g, y),))
LOG = ElementWise("log", ("x",), "ln x", np.log, lambda g, i, y: (divide(g, i[0]),))
# Rounding's gradient is 0 wherever it is defined.
FLOOR = ElementWise("floor", ("x",), "⌊x⌋", np.floor, lambda g, i, y: (None,))
CEIL = ElementWise("ceil", ("x",), "⌈x⌉", np.ceil, lambda g, i, y: (None,))
ROUND = ElementWise("round", ("x",), "x to the nearest integer", np.rint, lambda g, i, y: (None,))
# The identity, through which no gradient flows.
STOP_GRADIENT = ElementWise("stop_gradient", ("x",), "x", np.positive, lambda g, i, y: (None,))
WHERE = ElementWise(
    "where",
    ("condition", "x1", "x2"),
    "x1 where the condition is not 0, else x2",
    lambda condition, a, b: np.where(condition != 0, a, b),
    lambda g, i, y: (None, where(i[0], g, 0.0), where(i[0], 0.0, g)),
)
POWER = ElementWise(
    "power",
    ("x1", "x2"),
    "x1 to the power x2",
    np.power,
    lambda g, i, y: (
        multiply(g, multiply(i[1], power(i[0], subtract(i[1], 1.0)))),
        multiply(g, multiply(y, log(i[0]))),
    ),
)


def add(x1: Any, x2: Any) -> Any:
    """x1 + x2, broadcast."""
    return ADD(x1, x2)


def subtract(x1: Any, x2: Any) -> Any:
    """x1 − x2, broadcast."""
    return SUBTRACT(x1, x2)


def multiply(x1: Any, x2: Any) -> Any:
    """x1 · x2 element by element, broadcast."""
    return MULTIPLY(x1, x2)


def divide(x1: Any, x2: Any) -> Any:
    """x1 / x2, broadcast; division by zero gives ±infinity or NaN."""
    return DIVIDE(x1, x2)


def negative(x: Any) -> Any:
    """−x."""
    return NEGATIVE(x)


def stop_gradient(x: Any) -> Any:
    """x itself, treated as a constant: no gradient flows back through it."""
    return STOP_GRADIENT(x)


def power(x1: Any, x2: Any) -> Any:
    """x1 to the power x2, broadcast."""
    return POWER(x1, x2)


def maximum(x1: Any, x2: Any) -> Any:
    """The larger of x1 and x2, broadcast; NaN propagates; on a tie the gradient goes to x1."""
    return MAXIMUM(x1, x2)


def minimum(x1: Any, x2: Any) -> Any:
    """The smaller of x1 and x2, broadcast; NaN propagates; on a tie the gradient goes to x1."""
    return MINIMUM(x1, x2)


def equal(x1: Any, x2: Any) -> Any:
    """1 where x1 = x2, else 0, broadcast; floating, in float32 unless an input is wider. Its gradient is 0."""
    return EQUAL(x1, x2)


def not_equal(x1: Any, x2: Any) -> Any:
    """1 where x1 ≠ x2, also where one is NaN, else 0; type and gradient as `equal`."""
    return NOT_EQUAL(x1, x2)


def greater(x1: Any, x2: Any) -> Any:
    """1 where x1 > x2, else 0; type and gradient as `equal`."""
    return GREATER(x1, x2)


def greater_equal(x1: Any, x2: Any) -> Any:
    """1 where x1 ≥ x2, else 0; type and gradient as `equal`."""
    return GREATER_EQUAL(x1, x2)


def less(x1: Any, x2: Any) -> Any:
    """1 where x1 < x2, else 0; type and gradient as `equal`."""
    return LESS(x1, x2)


def less_equal(x1: Any, x2: Any) -> Any:
    """1 where x1 ≤ x2, else 0; type and gradient as `equal`."""
    return LESS_EQUAL(x1, x2)


def logical_not(x: Any) -> Any:
    """1 where x is 0, else 0; type and gradient as `equal`."""
    return equal(x, 0.0)


def logical_and(x1: Any, x2: Any) -> Any:
    """1 where neither x1 nor x2 is 0, else 0, broadcast; type and gradient as `equal`."""
    return multiply(not_equal(x1, 0.0), not_equal(x2, 0.0))


def logical_or(x1: Any, x2: Any) -> Any:
    """1 where x1 or x2 is not 0, else 0, broadcast; type and gradient as `equal`."""
    return maximum(not_equal(x1, 0.0), not_equal(x2, 0.0))


def logical_xor(x1: Any, x2: Any) -> Any:
    """1 where one of x1 and x2 is 0 and the other is not, else 0, broadcast; type and gradient as `equal`."""
    return not_equal(not_equal(x1, 0.0), not_equal(x2, 0.0))


def absolute(x: Any) -> Any:
    """|x|; the gradient at 0 is 0."""
    return ABSOLUTE(x)


def sign(x: Any) -> Any:
    """−1, 0 or 1; its gradient is 0."""
    return SIGN(x)


def square(x: Any) -> Any:
    """x²."""
    return SQUARE(x)


def sqrt(x: Any) -> Any:
    """√x."""
    return SQRT(x)


def exp(x: Any) -> Any:
    """e to the power x."""
    return EXP(x)


def log(x: Any) -> Any:
    """The natural logarithm of x."""
    return LOG(x)


def floor(x: Any) -> Any:
    """The largest integer that is not above x; its gradient is 0."""
    return FLOOR(x)


def ceil(x: Any) -> Any:
    """The smallest integer that is not below x; its gradient is 0."""
    return CEIL(x)


def round(x: Any, decimals: int = 0) -> Any:
    """x rounded to ``decimals`` decimal places, ties to even; its gradient is 0.

    Raises:
        ArgumentError: ``decimals`` is not an integer.
    """
    (places,) = integers("round", "decimals", (decimals,))
    return divide(ROUND(multiply(x, 10.0**places)), 10.0**places) if places else ROUND(x)


def where(condition: Any, x1: Any, x2: Any) -> Any:
    """x1 where the condition is not 0, else x2, with broadcasting."""
    return WHERE(condition, x1, x2)


def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """x limited to the range from ``x_min`` to ``x_max``; the gradient is 0 outside."""
    return minimum(maximum(x, x_min), x_max)


ARITHMETIC.update(
    absolute=absolute,
    add=add,
    divide=divide,
    equal=equal,
    greater=greater,
    greater_equal=greater_equal,
    less=less,
    less_equal=less_equal,
    logical_and=logical_and,
    logical_not=logical_not,
    logical_or=logical_or,
    logical_xor=logical_xor,
    multiply=multiply,
    negative=negative,
    not_equal=not_equal,
    power=power,
    stop_gradient=stop_gradient,
    subtract=subtract,
)
