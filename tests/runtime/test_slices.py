"""Large batches are predicted some samples at a time, where samples do not depend on each other."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import striate
from striate import layers, ops
from striate.errors import ShapeError
from striate.graph import Tensor, Variable, trace

pytest.importorskip("llvmlite")
from striate.runtime import slices
from striate.runtime.native import NativeExecutor
from striate.runtime.slices import PiecedExecutor, SlicedExecutor, is_samplewise, pieces, stages

W = Variable(np.random.default_rng(0).standard_normal((3, 3, 4, 4)).astype(np.float32), "w")
V = Variable(np.ones((4,), np.float32), "v")


def network():
    image = striate.Input((12, 12, 4))
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", activation="relu")(image))
    x = layers.Concatenate()([layers.MaxPooling2D()(x), layers.AveragePooling2D()(x)])
    x = layers.UpSampling2D()(layers.Dropout(0.5)(x))
    x = layers.Add()([layers.Conv2DTranspose(4, 3, padding="same")(x), image])
    probabilities = layers.Dense(3, activation="softmax")(layers.Flatten()(x))
    return striate.Model(image, [probabilities, layers.GlobalAveragePooling2D()(x)])


def steps(model):
    return [step for step in model.executors.values() if isinstance(step, SlicedExecutor)]


def test_slices_predict_what_the_whole_batch_does(monkeypatch):
    striate.set_seed(0)
    model = network()
    x = np.random.default_rng(1).standard_normal((12, 12, 12, 4)).astype(np.float32)
    whole = model.predict_on_batch(x)
    assert not steps(model)  # it is small
    monkeypatch.setattr(slices, "TOGETHER", 40_000)
    monkeypatch.setattr(slices, "WEIGHTS", math.inf)  # no pieces
    model.forget_compiled()
    parts = model.predict_on_batch(x)
    (step,) = steps(model)
    # bytes of a sample: 9,216 upsampled, 2,304 after the transposed convolution, and 2,304 for the image to be added;
    # before that sum there is no place to cut, and after it there are 2,304, twice when they are flattened
    assert step.samples == [2, 6]
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    with pytest.raises(ShapeError, match=r"this graph takes x of shape \(12, 12, 12, 4\), got \(11, 12, 12, 4\)"):
        model.predictor(12)(x[:11])
    model.set_weights([2 * weight for weight in model.get_weights()])
    assert not np.allclose(model.predict_on_batch(x)[1], parts[1])


def test_a_few_sizes_serve_all_batches(monkeypatch):
    monkeypatch.setattr(slices, "TOGETHER", 1000)
    monkeypatch.setattr(slices, "WEIGHTS", 0)
    striate.set_seed(0)
    model = network()
    for count in (1, 5, 22, 23, 27, 31):
        x = np.random.default_rng(count).standard_normal((count, 12, 12, 4)).astype(np.float32)
        pieces = model.predict_on_batch(x)
        striate.set_executor("reference")
        try:
            whole = model.predict_on_batch(x)
        finally:
            striate.set_executor("native")
        for a, b in zip(pieces, whole, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
    executors = model.executors.values()
    sizes = {e.graph.inputs[0].shape[0] for e in executors if isinstance(e, SlicedExecutor | NativeExecutor)}
    assert sizes == {1, 2, 4, 8, 16}
    step = next(e for e in executors if isinstance(e, PiecedExecutor) and e.graph.inputs[0].shape[0] == 22)
    assert [size for size, _ in step.pieces] == [16, 4, 2]
    assert step.without_kernel == []
    into = [np.empty(array.shape, np.float32) for array in pieces]
    last = next(e for e in executors if isinstance(e, PiecedExecutor) and e.graph.inputs[0].shape[0] == 31)
    last.run([x], into=dict(enumerate(into)))
    for a, b in zip(pieces, into, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ShapeError, match=r"this graph takes x of shape \(31, 12, 12, 4\), got \(30, 12, 12, 4\)"):
        last.run([x[:30]])


@pytest.mark.parametrize(
    ("batch", "filters", "sizes"),
    [(13, 64, [8, 4, 1]), (16, 64, []), (5, 64, []), (13, 2000, [])],
    ids=["large images", "a power of two", "fits", "many weights"],
)
def test_pieces_are_for_large_images_and_few_weights(batch, filters, sizes):
    """A sample takes 64 · 64 · (1 + 64) · 4 bytes, about 1 MB, at most; weights that are read again must be few."""
    image = striate.Input((64, 64, 1))
    y = layers.GlobalAveragePooling2D()(layers.Conv2D(64, 3, padding="same")(image))
    model = striate.Model(image, layers.Dense(10)(layers.Dense(filters * 16)(y)))
    assert pieces(model.traced(batch)) == sizes


def stack(*convolutions, ends=()):
    """Convolutions, some with a pooling after them or a residual around them, then a dense layer for each end."""
    x = image = striate.Input((8, 8, 4))
    outputs = []
    for number, (kind, filters) in enumerate(convolutions):
        y = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        if kind == "pool":
            y = layers.MaxPooling2D(padding="same")(y)
        if kind == "residual":
            y = layers.Add()([layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same")(y)), y])
        x = y
        if number in ends:
            outputs.append(layers.Dense(2)(layers.Flatten()(x)))
    return striate.Model(image, [*outputs, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x))])


def test_later_stages_take_more_samples(monkeypatch):
    model = stack(("", 8), ("pool", 8), ("residual", 8), ("pool", 8), ("", 8))
    # bytes of a sample: 3,072 for the first convolution's image and result, 4,096 for the second's, 1,024 where images
    # have 4 x 4 pixels, 256 where they have 2 x 2
    monkeypatch.setattr(slices, "TOGETHER", 8_200)
    monkeypatch.setattr(slices, "WEIGHTS", math.inf)
    x = np.random.default_rng(1).standard_normal((24, 8, 8, 4)).astype(np.float32)
    model.predict_on_batch(x)
    (step,) = steps(model)
    assert step.samples == [2, 8, 24]
    shapes = [stage.graph.inputs[0].shape for stage in step.stages]
    assert shapes == [(2, 8, 8, 4), (8, 4, 4, 8), (24, 2, 2, 8)]


def test_two_samples_are_two_slices(monkeypatch):
    monkeypatch.setattr(slices, "TOGETHER", 3_072)
    model = stack(("", 8))
    model.predict_on_batch(np.ones((2, 8, 8, 4), np.float32))
    (step,) = steps(model)
    assert [stage.graph.inputs[0].shape[0] for stage in step.stages] == [1, 2]


def test_what_is_computed_from_weights_belongs_to_no_sample(monkeypatch):
    monkeypatch.setattr(slices, "TOGETHER", 1_000)

    def traced(samples):
        return trace(lambda x: ops.relu(ops.conv2d(x, ops.relu(W * 2.0), padding="same")), [Tensor((samples, 6, 6, 4))])

    (stage,) = stages(traced(6), traced)
    assert stage.inputs[0].shape == (1, 6, 6, 4)  # 576 bytes of a sample come in, and as many go out
    x = np.random.default_rng(2).standard_normal((6, 6, 6, 4)).astype(np.float32)
    (result,) = SlicedExecutor(traced(6), [NativeExecutor(stage)]).run([x])
    expected = ops.relu(ops.conv2d(x, ops.relu(W.value * 2), padding="same"))
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


def test_a_tensor_that_is_wanted_is_not_left_behind(monkeypatch):
    monkeypatch.setattr(slices, "TOGETHER", 8_200)
    monkeypatch.setattr(slices, "WEIGHTS", math.inf)
    image = striate.Input((8, 8, 4))
    early = layers.Conv2D(8, 3, padding="same")(image)
    late = layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.MaxPooling2D()(early)))
    model = striate.Model(image, [early, late])
    model.predict_on_batch(np.ones((6, 8, 8, 4), np.float32))
    assert steps(model)[0].samples == [2]


def test_what_only_passes_through_is_run_whole():
    symbol = Tensor((4, 5))
    graph = trace(lambda x: x, [symbol])
    assert stages(graph, pytest.fail) == [graph]


@given(st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stages_of_any_network_predict_what_the_reference_does(monkeypatch, data):
    kinds = st.tuples(st.sampled_from(["", "pool", "residual"]), st.sampled_from([3, 8, 20]))
    convolutions = data.draw(st.lists(kinds, min_size=1, max_size=5))
    ends = data.draw(st.sets(st.integers(0, len(convolutions) - 1)))
    samples, together = data.draw(st.integers(2, 24)), data.draw(st.integers(1, 60_000))
    striate.set_seed(data.draw(st.integers(0, 9)))
    model = stack(*convolutions, ends=ends)
    x = np.random.default_rng(samples).standard_normal((samples, 8, 8, 4)).astype(np.float32)
    monkeypatch.setattr(slices, "TOGETHER", together)
    monkeypatch.setattr(slices, "WEIGHTS", data.draw(st.sampled_from([0, math.inf])))
    found = model.predict_on_batch(x)
    for step in steps(model):
        whole = step.graph.inputs[0].shape[0]
        assert whole == samples or slices.WEIGHTS == 0
        for before, after in pairwise([*step.samples, whole]):
            assert after % before == 0
        assert sorted(set(step.samples)) == step.samples
    striate.set_executor("reference")
    try:
        expected = model.predict_on_batch(x)
    finally:
        striate.set_executor("native")
    for a, b in zip(found, expected, strict=True) if ends else [(found, expected)]:
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ops.conv2d(x, W),
        lambda x: ops.relu(ops.add(ops.multiply(x, V), x)),
        lambda x: ops.softmax(x, axis=-1),
        lambda x: ops.mean(x, axis=(1, 2)),
        lambda x: ops.reshape(x, (4, 100)),
        lambda x: ops.transpose(x, axes=(0, 3, 1, 2)),
        lambda x: ops.concatenate([x, x], axis=1),
        lambda x: x[:, ::-2, 1:],
        lambda x: ops.take(x, [3, 3, 0], axis=1),
        lambda x: ops.matmul(x, ops.transpose(x, (0, 1, 3, 2))),
        lambda x: ops.matmul(np.ones((6, 5), np.float32), x),
        lambda x: ops.cast(x, "float64"),
        lambda x: ops.subtract(x, ops.max(x, axis=(1, 2, 3), keepdims=True)),
    ],
)
def test_samples_that_do_not_depend_on_each_other(function):
    assert is_samplewise(trace(function, [Tensor((4, 5, 5, 4))]))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ops.subtract(x, ops.mean(x, axis=(0,), keepdims=True)),
        lambda x: ops.softmax(x, axis=0),
        lambda x: ops.softmax(x, axis=-4),
        lambda x: ops.concatenate([x, x], axis=0),
        lambda x: x[::-1],
        lambda x: ops.take(x, [3, 2, 1, 0], axis=0),
        lambda x: ops.matmul(x, np.ones((4, 1, 4, 3), np.float32)),
        lambda x: ops.matmul(ops.mean(x, (1, 2)), ops.mean(x, (1, 2))),
        lambda x: x[0] * x,
        lambda x: ops.transpose(x, axes=(3, 1, 2, 0)),
        lambda x: ops.reshape(x, (2, 200)),
        lambda x: ops.add(ops.reshape(x, (4, 5, 5, 4)), Variable(np.ones((4, 1, 1, 1), np.float32))),
        lambda x: ops.add(x, ops.reshape(ops.mean(x, axis=(1, 2, 3)), (4,))),  # channels with another sample each
        lambda x: ops.dense(ops.mean(x, axis=(1, 2)), ops.mean(x, axis=(1, 2))),
        lambda x: ops.mean(ops.relu(x), axis=(0, 1, 2, 3)),
        lambda x: (x, Variable(np.ones(3, np.float32)) * 1.0),
    ],
)
def test_samples_that_depend_on_each_other(function):
    graph = trace(function, [Tensor((4, 5, 5, 4))])
    assert not is_samplewise(graph)
    assert stages(graph, pytest.fail) == [graph]


@pytest.mark.parametrize(
    "along",
    [
        ops.softmax,
        ops.log_softmax,
        lambda x, axis: ops.concatenate([x, x], axis),
        lambda x, axis: ops.mean(x, axis, keepdims=True) + x,
        lambda x, axis: ops.max(x, axis, keepdims=True) + x,
        lambda x, axis: ops.sum(x, axis, keepdims=True) + x,
    ],
)
@pytest.mark.parametrize(("axis", "expected"), [(0, False), (-3, False), (1, True), (-1, True)])
def test_what_is_computed_along_samples_is_not_cut(along, axis, expected):
    graph = trace(lambda x: along(x, axis), [Tensor((6, 4, 5))])
    assert is_samplewise(graph) == expected
