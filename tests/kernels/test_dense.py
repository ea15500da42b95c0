"""Products so large that the work is cut in ways which the cases of the grid do not reach."""

import pytest

pytest.importorskip("llvmlite")
from striate.codegen import host
from tests.cases.dense import dense_cases
from tests.codegen.machines import lesser, name, pretend
from tests.kernels.agreement import (
    assert_agrees,
    assert_same_bits_with_any_number_of_threads,
    native,
)

#: The kernel that only such a product needs → its rows, features and outputs.
LARGER = {
    "multiply_slices": ((3,), 1030, 1030),  # weights that come from memory, and few rows
    "interleave": ((50,), 1024, 650),  # rows that share a place in the cache
}


@pytest.mark.parametrize("target", [host(), *lesser()], ids=name)
@pytest.mark.parametrize("kernel", LARGER)
def test_agrees_with_the_definition(kernel, target, monkeypatch):
    pretend(monkeypatch, target)
    cases = dense_cases(*LARGER[kernel])
    executor, results = native(cases)
    assert kernel in {launch.kernel.name for launch in executor.plan.launches}
    for case, result in zip(cases, results, strict=True):
        assert_agrees(result, case)


@pytest.mark.parametrize("kernel", LARGER)
def test_bits_do_not_depend_on_the_number_of_threads(kernel):
    assert_same_bits_with_any_number_of_threads(lambda: native(dense_cases(*LARGER[kernel]))[1])
