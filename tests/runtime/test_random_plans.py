"""Random small networks, forward and backward, on the native executor and on the reference.

All numbers are small integers, so every sum is exact in float32 whatever its order, and the two must be equal bit for
bit, ties and zeros included. ``STRIATE_PLANS`` sets how many networks are tried (10,000 for a release).
"""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from striate import ops
from striate.graph import Array, Tensor, Variable, active_trace, gradients, trace
from striate.ops.operation import known_shape
from striate.runtime import ReferenceExecutor

pytest.importorskip("llvmlite")
from striate.runtime.native import NativeExecutor

PLANS = int(os.environ.get("STRIATE_PLANS", "60"))
LARGEST = 2**20  # above this, sums of float32 integers might not be exact


class Network:
    """Draws operations that fit the tensors it has made so far."""

    def __init__(self, data: st.DataObject, x: Tensor, generator: np.random.Generator):
        self.data, self.generator = data, generator
        self.tensors = [x]
        self.variables: list[Variable] = []

    def integer(self, least: int, most: int) -> int:
        return self.data.draw(st.integers(least, most))

    def weights(self, *shape: int) -> Variable:
        values = self.generator.integers(-1, 2, shape) * (self.generator.random(shape) < 0.4)
        self.variables.append(Variable(values.astype(np.float32), f"w{len(self.variables)}"))
        return self.variables[-1]

    def step(self) -> None:
        """Add one operation to the network."""
        x = self.data.draw(st.sampled_from(self.tensors[-3:]))
        kinds = ["relu", "bias", "add", "pointwise", "total", "crop", "pad", "reshape"]
        if x.ndim == 4:
            kinds += ["conv", "conv", "depthwise", "transposed", "max", "average", "upsample", "concatenate"]
            kinds += ["transpose"]
        elif x.ndim == 2:
            kinds += ["dense", "dense"]
        self.tensors.append(getattr(self, self.data.draw(st.sampled_from(kinds)))(x))

    def relu(self, x: Tensor) -> Tensor:
        return ops.relu(x)

    def bias(self, x: Tensor) -> Tensor:
        return x + self.weights(known_shape(x)[-1])

    def add(self, x: Tensor) -> Tensor:
        like = [t for t in self.tensors if t.shape == x.shape]
        return ops.maximum(x, self.data.draw(st.sampled_from(like))) if self.integer(0, 1) else x + like[0]

    def pointwise(self, x: Tensor) -> Tensor:
        return self.data.draw(st.sampled_from([ops.negative, ops.absolute, ops.relu6, ops.sign]))(x)

    def total(self, x: Tensor) -> Tensor:
        return x + ops.sum(ops.sign(x)) * 2.0

    def crop(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or min(known_shape(x)[1:3]) < 3:
            return ops.negative(x)
        return ops.crop(x, ((0, 0), (1, 0), (0, 1), (0, 0)))

    def pad(self, x: Tensor) -> Tensor:
        return ops.pad(x, ((0, 0), (1, 0), (0, 2), (0, 0))) if x.ndim == 4 else ops.absolute(x)

    def reshape(self, x: Tensor) -> Tensor:
        return ops.reshape(x, (known_shape(x)[0], int(np.prod(known_shape(x)[1:]))))

    def transpose(self, x: Tensor) -> Tensor:
        return ops.transpose(x, (0, 2, 1, 3))

    def conv(self, x: Tensor) -> Tensor:
        channels = known_shape(x)[-1]
        groups = self.data.draw(st.sampled_from([g for g in (1, 1, 2, 3) if channels % g == 0]))
        outputs = groups * self.integer(1, 9 if self.integer(0, 1) else 20)
        height, width = (self.integer(1, min(3, n)) for n in known_shape(x)[1:3])
        w = self.weights(height, width, channels // groups, outputs)
        dilation = self.integer(1, 2)
        strides = (self.integer(1, 3), self.integer(1, 3))
        return ops.conv2d(x, w, strides=strides, padding="same", dilation_rate=dilation, groups=groups)

    def depthwise(self, x: Tensor) -> Tensor:
        w = self.weights(self.integer(1, 3), self.integer(1, 3), known_shape(x)[-1], self.integer(1, 2))
        return ops.depthwise_conv2d(x, w, strides=self.integer(1, 2), padding="same")

    def transposed(self, x: Tensor) -> Tensor:
        w = self.weights(2, 3, self.integer(1, 6), known_shape(x)[-1])
        return ops.conv2d_transpose(x, w, strides=self.integer(1, 2), padding="same")

    def max(self, x: Tensor) -> Tensor:
        return ops.max_pool(x, self.integer(1, 3), strides=self.integer(1, 3), padding="same")

    def average(self, x: Tensor) -> Tensor:
        return ops.average_pool(x * 4.0, 2, strides=self.integer(1, 2), padding="same", count_include_pad=True)

    def upsample(self, x: Tensor) -> Tensor:
        return ops.upsample_nearest(x, 2) if known_shape(x)[1] < 8 else x * 2.0

    def concatenate(self, x: Tensor) -> Tensor:
        like = [t for t in self.tensors if t.shape[:-1] == x.shape[:-1]]
        return ops.concatenate([x, self.data.draw(st.sampled_from(like))], -1)

    def dense(self, x: Tensor) -> Tensor:
        return ops.dense(x, self.weights(known_shape(x)[-1], self.integer(1, 20)))


@settings(max_examples=PLANS, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_random_networks_agree_with_the_reference_bit_for_bit(data: st.DataObject, seed: int) -> None:
    generator = np.random.default_rng(seed)
    shape = tuple(data.draw(st.integers(1, most)) for most in (3, 9, 9, 7))
    steps, fuse = data.draw(st.integers(1, 6)), data.draw(st.booleans())

    def compute(x: Tensor) -> list[Tensor]:
        network = Network(data, x, generator)
        for _ in range(steps):
            network.step()
        y, scope = network.tensors[-1], active_trace()
        slope = Tensor.constant(generator.integers(-2, 3, known_shape(y)).astype(np.float32))
        grads = gradients(y, [x, *(scope.symbol(variable) for variable in network.variables)], slope)
        return [*network.tensors[1:], *(grad for grad in grads if grad is not None)]

    graph = trace(compute, [Tensor(shape)])
    x = generator.integers(-3, 4, shape).astype(np.float32)
    expected = ReferenceExecutor(graph).run([x])
    if max((float(np.abs(array).max(initial=0)) for array in expected), default=0) > LARGEST:
        return
    executor = NativeExecutor(graph, fuse=fuse, exact=True)
    assert_same(executor.run([x]), expected)
    assert_same(executor.run([x]), expected)  # nothing is left over from the first time


def assert_same(results: list[Array], expected: list[Array]) -> None:
    for result, wanted in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, wanted)
