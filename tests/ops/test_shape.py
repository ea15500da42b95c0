"""Moving numbers: NumPy and PyTorch as oracles, and what is refused."""

import re
from typing import Any

import numpy as np
import pytest

from striate import ops
from striate.errors import ArgumentError, DataError, ShapeError
from striate.graph import Tensor, gradients
from striate.ops.shape import CONCATENATE, PAD, SLICE, SLICE_GRAD
from striate.testing import check_adjoint, check_gradient
from tests.cases.shape import CASES
from tests.ops.oracles import assert_agrees_with_torch

IMAGES = np.random.default_rng(0).standard_normal((2, 4, 5, 3))


def _sliced(x: Any, cropping: Any, steps: Any) -> Any:
    """First what is left, then every so many entries of it."""
    x = x[tuple(np.s_[a : x.shape[i] - b] for i, (a, b) in enumerate(cropping))]
    return x[tuple(np.s_[::step] for step in steps)]


def _slice_grad(g: Any, size: Any, cropping: Any, steps: Any) -> Any:
    """Each number put where a table of places says that it was."""
    places = np.arange(np.prod(size, dtype=int)).reshape(size)
    x = np.zeros(places.size)
    x[_sliced(places, cropping, steps).reshape(-1)] = g.reshape(-1)
    return x.reshape(size)


def test_O9_agrees_with_numpy() -> None:
    expected = {
        "reshape": lambda x, shape: x.reshape(shape),
        "transpose": lambda x, axes: x.transpose(axes),
        "pad": lambda x, padding, value: np.pad(x, padding, constant_values=value) if padding else x,
        "slice": _sliced,
        "slice_grad": _slice_grad,
        "concatenate": lambda *xs, axis: np.concatenate(xs, axis),
    }
    for case in CASES:
        arrays = case.arrays()
        got = case.operation(*arrays, **case.attributes)
        np.testing.assert_array_equal(got, expected[case.operation.name](*arrays, **case.attributes), err_msg=str(case))


def test_O9_agrees_with_pytorch_forward_and_backward() -> None:
    torch = pytest.importorskip("torch")
    assert_agrees_with_torch(
        lambda x, y: ops.concatenate([x, ops.pad(y, ((0, 0), (1, 0), (0, 1), (0, 0)), constant_values=0.5)], -1),
        lambda x, y: torch.cat([x, torch.nn.functional.pad(y, (0, 0, 0, 1, 1, 0), value=0.5)], -1),
        [IMAGES, IMAGES[:, :3, :4]],
    )
    assert_agrees_with_torch(
        lambda x: ops.transpose(ops.crop(x, ((0, 0), (1, 1), (0, 2), (0, 0))), (0, 3, 1, 2)),
        lambda x: x[:, 1:-1, :-2].movedim(-1, 1),
        [IMAGES],
    )
    assert_agrees_with_torch(
        lambda x, y: ops.stack([x, y, x], axis=2), lambda x, y: torch.stack([x, y, x], 2), [IMAGES, 2 * IMAGES]
    )


def test_O7_cropping_is_the_adjoint_of_padding() -> None:
    ends = ((0, 1), (2, 0), (1, 1), (0, 0))
    steps = (1,) * 4
    check_adjoint(lambda x: PAD(x, padding=ends, value=0.0), lambda g: SLICE(g, cropping=ends, steps=steps), IMAGES)


def test_O7_putting_back_is_the_adjoint_of_taking() -> None:
    settings = {"cropping": ((0, 1), (1, 0), (0, 2), (0, 0)), "steps": (1, -2, 3, -1)}
    check_adjoint(lambda x: SLICE(x, **settings), lambda g: SLICE_GRAD(g, size=IMAGES.shape, **settings), IMAGES)


def test_one_input_twice_gets_both_gradients() -> None:
    check_gradient(lambda x: ops.concatenate([x, x * x, x], axis=1), [IMAGES])


def test_slice_axis_takes_what_python_slices_take() -> None:
    np.testing.assert_array_equal(ops.slice_axis(IMAGES, 1, 1, 3), IMAGES[:, 1:3])
    np.testing.assert_array_equal(ops.slice_axis(IMAGES, -1, 0, 1), IMAGES[..., :1])
    assert ops.slice_axis(IMAGES, 2, 5, 5).shape == (2, 4, 0, 3)


@pytest.mark.parametrize("axis", [0, 1, 4, -1, -5])
def test_stack_makes_a_new_axis(axis: int) -> None:
    np.testing.assert_array_equal(ops.stack([IMAGES, -IMAGES], axis), np.stack([IMAGES, -IMAGES], axis))


def test_flatten_keeps_the_batch() -> None:
    np.testing.assert_array_equal(ops.flatten(IMAGES), IMAGES.reshape(2, 60))
    assert ops.flatten(Tensor((None, 4, 5, 3))).shape == (None, 60)
    assert ops.flatten(IMAGES[:0]).shape == (0, 60)


def test_pad_width_is_a_number_or_one_for_each_axis_or_pairs() -> None:
    x = np.ones((2, 3))
    np.testing.assert_array_equal(ops.pad(x, 1), np.pad(x, 1))
    np.testing.assert_array_equal(ops.pad(x, (1, 2)), np.pad(x, ((1, 1), (2, 2))))
    np.testing.assert_array_equal(
        ops.pad(x, [[0, 1], [2, 0]], constant_values=-np.inf), np.pad(x, ((0, 1), (2, 0)), constant_values=-np.inf)
    )
    np.testing.assert_array_equal(ops.crop(ops.pad(x, np.array([[0, 1], [2, 0]])), ((0, 1), (2, 0))), x)


@pytest.mark.parametrize("mode", ["reflect", "symmetric"])
def test_O9_padding_mirrors_as_numpy_does(mode: str) -> None:
    ends = ((0, 0), (2, 1), (0, 7), (1, 0))
    np.testing.assert_array_equal(ops.pad(IMAGES, ends, mode), np.pad(IMAGES, ends, mode))
    assert ops.pad(Tensor((None, 4, 5, 3)), ends, mode).shape == (None, 7, 12, 4)
    check_gradient(lambda x: ops.pad(x, ends, mode), [IMAGES[:1]])


def test_transpose_reverses_by_default() -> None:
    assert ops.transpose(IMAGES).shape == (3, 5, 4, 2)


def test_concatenate_names_its_inputs_by_number() -> None:
    found = CONCATENATE.terms((0, 0, 0, 3), IMAGES, IMAGES, axis=3)
    (read,) = found.terms[0].reads
    assert (read.source, read.index, read.value) == ("x1", (0, 0, 0, 0), IMAGES[0, 0, 0, 0])


def test_concatenate_takes_the_wider_type() -> None:
    narrow = IMAGES.astype(np.float32)
    assert ops.concatenate([narrow, IMAGES], 3).dtype == np.float64
    assert ops.concatenate([Tensor((2, 3)), Tensor((2, 1), np.float64)], 1).dtype == np.float64


def test_concatenate_of_batches_of_unknown_size() -> None:
    assert ops.concatenate([Tensor((None, 4, 3)), Tensor((None, 4, 5))], axis=-1).shape == (None, 4, 8)


def test_what_is_not_asked_for_gets_no_gradient() -> None:
    x, y = Tensor((2, 3)), Tensor((2, 3))
    (gradient,) = gradients(ops.concatenate([x, y], 1), [y], Tensor((2, 6)))
    assert gradient is not None
    assert gradient.shape == (2, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: ops.reshape(IMAGES, (7, -1)),
            ShapeError,
            "reshape: expected a shape of 120 numbers for (2, 4, 5, 3), got (7, -1).",
        ),
        (
            lambda: ops.reshape(IMAGES, (-1, -1)),
            ShapeError,
            "reshape: expected a shape of 120 numbers for (2, 4, 5, 3), got (-1, -1).",
        ),
        (
            lambda: ops.reshape(IMAGES, (2, 61)),
            ShapeError,
            "reshape: expected a shape of 120 numbers for (2, 4, 5, 3), got (2, 61).",
        ),
        (
            lambda: ops.transpose(IMAGES, (0, 1, 2)),
            ArgumentError,
            "transpose: expected axes to be a permutation of 0 … 3 (input is (2, 4, 5, 3)), got (0, 1, 2).",
        ),
        (lambda: ops.transpose(IMAGES, (0, 1, 2, 2)), ArgumentError, "got (0, 1, 2, 2)."),
        (
            lambda: ops.pad(IMAGES, -1),
            ArgumentError,
            "pad: expected pad_width as an integer, one for each of 4 axes, or a (before, after) pair "
            "for each, none negative; got -1.",
        ),
        (
            lambda: ops.pad(IMAGES, 1, "edge"),
            ArgumentError,
            'pad: expected mode as "constant", "reflect" or "symmetric", and constant_values with the first only, got '
            "'edge' and None.",
        ),
        (lambda: ops.pad(IMAGES, 1, "reflect", 0.5), ArgumentError, "got 'reflect' and 0.5."),
        (
            lambda: ops.pad(Tensor((None, 4)), 1, "reflect"),
            ShapeError,
            "pad: expected entries to mirror along axis 0, got (None, 4).",
        ),
        (
            lambda: SLICE(IMAGES, cropping=((0, 0),) * 4, steps=(1, 0, 1, 1)),
            ArgumentError,
            "slice: expected cropping of at least 0 and nonzero steps, got",
        ),
        (
            lambda: SLICE_GRAD(IMAGES, size=(2, 9, 5, 3), cropping=((0, 0),) * 4, steps=(1, 3, 1, 1)),
            ShapeError,
            "slice_grad: expected a gradient of (2, 3, 5, 3) for an input of (2, 9, 5, 3), got (2, 4, 5, 3).",
        ),
        (lambda: ops.pad(IMAGES, (1, 2)), ArgumentError, "none negative; got (1, 2)."),
        (lambda: ops.pad(IMAGES, 1.5), ArgumentError, "none negative; got 1.5."),
        (
            lambda: ops.crop(IMAGES, ((1,),) * 4),
            ArgumentError,
            "crop: expected cropping as an integer, one for each of 4 axes",
        ),
        (
            lambda: ops.crop(IMAGES, ((0, 0), (3, 2), (0, 0), (0, 0))),
            ShapeError,
            "slice: cannot cut ((0, 0), (3, 2), (0, 0), (0, 0)) off an input of (2, 4, 5, 3): there is not "
            "enough of it.",
        ),
        (lambda: ops.slice_axis(IMAGES, 4, 0, 1), ArgumentError, "slice_axis: expected an axis from -4 to 3, got 4."),
        (
            lambda: ops.slice_axis(IMAGES, 1.0, 0, 1),
            ArgumentError,
            "slice_axis: expected an axis from -4 to 3, got 1.0.",
        ),
        (
            lambda: ops.slice_axis(IMAGES, 1, 2, 5),
            ShapeError,
            "slice_axis: expected 0 ≤ start ≤ stop ≤ 4 along axis 1, got 2 and 5.",
        ),
        (
            lambda: ops.slice_axis(IMAGES, 1, -2, 4),
            ShapeError,
            "slice_axis: expected 0 ≤ start ≤ stop ≤ 4 along axis 1, got -2 and 4.",
        ),
        (lambda: ops.concatenate([]), ArgumentError, "concatenate: expected at least one input, got an empty list."),
        (
            lambda: ops.concatenate([IMAGES, IMAGES[:, :3]], -1),
            ShapeError,
            "concatenate: expected shapes that are equal except along axis 3, got (2, 4, 5, 3), (2, 3, 5, 3).",
        ),
        (
            lambda: ops.concatenate([IMAGES, IMAGES[0]], -1),
            ShapeError,
            "concatenate: expected shapes that are equal except along axis 3, got (2, 4, 5, 3), (4, 5, 3).",
        ),
        (
            lambda: ops.concatenate([IMAGES], axis=-5),
            ArgumentError,
            "concatenate: expected an axis from -4 to 3, got -5.",
        ),
        (
            lambda: ops.concatenate([IMAGES, "text"]),
            DataError,
            "concatenate: x1: expected numbers, got an array of <U4 (shape ()).",
        ),
        (lambda: ops.stack([]), ArgumentError, "stack: expected at least one input, got an empty list."),
        (lambda: ops.stack([IMAGES], axis=5), ArgumentError, "stack: expected an axis from -5 to 4, got 5."),
        (
            lambda: ops.stack([IMAGES, IMAGES[:, :3]]),
            ShapeError,
            "concatenate: expected shapes that are equal except along axis 0, got (1, 2, 4, 5, 3), (1, 2, 3, 5, 3).",
        ),
    ],
)
def test_refuses_what_means_nothing(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        call()
