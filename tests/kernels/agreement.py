"""Kernels against the definition: the same cases on the native executor and, in float64, on the reference."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from striate.graph import Array, Graph, Tensor
from striate.runtime.native import NativeExecutor
from striate.runtime.team import available_cores, set_threads
from tests.cases.case import Case


def one_graph(cases: Sequence[Case]) -> tuple[Graph, list[Array]]:
    """All cases in one graph, so that their kernels are compiled together, and what it is given."""
    given: list[Array] = []
    symbols: list[Tensor] = []
    outputs: list[Tensor] = []
    for case in cases:
        arrays = [as_float32(array) for array in case.arrays()]
        tensors = [Tensor(array.shape, array.dtype) for array in arrays]
        outputs.append(case.operation(*tensors, **case.attributes))
        given += arrays
        symbols += tensors
    return Graph(symbols, outputs), given


def native(cases: Sequence[Case], **settings: Any) -> tuple[NativeExecutor, list[Array]]:
    """An executor for all cases, and its results."""
    graph, given = one_graph(cases)
    executor = NativeExecutor(graph, **settings)
    return executor, executor.run(given)


def definition(case: Case) -> Array:
    """What the operation is defined to give, computed in float64 from the numbers that the kernel got."""
    arrays = [as_float32(array) for array in case.arrays()]
    arrays = [array.astype(np.float64) if array.dtype == np.float32 else array for array in arrays]
    with np.errstate(all="ignore"):
        return case.operation.forward(*arrays, **case.attributes)


def as_float32(array: Array) -> Array:
    return array.astype(np.float32) if array.dtype == np.float64 else array


def assert_agrees(result: Array, case: Case, tolerance: float = 1e-5) -> None:
    """Equal to ``tolerance`` of the largest number; infinities and NaN in the same places."""
    expected = definition(case)
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(1.0, float(finite.max(initial=0)))
    np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance * scale, err_msg=str(case))


def assert_same_bits_with_any_number_of_threads(run: Callable[[], Sequence[Array]]) -> None:
    """R1: what ``run`` returns has the same bits on 1, 2, 3 and 4 threads."""
    found = []
    try:
        for threads in (1, 2, 3, 4):
            set_threads(threads)
            found.append([array.tobytes() for array in run()])
    finally:
        set_threads(available_cores())
    assert found[0]
    assert all(bits == found[0] for bits in found)
