"""Which kernels a product or a convolution gets, and what a record of measured ways may say."""

import numpy as np
import pytest

from striate import ops
from striate.errors import ArgumentError
from striate.graph import Graph, Tensor
from striate.kernels.conv import ways
from striate.runtime.native import NativeExecutor

pytest.importorskip("llvmlite")


def numbers(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("depth", "columns", "sliced"), [(2048, 1024, True), (2048, 24, False)])
def test_few_rows_and_many_weights_are_multiplied_in_slices(depth, columns, sliced):
    x, w = Tensor((6, depth)), Tensor((depth, columns))
    executor = NativeExecutor(Graph([x, w], [ops.dense(x, w)]))
    assert ("multiply_slices" in [launch.kernel.name for launch in executor.plan.launches]) == sliced
    a, b = numbers(6, depth), numbers(depth, columns)
    expected = a.astype(np.float64) @ b
    np.testing.assert_allclose(executor.run([a, b])[0], expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_a_recorded_way_is_taken_and_an_unknown_one_refused():
    x, w = Tensor((1, 16, 16, 16)), Tensor((3, 3, 16, 16))
    graph = Graph([x, w], [ops.conv2d(x, w, padding="same")])
    (node,) = graph.nodes
    a, b = numbers(*x.shape), numbers(*w.shape)
    for way, kernel in (("direct", "correlate"), ("winograd 2", "transform_images")):
        executor = NativeExecutor(graph, choices={ways.signature(node): way})
        assert kernel in [launch.kernel.name for launch in executor.plan.launches]
        np.testing.assert_allclose(executor.run([a, b])[0], ops.conv2d(a, b, padding="same"), rtol=1e-3, atol=1e-3)
    with pytest.raises(ArgumentError, match=r"conv \(1, 16, .*expected one of direct, .*the record has 'guess'"):
        NativeExecutor(graph, choices={ways.signature(node): "guess"})
