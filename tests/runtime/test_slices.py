"""Large batches are predicted some samples at a time, where samples do not depend on each other."""

import numpy as np
import pytest

import striate
from striate import layers, ops
from striate.errors import ShapeError
from striate.graph import Tensor, Variable, trace

pytest.importorskip("llvmlite")
from striate.runtime import slices
from striate.runtime.slices import SlicedExecutor, is_samplewise, samples_at_once

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
    return [step for step in model._steps.values() if isinstance(step, SlicedExecutor)]


def test_slices_predict_what_the_whole_batch_does(monkeypatch):
    striate.set_seed(0)
    model = network()
    x = np.random.default_rng(1).standard_normal((12, 12, 12, 4)).astype(np.float32)
    whole = model.predict_on_batch(x)
    assert not steps(model)  # it is small
    monkeypatch.setattr(slices, "TOGETHER", 40_000)
    model.forget_plans()
    parts = model.predict_on_batch(x)
    (step,) = steps(model)
    assert 1 < step.slices < 12
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    with pytest.raises(ShapeError, match=r"this graph takes x of shape \(12, 12, 12, 4\), got \(11, 12, 12, 4\)"):
        model.predictor(12)(x[:11])
    model.set_weights([2 * weight for weight in model.get_weights()])
    assert not np.allclose(model.predict_on_batch(x)[1], parts[1])


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
    assert samples_at_once(graph, exact=False) == 4
