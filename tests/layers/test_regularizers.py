"""Regularizers: Keras's numbers on arrays, and the same with gradients in a trace."""

from typing import Any

import numpy as np
import pytest

from striate.configurable import describe
from striate.errors import ArgumentError
from striate.graph import Graph, Tensor, gradients
from striate.layers import regularizers
from striate.layers.regularizers import L1, L1L2, L2
from striate.runtime.reference import ReferenceExecutor
from tests.training import oracle

WEIGHTS = np.random.default_rng(0).standard_normal((3, 3, 2, 4))
EVERY = [L1(), L1(0.3), L2(), L2(0.2), L1L2(), L1L2(0.1, 0.2), L1L2(l2=0.5)]


@pytest.mark.parametrize("regularizer", EVERY, ids=repr)
def test_numbers_are_those_of_keras(regularizer: Any) -> None:
    theirs = getattr(oracle.keras().regularizers, type(regularizer).__name__)(**regularizer.get_config())
    weights = pytest.importorskip("torch").tensor(WEIGHTS)
    assert regularizer(WEIGHTS) == pytest.approx(float(theirs(weights)), rel=1e-6)


@pytest.mark.parametrize("regularizer", EVERY, ids=repr)
def test_gradient_in_a_trace(regularizer: Any) -> None:
    w = Tensor(WEIGHTS.shape, np.float64)
    price = regularizer(w)
    (grad,) = gradients(price, [w])
    value, slope = ReferenceExecutor(Graph([w], [price, grad])).run([WEIGHTS])  # type: ignore[list-item]
    settings = regularizer.get_config()
    l1, l2 = settings.get("l1", 0), settings.get("l2", 0)
    assert price.shape == ()
    assert value == pytest.approx(regularizer(WEIGHTS))
    np.testing.assert_allclose(slope, l1 * np.sign(WEIGHTS) + 2 * l2 * WEIGHTS, rtol=1e-12)


def test_by_hand() -> None:
    assert L1(0.5)(np.array([1.0, -2.0])) == 1.5
    assert L2(0.5)(np.array([1.0, -2.0])) == 2.5
    assert L1L2(1.0, 0.5)(np.array([1.0, -2.0])) == 5.5


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("l1", L1()),
        ("L2", L2()),
        ("l1_l2", L1L2()),
        ("l1l2", L1L2()),
        (L2, L2()),
        ({"class_name": "L2", "config": {"l2": 0.5}}, L2(0.5)),
        (None, None),
        (abs, abs),
        (regularizers.l2(0.3), L2(0.3)),
        (regularizers.l1(0.3), L1(0.3)),
        (regularizers.l1_l2(0.3, 0.1), L1L2(0.3, 0.1)),
    ],
)
def test_get(identifier: Any, expected: Any) -> None:
    assert regularizers.get(identifier) == expected


@pytest.mark.parametrize("regularizer", EVERY, ids=repr)
def test_config_makes_an_equal_regularizer(regularizer: Any) -> None:
    assert regularizers.get(describe(regularizer)) == regularizer


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: L1(-1), r"L1: expected l1 of at least 0, got -1"),
        (lambda: L2(float("nan")), r"L2: expected l2 of at least 0, got nan"),
        (lambda: L1L2(0.1, -0.1), r"L1L2: expected l2 of at least 0, got -0.1"),
        (lambda: regularizers.get("l3"), r"regularizers.get: expected one of L1, L1L2, L2; got 'l3'"),
    ],
)
def test_factors_out_of_range(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_a_regularizer_without_a_rule() -> None:
    with pytest.raises(NotImplementedError, match=r"Regularizer: define __call__\(self, x\)"):
        regularizers.Regularizer()(WEIGHTS)
