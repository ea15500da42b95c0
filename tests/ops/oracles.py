"""Values and gradients of one function, as we compute them and as PyTorch does."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from striate.graph import Array, Graph, Tensor, gradients
from striate.runtime.reference import ReferenceExecutor


def value_and_gradients(function: Callable[..., Any], arrays: Sequence[Array], wrt: Sequence[int]) -> list[Array]:
    """``function(*arrays)``, and its gradients by the arrays numbered in ``wrt``, for a gradient of `weights_for`."""
    symbols = [Tensor(array.shape, array.dtype) for array in arrays]
    output = function(*symbols)
    grad_output = Tensor(output.shape, output.dtype)
    found = gradients(output, [symbols[i] for i in wrt], grad_output)
    assert all(gradient is not None for gradient in found)
    graph = Graph([*symbols, grad_output], [output, *(gradient for gradient in found if gradient is not None)])
    return ReferenceExecutor(graph).run([*arrays, weights_for(output.shape)])


def weights_for(shape: tuple[int | None, ...]) -> Array:
    """A gradient of some later scalar: the same for the same shape."""
    return np.asarray(np.random.default_rng(9).standard_normal(shape))  # type: ignore[arg-type]


def assert_agrees_with_torch(
    function: Callable[..., Any],
    torch_function: Callable[..., Any],
    arrays: Sequence[Array],
    wrt: Sequence[int] | None = None,
    tolerance: float = 1e-10,
) -> None:
    """Check value and gradients of ``function`` against the same computed by PyTorch (or by Keras on PyTorch)."""
    torch = pytest.importorskip("torch")
    wrt = range(len(arrays)) if wrt is None else wrt
    tensors = [torch.tensor(array) for array in arrays]
    for i in wrt:
        tensors[i].requires_grad_()
    output = torch_function(*tensors)
    output.backward(torch.tensor(weights_for(tuple(output.shape))))
    expected = [output.detach().numpy(), *(tensors[i].grad.numpy() for i in wrt)]
    for got, right in zip(value_and_gradients(function, arrays, wrt), expected, strict=True):
        assert got.shape == right.shape
        np.testing.assert_allclose(got, right, rtol=tolerance, atol=tolerance)
