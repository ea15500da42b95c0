"""Measured tuning: what is measured is written down, and what is written down is done."""

import json

import numpy as np
import pytest

import striate
from striate import layers, ops
from striate.errors import ArgumentError, FormatError
from striate.graph import Tensor, trace
from striate.kernels.conv import ways
from striate.runtime import executor

pytest.importorskip("llvmlite")
X = np.random.default_rng(0).standard_normal((2, 12, 12, 16)).astype(np.float32)
W = np.random.default_rng(1).standard_normal((3, 3, 16, 16)).astype(np.float32)


@pytest.fixture
def record(tmp_path):
    path = tmp_path / "choices.json"
    striate.set_tuning(path)
    yield path
    striate.set_tuning(None)


def graph(strides=1):
    return trace(lambda x, w: ops.conv2d(x, w, strides=strides, padding="same"), [Tensor(X.shape), Tensor(W.shape)])


def test_the_fastest_way_is_written_down_and_taken_again(record):
    first = executor(graph())
    content = json.loads(record.read_text())
    (signature,) = content["choices"]
    assert signature.startswith("conv (2, 12, 12, 16) (3, 3, 16, 16)")
    for name in ("direct", "winograd 2", "winograd 4 fused", "fourier 1x8x8"):
        record.write_text(json.dumps(content | {"choices": {signature: name}}))
        chosen = executor(graph())
        assert ways.name(ways.choose(chosen.plan, chosen.graph.nodes[0])) == name
        np.testing.assert_allclose(chosen.run([X, W])[0], first.run([X, W])[0], atol=1e-4)
    assert json.loads(record.read_text())["choices"] == {signature: "fourier 1x8x8"}  # it was not measured again


def test_a_network_is_tuned_once_for_each_shape(record):
    model = striate.Sequential([striate.Input((12, 12, 16)), layers.Conv2D(16, 3), layers.Conv2D(16, 3, strides=2)])
    model.compile("sgd", "mse")
    model.predict(X, verbose=0)
    predicting = len(json.loads(record.read_text())["choices"])
    model.train_on_batch(X, model.predict(X, verbose=0))
    choices = json.loads(record.read_text())["choices"]
    assert predicting == 2
    assert {signature.split()[0] for signature in choices} == {"conv", "conv_grad_input", "conv_grad_weight"}
    assert all(way == "direct" for signature, way in choices.items() if "strides=(2, 2)" in signature)


def test_R4_a_way_that_there_is_not(record):
    executor(graph())
    (signature,) = json.loads(record.read_text())["choices"]
    record.write_text(json.dumps({"choices": {signature: "magic"}}))
    with pytest.raises(ArgumentError, match=r"expected one of direct, winograd 4 fused, .* the record has 'magic'"):
        executor(graph())


@pytest.mark.parametrize("content", ["", "[]", '{"choices": 3}', '{"choices": {"a": 1}}', "\xff"])
def test_R4_no_record(record, content):
    record.write_bytes(content.encode("latin-1"))
    with pytest.raises(FormatError, match="set_tuning: expected a record of choices in"):
        executor(graph())


def test_R4_a_record_that_cannot_be_written(tmp_path):
    striate.set_tuning(tmp_path / "nowhere" / "choices.json")
    try:
        with pytest.raises(FormatError, match="set_tuning: cannot write"):
            executor(graph())
    finally:
        striate.set_tuning(None)
