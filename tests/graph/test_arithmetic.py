"""Operators between symbols, variables, arrays and numbers: NumPy is the oracle; nobody compares symbols by chance."""

import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import striate
from striate import layers, ops
from striate.architectures import resnet18
from striate.graph import Tensor, Variable, trace
from striate.graph.tensor import Arithmetic
from striate.interop.onnx import write_onnx
from striate.interop.onnx.reader import read_onnx
from striate.runtime import ReferenceExecutor
from striate.runtime.native import NativeExecutor

COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]
A = np.array([[0, 1, 2], [2, np.nan, -1]], np.float32)
B = np.array([[0, 2, 1], [2, np.nan, np.inf]], np.float32)


def run(function: Any, *arrays: Any) -> list[Any]:
    """The results on both executors, the same."""
    graph = trace(function, [Tensor(a.shape, a.dtype) for a in arrays])
    reference, native = ReferenceExecutor(graph).run(arrays), NativeExecutor(graph).run(arrays)
    for expected, got in zip(reference, native, strict=True):
        np.testing.assert_array_equal(got, expected)
    return reference


@pytest.mark.parametrize("compare", COMPARISONS)
def test_comparisons_are_number_by_number(compare: Any) -> None:
    arrays = run(lambda a, b: [compare(a, b), compare(a, 1), compare(1, a), compare(A, b)], A, B)
    with np.errstate(invalid="ignore"):
        for got, expected in zip(arrays, [compare(A, B), compare(A, 1), compare(1, A), compare(A, B)], strict=True):
            np.testing.assert_array_equal(got, expected.astype(np.float32))
            assert got.dtype == np.float32


@pytest.mark.parametrize("compare", COMPARISONS)
def test_variables_are_compared_as_numbers_inside_and_outside_of_a_trace(compare: Any) -> None:
    variable = Variable(A)
    with np.errstate(invalid="ignore"):
        expected = compare(A, 1).astype(np.float32)
    np.testing.assert_array_equal(compare(variable, 1), expected)
    np.testing.assert_array_equal(
        run(lambda b: compare(variable, 1) + 0 * b, np.zeros((2, 3), np.float32))[0], expected
    )


def test_what_was_compared_is_joined_and_turned() -> None:
    def function(a: Any, b: Any) -> list[Any]:
        low, high = a > 0, b > 0
        return [low & high, low | high, low ^ high, ~low, True & low, False | low, True ^ low, abs(-a)]

    a, b = np.array([-1, 1, -1, 1], np.float32), np.array([-1, -1, 1, 1], np.float32)
    expected = [
        [0, 0, 0, 1],
        [0, 1, 1, 1],
        [0, 1, 1, 0],
        [1, 0, 1, 0],
        [0, 1, 0, 1],
        [0, 1, 0, 1],
        [1, 0, 1, 0],
        [1] * 4,
    ]
    for got, wanted in zip(run(function, a, b), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_answers_are_numbers_for_all_that_follows() -> None:
    x = np.array([[0, 3, 0, -2]], np.float32)
    chosen, count, share, scaled = run(
        lambda t: [ops.where(t == 0, 7.0, t), ops.sum(t == 0), ops.mean(t != 0), (t > 0) * 5 - 1], x
    )
    np.testing.assert_array_equal(chosen, [[7, 3, 7, -2]])
    np.testing.assert_array_equal(scaled, [[-1, 4, -1, -1]])
    assert (count, share) == (2, 0.5)


def test_positions_are_compared_with_labels() -> None:
    """Integers of 64 bits give floating answers, so that their mean is a share."""
    x = np.array([[1, 5], [7, 2], [0, 3]], np.float32)
    (share,) = run(lambda t: ops.mean(ops.argmax(t, -1) == np.array([1, 1, 1])), x)
    assert share == np.float32(2 / 3)


def test_no_symbol_and_no_variable_is_true_or_false() -> None:
    x = Tensor((2, 3))
    with pytest.raises(TypeError, match=r"has no truth value: .* Select element-wise with striate\.ops\.where; "):
        bool(x == 0)
    with pytest.raises(
        TypeError, match=r"<Variable scale \(2,\) float32> has no truth value; test its numbers, such as"
    ):
        bool(Variable(np.zeros(2, np.float32), "scale"))
    with pytest.raises(TypeError, match=r"<Variable scale \(2,\) float32> cannot be iterated; index it"):
        list(Variable(np.zeros(2, np.float32), "scale"))


def test_symbols_are_found_by_identity() -> None:
    x, y = Tensor((2, 3)), Tensor((2, 3))
    v, w = Variable(np.zeros(1)), Variable(np.zeros(1))
    assert {x: 1, y: 2}[y] == 2
    assert len({x, y, x, v, w, v}) == 4
    assert hash(x) != hash(y)


@pytest.fixture
def nobody_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    """``==`` between symbols or variables is a mistake everywhere inside of the library."""

    def refuse(self: Any, other: Any) -> Any:
        raise AssertionError(f"{self!r} is compared with {other!r}")

    monkeypatch.setattr(Arithmetic, "__eq__", refuse)
    monkeypatch.setattr(Arithmetic, "__ne__", refuse)


@pytest.mark.usefixtures("nobody_compares")
def test_the_library_itself_never_compares_symbols(tmp_path: Any) -> None:
    images = np.random.default_rng(0).standard_normal((4, 32, 32, 3)).astype(np.float32)
    model = resnet18(weights=None, input_shape=(32, 32, 3), classes=5)
    model.summary(print_fn=lambda _: None)
    expected = model.predict(images, verbose=0)
    write_onnx(model, tmp_path / "model.onnx")
    (got,) = read_onnx(tmp_path / "model.onnx").run([images.transpose(0, 3, 1, 2)])
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)
    model.save(tmp_path / "model.safetensors")
    striate.open_model(tmp_path / "model.safetensors")
    model.explain(images[:1], "conv1", (0, 3, 3, 0))

    x = striate.Input((8, 8, 3))
    shared = layers.Conv2D(4, 3, padding="same", name="conv2d")
    y = layers.Add()([shared(x), layers.BatchNormalization()(shared(x))])
    y = layers.Dense(5, activation="softmax", name="dense")(layers.Dropout(0.5)(layers.Flatten()(y)))
    small = striate.Model(x, y)
    small.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    small.fit(images[:, :8, :8], np.arange(4), epochs=2, batch_size=2, validation_split=0.5, verbose=0)
    small.explain(images[:1, :8, :8], "dense", (0, 1))
    small.receptive_field("conv2d", 0, 0)
    small.activations(images[:1, :8, :8])
    small.evaluate(images[:, :8, :8], np.arange(4), verbose=0)
    small.fit(images[:, :8, :8], np.arange(4), verbose=0)
    small.set_weights(small.get_weights())


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_comparison_with_broadcasting(data: Any) -> None:
    compare = data.draw(st.sampled_from(COMPARISONS))
    shapes = [data.draw(st.sampled_from([(), (3,), (2, 1), (2, 3), (1, 3)])) for _ in range(2)]
    a, b = (np.random.default_rng(7).integers(-1, 2, shape).astype(np.float32) for shape in shapes)
    x, y = Tensor(a.shape), Tensor(b.shape)
    (got,) = ReferenceExecutor(trace(compare, [x, y])).run([a, b])
    np.testing.assert_array_equal(got, compare(a, b))
