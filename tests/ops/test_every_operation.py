"""What every operation must do, over every case of every grid in tests/cases."""

import inspect
import itertools
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
import pytest

import striate.ops  # noqa: F401  (operations register themselves when they are imported)
from striate.errors import ArgumentError, StriateError
from striate.graph import Array, Node, Tensor, trace
from striate.ops.operation import OPERATIONS, Box, Operation
from striate.runtime.reference import ReferenceExecutor
from striate.testing import check_gradient, check_terms
from tests.cases import every_case
from tests.cases.case import Case

GRIDS: dict[str, list[Case]] = defaultdict(list)
for _case in every_case():
    GRIDS[_case.operation.name].append(_case)

every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())


def cases(operation: Operation) -> Iterator[Case]:
    return iter(GRIDS[operation.name])


@contextmanager
def naming(case: Case) -> Iterator[None]:
    """Say which case it was when a check inside fails."""
    try:
        yield
    except Exception as error:
        error.add_note(f"case: {case}")
        raise


def run(case: Case, arrays: list[Array]) -> Array:
    result = case.operation(*arrays, **case.attributes)
    assert isinstance(result, np.ndarray)
    return result


def in_float32(arrays: list[Array]) -> list[Array]:
    return [array.astype(np.float32) if array.dtype.kind == "f" else array for array in arrays]


def symbolic(case: Case, arrays: list[Array]) -> Tensor:
    symbols = [Tensor(array.shape, array.dtype) for array in arrays]
    output = case.operation(*symbols, **case.attributes)
    assert isinstance(output, Tensor)
    return output


def settings(operation: Operation) -> set[str]:
    """The attributes of an operation: what its methods take by name only, and what its cases give."""
    named = {
        parameter.name
        for method in (operation.shape, operation.forward)
        for parameter in inspect.signature(method).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    return named.union(*(case.attributes for case in cases(operation)))


@every_operation
def test_operation_has_cases_and_says_what_it_is(operation: Operation) -> None:
    assert GRIDS[operation.name], f"{operation.name}: no grid in tests/cases has a case of it."
    assert inspect.getdoc(type(operation)), f"{operation.name}: no docstring."
    assert type(operation).terms is not Operation.terms, f"{operation.name}: does not say which terms it adds."


@every_operation
def test_cases_vary_every_attribute(operation: Operation) -> None:
    for name in settings(operation):
        values = {repr(case.attributes[name]) for case in cases(operation)}
        assert len(values) >= 2, f"{operation.name}: every case has {name}={values}; a grid must vary it."


@every_operation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shape_rule_and_dtype_tell_what_forward_returns(operation: Operation, dtype: type) -> None:
    for case in cases(operation):
        arrays = case.arrays() if dtype is np.float64 else in_float32(case.arrays())
        with naming(case):
            expected, got = symbolic(case, arrays), run(case, arrays)
            assert got.shape == expected.shape
            assert got.dtype == expected.dtype
            if type(operation).dtype is Operation.dtype and arrays[0].dtype.kind == "f":
                assert got.dtype == dtype


@every_operation
def test_symbols_and_arrays_give_the_same_numbers(operation: Operation) -> None:
    for case in cases(operation):
        arrays = case.arrays()
        symbols = [Tensor(array.shape, array.dtype) for array in arrays]
        with naming(case):
            graph = trace(lambda *inputs, case=case: case.operation(*inputs, **case.attributes), symbols)
            (got,) = ReferenceExecutor(graph).run(arrays)
            np.testing.assert_array_equal(got, run(case, arrays))


@every_operation
def test_gradient_is_that_of_finite_differences(operation: Operation) -> None:
    if type(operation).gradient is Operation.gradient:
        with pytest.raises(ArgumentError, match=f"{operation.name}: has no gradient rule; .* of first order"):
            operation.gradient(Node(operation, (), {}), Tensor(()))
        return
    for case in cases(operation):
        if case.differentiable != ():
            with naming(case):
                check_gradient(operation, case.arrays(), case.attributes, wrt=case.differentiable)


@every_operation
def test_terms_add_up_to_the_number(operation: Operation) -> None:
    for number, case in enumerate(cases(operation)):
        arrays = case.arrays()
        with naming(case):
            shape = run(case, arrays).shape
            generator = np.random.default_rng(number)
            indices = [tuple(int(generator.integers(n)) for n in shape) for _ in range(4 * (0 not in shape))]
            check_terms(operation, arrays, case.attributes, indices)


@every_operation
def test_inputs_are_only_read(operation: Operation) -> None:
    for case in cases(operation):
        arrays, expected = case.arrays(), case.arrays()
        for array in arrays:
            array.flags.writeable = False
        with naming(case):
            np.testing.assert_array_equal(run(case, arrays), run(case, expected))
            for array, untouched in zip(arrays, case.arrays(), strict=True):
                np.testing.assert_array_equal(array, untouched)


@every_operation
def test_byte_order_does_not_matter(operation: Operation) -> None:
    for case in cases(operation):
        arrays = case.arrays()
        with naming(case):
            got = run(case, [array.astype(array.dtype.newbyteorder(">")) for array in arrays])
            np.testing.assert_array_equal(got, run(case, arrays))
            assert got.dtype.isnative


@every_operation
def test_memory_layout_does_not_matter(operation: Operation) -> None:
    """To rounding only: NumPy adds the numbers of another layout in another order."""
    for case in cases(operation):
        arrays = case.arrays()
        with naming(case):
            expected = run(case, arrays)
            for other in (scattered, reversed_axes):
                np.testing.assert_allclose(
                    run(case, [other(array) for array in arrays]), expected, rtol=1e-12, atol=1e-12
                )


def scattered(array: Array) -> Array:
    """The same numbers, every second place of a larger array."""
    spread = np.zeros([2 * n for n in array.shape], array.dtype)
    view = spread[..., *(slice(None, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def reversed_axes(array: Array) -> Array:
    """The same numbers, column-major, each axis running backwards through memory."""
    backwards = (slice(None, None, -1),) * array.ndim
    return np.array(array[backwards], order="F")[backwards]


@every_operation
def test_float32_agrees_with_float64(operation: Operation) -> None:
    for case in cases(operation):
        single = in_float32(case.arrays())
        double = [array.astype(np.float64) if array.dtype == np.float32 else array for array in single]
        with naming(case):
            expected = run(case, double)
            size = np.abs(expected, where=np.isfinite(expected), out=np.zeros(expected.shape)).max(initial=1)
            np.testing.assert_allclose(run(case, single), expected, rtol=1e-5, atol=1e-5 * size)


@every_operation
def test_mixed_floating_types_give_the_dtype_of_the_symbol(operation: Operation) -> None:
    for case in cases(operation):
        arrays = case.arrays()
        floating = [i for i, array in enumerate(arrays) if array.dtype.kind == "f"]
        for single in floating if len(floating) > 1 else ():
            mixed = [array.astype(np.float32) if i == single else array for i, array in enumerate(arrays)]
            with naming(case):
                assert run(case, mixed).dtype == symbolic(case, mixed).dtype


@every_operation
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1.7e308])
def test_numbers_that_are_none_propagate_without_a_warning(operation: Operation, value: float) -> None:
    """NumPy's warnings are errors in this suite; a refusal of ours is an answer."""
    for case in itertools.islice(cases(operation), 40):
        arrays = case.arrays()
        for array in arrays:
            if array.dtype.kind == "f":
                array.flat[::2] = value
        symbols = [Tensor(array.shape, array.dtype) for array in arrays]
        with naming(case), suppress(StriateError):
            run(case, arrays)
            graph = trace(lambda *inputs, case=case: case.operation(*inputs, **case.attributes), symbols)
            ReferenceExecutor(graph).run(arrays)


@every_operation
def test_reach_lies_in_the_input(operation: Operation) -> None:
    for case in cases(operation):
        output = symbolic(case, case.arrays())
        if 0 in output.shape or len(output.shape) < 3:
            continue
        assert output.node is not None
        for position in (tuple(0 for _ in output.shape[1:-1]), tuple(n - 1 for n in output.shape[1:-1])):
            with naming(case):
                boxes = operation.reach(output.node, Box(tuple((i, i + 1) for i in position)))
                for tensor, reached in zip(output.node.inputs, boxes, strict=True):
                    for (first, last), n in zip(reached.sides if reached else (), tensor.shape[1:-1], strict=False):
                        assert 0 <= first <= last <= n


@pytest.mark.parametrize(
    "name",
    [
        *("conv", "conv_grad_input", "max_pool", "average_pool", "average_pool_grad", "lp_pool", "adaptive_max_pool"),
        *("pad", "slice", "slice_grad", "upsample_nearest", "upsample_nearest_grad"),
    ],
)
def test_O13_reach_is_no_larger_than_what_is_read(name: str) -> None:
    """Without dilation, the reach of one number is exactly the rectangle around the places that its terms read."""
    checked = 0
    for number, case in enumerate(cases(OPERATIONS[name])):
        arrays, generator = case.arrays(), np.random.default_rng(number)
        output = symbolic(case, arrays)
        if 0 in output.shape or len(output.shape) < 3 or set(case.attributes.get("dilation", (1,))) != {1}:
            continue
        assert output.node is not None
        index = tuple(int(generator.integers(n)) for n in output.shape)
        source = OPERATIONS[name].inputs[0]
        terms = OPERATIONS[name].terms(index, *arrays, **case.attributes).terms
        places = np.array([read.index[1:-1] for term in terms for read in term.reads if read.source == source])
        box = OPERATIONS[name].reach(output.node, Box(tuple((i, i + 1) for i in index[1:-1])))[0]
        if len(places) and box is not None:
            hull = zip(places.min(axis=0).tolist(), (places.max(axis=0) + 1).tolist(), strict=True)
            with naming(case):
                assert box.sides == tuple(hull)
            checked += 1
    assert checked


@every_operation
def test_reach_holds_all_that_matters(operation: Operation) -> None:
    """Numbers outside of the reach of a rectangle may be anything: the rectangle stays as it is, bit for bit."""
    for number, case in enumerate(cases(operation)):
        arrays = case.arrays()
        with naming(case):
            output, expected = symbolic(case, arrays), run(case, arrays)
            if 0 in output.shape or len(output.shape) < 2:
                continue
            generator = np.random.default_rng(number)
            ends = [sorted(generator.choice(n + 1, 2, replace=False).tolist()) for n in output.shape[1:-1]]
            box = Box(tuple((first, last) for first, last in ends))
            assert output.node is not None
            boxes = operation.reach(output.node, box)
            changed = [array.copy() for array in arrays]
            for array, reached in zip(changed, boxes, strict=True):
                if reached is not None and array.ndim >= 2:
                    assert len(reached.sides) == array.ndim - 2
                    outside = np.ones(array.shape, bool)
                    outside[:, *(slice(*side) for side in reached.sides)] = False
                    array[outside] = generator.standard_normal(np.count_nonzero(outside))
            inside = (slice(None), *(slice(*side) for side in box.sides))
            np.testing.assert_array_equal(run(case, changed)[inside], expected[inside])
