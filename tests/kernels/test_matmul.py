"""The kernel of stacks of products: deep sums, what ends it, its memory, and any number of threads."""

import numpy as np
import pytest

from striate import ops
from striate.codegen import host
from striate.graph import Graph, Tensor
from striate.kernels import make_plan
from striate.ops.matmul import MATMUL
from striate.runtime.native import NativeExecutor
from tests.kernels.agreement import assert_same_bits_with_any_number_of_threads

generator = np.random.default_rng(0)


def product(a, b, turned=(False, False), end=lambda y: y):
    """On the native executor; every node has a kernel."""
    symbols = Tensor(a.shape), Tensor(b.shape)
    y = end(MATMUL(*symbols, transpose_a=turned[0], transpose_b=turned[1]))
    executor = NativeExecutor(Graph([*symbols], [y]))
    assert not executor.without_kernel
    return executor.run([a, b])[0]


@pytest.mark.parametrize("turned", [(a, b) for a in (False, True) for b in (False, True)])
def test_deep_sums_are_cut_into_stretches(turned):
    n, k, m = 50, 5000, 40
    a = generator.standard_normal((2, *((k, n) if turned[0] else (n, k)))).astype(np.float32)
    b = generator.standard_normal((2, *((m, k) if turned[1] else (k, m)))).astype(np.float32)
    exact = [
        x.astype(np.float64).swapaxes(1, 2) if t else x.astype(np.float64) for x, t in zip((a, b), turned, strict=True)
    ]
    expected = np.maximum(exact[0] @ exact[1], 0)
    np.testing.assert_allclose(product(a, b, turned, ops.relu), expected, atol=1e-5 * np.abs(expected).max())


def test_what_follows_is_applied_while_the_sums_are_in_registers():
    a, b = (generator.standard_normal(shape).astype(np.float32) for shape in [(2, 3, 5, 4), (3, 4, 20)])
    bias = generator.standard_normal(20).astype(np.float32)
    got = product(a, b, end=lambda y: ops.relu(ops.add(y, bias)))
    np.testing.assert_allclose(got, np.maximum(a @ b + bias, 0), atol=1e-5)


def test_memory_is_that_of_inputs_and_result():
    a, b = Tensor((2, 64, 512)), Tensor((2, 64, 512))
    y = MATMUL(a, b, transpose_a=False, transpose_b=True)
    plan = make_plan(Graph([a, b], [y]), host())
    assert sum(buffer.bytes for launch in plan.launches for buffer in launch.buffers if buffer.home == "arena") == 0
    assert [launch.kernel.name for launch in plan.launches] == ["multiply"]


def test_R1_the_same_bits_on_any_number_of_threads():
    a, b = (generator.standard_normal(shape).astype(np.float32) for shape in [(3, 130, 70), (3, 90, 70)])
    assert_same_bits_with_any_number_of_threads(lambda: [product(a, b, (False, True))])
