"""Indexing of symbols and variables: NumPy's is the oracle; and what is refused."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import striate
from striate import layers, ops
from striate.errors import ArgumentError
from striate.graph import Tensor, Variable, trace
from striate.interop.onnx import write_onnx
from striate.interop.onnx.reader import read_onnx
from striate.runtime import ReferenceExecutor
from striate.runtime.native import NativeExecutor
from striate.testing import check_gradient

X = np.random.default_rng(0).standard_normal((2, 4, 5, 3)).astype(np.float32)
KEYS = [
    np.s_[:, 0],
    np.s_[..., :3],
    np.s_[:, ::2, ::-1],
    np.s_[:, None],
    np.s_[0],
    np.s_[-1, ..., 1:],
    np.s_[:, [2, 0, 0]],
    np.s_[:, :, np.array([[1, -1], [0, 2]])],
    np.s_[:, 3:1],
    np.s_[::-1, -2:0:-2],
    np.s_[...],
    (),
    np.s_[None, ..., None, 0],
    np.s_[:, np.int64(1)],
    np.s_[..., np.array([], np.int64)],
    np.s_[..., -100:100:2],
    np.s_[:, 1, 2, 0],
]


@pytest.mark.parametrize("key", KEYS, ids=map(str, range(len(KEYS))))
def test_symbols_are_indexed_as_arrays(key: Any) -> None:
    graph = trace(lambda x: x[key], [Tensor(X.shape)])
    for executor in (ReferenceExecutor(graph), NativeExecutor(graph)):
        np.testing.assert_array_equal(executor.run([X])[0], X[key])
    np.testing.assert_array_equal(Variable(X)[key], X[key])


@st.composite
def keys(draw: Any, shape: tuple[int, ...]) -> Any:
    """Slices, numbers, new axes and one ellipsis, for some of the axes."""
    ends = st.none() | st.integers(-7, 7)
    one = st.builds(slice, ends, ends, st.sampled_from([None, 1, 2, 3, -1, -2, -3]))
    parts: list[Any] = []
    for size in shape[: draw(st.integers(0, len(shape)))]:
        parts += [None] * draw(st.integers(0, 1)) + [draw(one | (st.integers(-size, size - 1) if size else one))]
    if draw(st.booleans()):
        parts.append(Ellipsis)
    return tuple(parts)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_key(data: Any) -> None:
    shape = data.draw(st.sampled_from([(), (5,), (4, 3), (2, 3, 4), (3, 0, 2)]))
    x = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    key = data.draw(keys(shape))
    (got,) = ReferenceExecutor(trace(lambda t: t[key], [Tensor(shape, np.float64)])).run([x])
    np.testing.assert_array_equal(got, x[key])
    check_gradient(lambda t: ops.get_item(t, key), [x])


def test_batches_of_unknown_size_are_indexed_along_the_other_axes() -> None:
    x = striate.Input((8, 6, 3))
    y = layers.Flatten()(x[:, ::2, ::-1, None, 1:] * x[:, 0, None, ::-1, None, 1:])
    model = striate.Model(x, y)
    images = np.random.default_rng(1).standard_normal((5, 8, 6, 3)).astype(np.float32)
    expected = images[:, ::2, ::-1, None, 1:] * images[:, 0, None, ::-1, None, 1:]
    np.testing.assert_allclose(model.predict(images, verbose=0), expected.reshape(5, -1), rtol=1e-6)


def test_A7_an_indexed_network_is_saved_and_written_and_read(tmp_path: Any) -> None:
    x = striate.Input((8, 6, 3))
    y = layers.Conv2D(4, 3)(x)
    model = striate.Model(x, layers.Flatten()(y[:, ::-2, 1:, :3] + y[:, :3, 0, None, 1:]))
    images = np.random.default_rng(1).standard_normal((5, 8, 6, 3)).astype(np.float32)
    expected = model.predict(images, verbose=0)
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(
        striate.load_model(tmp_path / "model.safetensors").predict(images, verbose=0), expected
    )
    write_onnx(model, tmp_path / "model.onnx")
    (got,) = read_onnx(tmp_path / "model.onnx").run([images.transpose(0, 3, 1, 2)])
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (got,) = session.run(None, {session.get_inputs()[0].name: images.transpose(0, 3, 1, 2)})
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (0, "index: axis 0 is the batch, whose size is not known yet: take all of it, or index inside a layer."),
        (np.s_[:2], "index: axis 0 is the batch, whose size is not known yet"),
        (np.s_[:, 4], "index: expected an integer from -4 to 3 for axis 1, got 4."),
        (np.s_[:, -5], "index: expected an integer from -4 to 3 for axis 1, got -5."),
        (
            np.s_[:, :, :, :, :],
            "index: expected at most 4 indices and one '...' for (None, 4, 5, 3), got 5 and 0.",
        ),
        (np.s_[..., ...], "index: expected at most 4 indices and one '...' for (None, 4, 5, 3), got 0 and 2."),
        (
            np.s_[:, 1.5],
            "index: expected slices, integers, '...' and None, or one list of integers with slices, got 1.5;",
        ),
        (np.s_[:, [True, False]], "or one list of integers with slices, got [True, False]; index twice"),
        (True, "or one list of integers with slices, got True;"),
        ("a", "or one list of integers with slices, got 'a';"),
        (np.s_[:, [1], [2]], "or one list of integers with slices, got [1];"),
        (np.s_[:, 1, [2]], "or one list of integers with slices, got [2];"),
        (np.s_[:, ::0], "index: expected a nonzero step for axis 1, got slice(None, None, 0)."),
        (np.s_[:, "a":], "index: expected a slice of integers for axis 1, got slice('a', None, None)."),
        (np.s_[:, [7]], "take: expected indices from -4 to 3 along axis 1 of (None, 4, 5, 3), got 7 to 7."),
        (
            Tensor((2, 4)),
            "index: expected indices that are known when the network is built, got <Tensor (2, 4) float32>; "
            "to select by a condition, use striate.ops.where.",
        ),
    ],
)
def test_R4_refuses_what_it_cannot_take(key: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        Tensor((None, 4, 5, 3))[key]


def test_take_without_an_axis_counts_through_the_whole_array():
    x = np.arange(12.0).reshape(3, 4)
    for indices in ([0, 5, -1], [[1, 2], [3, 11]]):
        np.testing.assert_array_equal(ops.take(x, indices), np.take(x, indices))
