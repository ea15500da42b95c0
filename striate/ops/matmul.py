"""The product of two computed matrices, or stacks of them; for products with weights see `striate.ops.dense`.

    y = a · b        grad_a = g · bᵀ        grad_b = aᵀ · g

Each matrix may be used as it is or transposed, so that all three are one operation and nothing is transposed in memory.
Leading axes broadcast as in NumPy; where a factor is repeated, its gradient is summed inside of the product, by making
the repeated axes part of the sum, so that no product is larger than needed.

Letters: … leading axes, N rows, K the sum, M columns.
"""

import math
from typing import Any

import numpy as np

from striate.errors import ShapeError
from striate.graph import Array, Node, Shape, Tensor
from striate.graph.tensor import ARITHMETIC
from striate.ops.dense import dense
from striate.ops.elementwise import broadcast_shape, read_broadcast
from striate.ops.operation import Box, Index, Operation, Term, Terms, known_shape
from striate.ops.shape import reshape, transpose


class Matmul(Operation):
    """y[…, n, m] = Σ a[…, n, k] · b[…, k, m]; a or b may be stored transposed, as (…, K, N) or (…, M, K)."""

    name = "matmul"
    inputs = ("a", "b")

    def shape(self, a: Any, b: Any, *, transpose_a: bool, transpose_b: bool) -> Shape:
        if min(len(a.shape), len(b.shape)) < 2:
            raise ShapeError(f"matmul: expected matrices, got shapes {tuple(a.shape)} and {tuple(b.shape)}.")
        n, k = _sizes(a, transpose_a)
        same, m = _sizes(b, transpose_b)
        if k != same:
            turned = " transposed" if transpose_a or transpose_b else ""
            raise ShapeError(
                f"matmul: expected as many columns on the left as rows on the right, got {k} and {same} (shapes "
                f"{tuple(a.shape)} and {tuple(b.shape)}{turned})."
            )
        return (*broadcast_shape("matmul", Tensor(a.shape[:-2]), Tensor(b.shape[:-2])), n, m)

    def forward(self, a: Array, b: Array, *, transpose_a: bool, transpose_b: bool) -> Array:
        return np.asarray(np.matmul(_turned(a, transpose_a), _turned(b, transpose_b)))

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        (a, b), g = node.inputs, grad_output
        turned_a, turned_b = node.attributes["transpose_a"], node.attributes["transpose_b"]
        left, right = (g, False), (b, not turned_b)  # grad_a = g · bᵀ; for a transposed, b · gᵀ
        grad_a = _summed(*_swapped(left, right) if turned_a else (left, right), known_shape(a))
        left, right = (a, not turned_a), (g, False)  # grad_b = aᵀ · g; for b transposed, gᵀ · a
        grad_b = _summed(*_swapped(left, right) if turned_b else (left, right), known_shape(b))
        return grad_a, grad_b

    def terms(self, index: Index, a: Array, b: Array, *, transpose_a: bool, transpose_b: bool) -> Terms:
        *stack, n, m = index
        summands = []
        for k in range(_sizes(a, transpose_a)[1]):
            left = read_broadcast("a", a, (*stack, *((k, n) if transpose_a else (n, k))))
            right = read_broadcast("b", b, (*stack, *((m, k) if transpose_b else (k, m))))
            summands.append(Term(left.value * right.value, (left, right)))
        return Terms("Σ a·b", tuple(summands))

    def multiply_adds(self, node: Node) -> int:
        return math.prod(known_shape(node.output)) * self.fan_in(node)

    def fan_in(self, node: Node) -> int:
        return _sizes(node.inputs[0], node.attributes["transpose_a"])[1]

    def reach(self, node: Node, box: Box) -> list[Box | None]:
        rows = not node.attributes["transpose_a"]
        return [_reach(node.inputs[0], box, node.output, rows), _reach(node.inputs[1], box, node.output, rows=False)]


MATMUL = Matmul()

#: A factor, and whether to transpose it.
Factor = tuple[Tensor, bool]


def matmul(x1: Any, x2: Any) -> Any:
    """The matrix product with NumPy's broadcasting: (…, N, K) · (…, K, M) → (…, N, M).

    Arguments:
        x1: any rank from 1; a vector (K,) counts as one row, which is dropped from the result.
        x2: any rank from 1; a vector (K,) counts as one column, which is dropped from the result.

    Returns:
        (…, N, M), newly allocated; the products of single numbers are never stored.

    Raises:
        ShapeError: an input is a scalar, sizes along the sum differ, or leading axes do not broadcast.

    Source: https://numpy.org/doc/stable/reference/generated/numpy.matmul.html
    """
    x1, x2 = MATMUL.same_kind(x1, x2)
    if not x1.shape or not x2.shape:
        raise ShapeError(f"matmul: expected vectors or matrices, got shapes {tuple(x1.shape)} and {tuple(x2.shape)}.")
    row, column = len(x1.shape) == 1, len(x2.shape) == 1
    a = reshape(x1, (1, *x1.shape)) if row else x1
    b = reshape(x2, (*x2.shape, 1)) if column else x2
    y = product(a, b)
    if not row and not column:
        return y
    *stack, n, m = (-1 if size is None else size for size in y.shape)
    return reshape(y, (*stack, *(n,) * (not row), *(m,) * (not column)))


def product(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """`matmul` of matrices (rank 2 or more) that may be transposed; a single matrix on the right goes to `dense`.

    Raises:
        ShapeError: as `matmul`.
    """
    a, b = MATMUL.same_kind(a, b)
    if not (transpose_a or transpose_b) and len(b.shape) == 2 and a.shape[-1] == b.shape[0] and 0 not in b.shape:
        return dense(a, b)
    return MATMUL(a, b, transpose_a=transpose_a, transpose_b=transpose_b)


ARITHMETIC["matmul"] = matmul


def _sizes(x: Any, turned: bool) -> Shape:
    """Rows and columns of a factor."""
    rows, columns = x.shape[-2:]
    return (columns, rows) if turned else (rows, columns)


def _turned(x: Array, turned: bool) -> Array:
    return x.swapaxes(-1, -2) if turned else x


def _swapped(left: Factor, right: Factor) -> tuple[Factor, Factor]:
    """The factors of the transposed product: (A · B)ᵀ = Bᵀ · Aᵀ."""
    return (right[0], not right[1]), (left[0], not left[1])


def _summed(left: Factor, right: Factor, shape: Shape) -> Any:
    """left · right, summed over the leading axes along which an array of ``shape`` was repeated.

    These axes become part of the product's own sum: (…, S, N, K) · (…, S, K, M) → (…, N, S·K) · (…, S·K, M).
    """
    (a, turned_a), (b, turned_b) = left, right
    a, b = (_raised(x, max(len(a.shape), len(b.shape))) for x in (a, b))
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    wanted = (1,) * (len(stack) + 2 - len(shape)) + shape[:-2]
    repeated = [axis for axis, (n, m) in enumerate(zip(stack, wanted, strict=True)) if n != m]
    if repeated:
        kept = [axis for axis in range(len(stack)) if axis not in repeated]
        a, b = _joined(a, turned_a, kept, repeated), _joined(b, not turned_b, kept, repeated)
        turned_a, turned_b = False, True
    return reshape(MATMUL(a, b, transpose_a=turned_a, transpose_b=turned_b), shape)


def _raised(x: Tensor, rank: int) -> Any:
    """x with leading axes of size 1 added, up to ``rank``."""
    return reshape(x, (1,) * (rank - len(x.shape)) + known_shape(x))


def _joined(x: Tensor, turned: bool, kept: list[int], repeated: list[int]) -> Any:
    """(leading axes, N, K) → (kept axes, N, repeated axes · K)."""
    rank = len(x.shape)
    rows, columns = (rank - 1, rank - 2) if turned else (rank - 2, rank - 1)
    moved = transpose(x, (*kept, rows, *repeated, columns))
    size = known_shape(moved)
    return reshape(moved, (*size[: len(kept) + 1], math.prod(size[len(kept) + 1 :])))


def _reach(x: Tensor, box: Box, output: Tensor, rows: bool) -> Box | None:
    """The part of a factor that ``box`` of the output depends on: in its matrices, the same rows, or everything."""
    rank = len(output.shape)
    if len(x.shape) != rank:
        return None
    if rank == 2:
        return Box(()) if rows else None
    stack = zip(known_shape(x)[1:-2], box.sides, strict=False)
    sides = tuple((0, 1) if n == 1 else side for n, side in stack)
    return Box((*sides, box.sides[-1] if rows else (0, known_shape(x)[-2])))
