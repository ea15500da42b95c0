"""The checkers must find what is wrong: each is shown an operation with one mistake."""

from typing import Any

import numpy as np
import pytest

from striate import ops
from striate.graph import Array, Node, Tensor
from striate.ops.conv import CONV
from striate.ops.operation import OPERATIONS, Index, Operation, Read, Term, Terms
from striate.testing import check_adjoint, check_gradient, check_terms

X = np.random.default_rng(0).standard_normal((3, 4))


class Cube(Operation):
    """x³, with a gradient and terms that some tests get wrong on purpose."""

    name = "cube"
    inputs = ("x",)

    def __init__(self, slope: Any = lambda x: 3.0 * x * x, factor: float = 1.0, source: str = "x"):
        self.slope, self.factor, self.source = slope, factor, source
        super().__init__()
        del OPERATIONS[self.name]  # no operation of the library

    def shape(self, x: Any) -> tuple[int, ...]:
        return tuple(x.shape)

    def forward(self, x: Array) -> Array:
        return x**3

    def gradient(self, node: Node, grad_output: Tensor) -> tuple[Tensor | None]:
        slope = self.slope(node.inputs[0])
        if slope is None or slope.shape != grad_output.shape:
            return (slope,)
        return (ops.multiply(grad_output, slope),)

    def terms(self, index: Index, x: Array) -> Terms:
        value = float(x[index])
        return Terms("x³", (Term(self.factor * value**3, (Read(self.source, index, value),)),))


def test_right_operations_pass() -> None:
    assert check_gradient(Cube(), [X]) <= 1e-8
    check_terms(Cube(), [X])
    assert check_adjoint(lambda x: 2 * x, lambda g: 2 * g, X) == 0


@pytest.mark.parametrize(
    ("slope", "message"),
    [
        (
            lambda x: 3.0001 * x * x,
            r"cube \[\(3, 4\)\] \{\}: expected slope .* along a direction of input 0, got .*, allowed",
        ),
        (lambda x: x * x, r"relative error .*, allowed 1\.0e-06\."),
        (lambda x: 0.0 * x, r"got 0:"),
        (lambda x: 1e-9 * x, r"expected slope"),
        (lambda x: np.nan * x, r"expected a finite gradient for input 0, got \[\[nan"),
        (lambda x: None, r"expected a gradient of shape \(3, 4\) for input 0, got none\."),
        (
            lambda x: ops.reshape(x, (4, 3)),
            r"expected a gradient of shape \(3, 4\) for input 0, got one of shape \(4, 3\)\.",
        ),
    ],
)
def test_wrong_gradients_are_found(slope: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_gradient(Cube(slope), [X])


def test_a_mistake_in_one_entry_of_a_large_input_is_found() -> None:
    wrong = np.ones((50, 50))
    wrong[17, 31] = 1.001
    with pytest.raises(AssertionError, match="check_gradient: cube"):
        check_gradient(Cube(lambda x: 3.0 * x * x * wrong), [np.random.default_rng(0).standard_normal((50, 50))])


def test_kinks_are_stepped_around() -> None:
    check_gradient(lambda x: ops.maximum(x, 0.0), [np.array([-1.0, 1e-5, 2e-6, 0.5])])
    check_gradient(lambda x: ops.maximum(x, 0.0), [np.array([-1.0, 0.0, 1.0])])
    check_gradient(ops.absolute, [np.zeros(5)])
    check_gradient(lambda x: ops.max_pool(x, 2), [np.ones((1, 4, 4, 1))])


def test_kinks_everywhere_are_reported() -> None:
    class Stairs(Cube):
        def forward(self, x: Array) -> Array:
            return np.floor(x * 1e9) / 1e4

    with pytest.raises(AssertionError, match="expected a smooth point, got kinks at 4 points near the inputs"):
        check_gradient(Stairs(), [X])


def test_attributes_and_the_choice_of_inputs_are_passed_on() -> None:
    settings = {"strides": (1,), "padding": ((1, 0),), "dilation": (1,), "groups": 1}
    x, w = np.ones((1, 4, 2)), np.ones((2, 2, 3))
    assert check_gradient(CONV, [x, w], settings, wrt=[1]) <= 1e-6
    check_terms(CONV, [x, w], settings, [(0, 1, 2)])
    with pytest.raises(AssertionError, match=r"conv \[\(1, 4, 2\), \(2, 2, 3\)\] \{'strides': \(1,\)"):
        check_gradient(CONV, [x, w], settings, tolerance=0.0)


def test_wrong_adjoints_are_found() -> None:
    with pytest.raises(AssertionError, match=r"expected ⟨A·x, g⟩ = ⟨x, Aᵀ·g⟩, got .* and .*: relative difference"):
        check_adjoint(lambda x: 2 * x, lambda g: 2.001 * g, X)
    with pytest.raises(AssertionError, match=r"expected the adjoint to return shape \(3, 4\), got \(4, 3\)\."):
        check_adjoint(lambda x: x, lambda g: g.T, X)


def test_wrong_terms_are_found() -> None:
    with pytest.raises(AssertionError, match=r"cube \{\} at \(0, 0\): expected the terms to add up to .*, got "):
        check_terms(Cube(factor=1.0001), [X])
    with pytest.raises(AssertionError, match=r"expected a number of \['x'\], got Read\(source='y'"):
        check_terms(Cube(source="y"), [X])
