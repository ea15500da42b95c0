"""The debug mode sees what a wrong kernel does."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")
from striate import ops
from striate.codegen import Function, Pointer, kernel
from striate.codegen.values import BYTE, LONG
from striate.errors import KernelError
from striate.graph import Tensor, trace
from striate.kernels import LOWERINGS
from striate.runtime.checked import CheckedExecutor

SHAPE = (3, 5)


@pytest.fixture
def run(monkeypatch):
    """Runs x → transpose(x) with a kernel in the place of ours, and gives its result."""

    def run(written, x, items=1, grain=None, scratch=0, **settings):
        def lower(plan, node):
            y = plan.write(node.output)
            plan.launch(written, plan.read(node.inputs[0]), y, items=items, grain=grain, scratch=scratch, **settings)

        monkeypatch.setitem(LOWERINGS, "transpose", lower)
        graph = trace(lambda x: ops.transpose(x, (1, 0)), [Tensor(x.shape, x.dtype)])
        return CheckedExecutor(graph).run([x])[0]

    return run


@kernel
def write_at(f: Function, x: Pointer, y: Pointer, *, place: int) -> None:
    """Zeros, and one more number at this place."""
    f.clear(y, 15)
    (y + place).store(f.constant(1.0))


@pytest.mark.parametrize("place", [-1, -32, 15, 46])
def test_a_kernel_that_writes_outside_its_result_is_found(run, place):
    expected = r"write_at: wrote outside buffer 1 of \(5, 3\), for .*transpose.*\{'place': " + str(place)
    with pytest.raises(KernelError, match=expected):
        run(write_at, np.ones(SHAPE, np.float32), place=place)


def test_a_kernel_that_writes_within_its_result_is_none_of_these(run):
    assert run(write_at, np.ones(SHAPE, np.float32), place=14).ravel().tolist() == [0.0] * 14 + [1.0]


@kernel
def write_scratch(f: Function, x: Pointer, y: Pointer) -> None:
    f.clear(y, 15)
    f.clear(f.scratch, 17)


def test_a_kernel_that_writes_outside_its_scratch_is_found(run):
    run(write_scratch, np.ones(SHAPE, np.float32), scratch=68)
    with pytest.raises(KernelError, match=r"write_scratch: wrote outside its scratch, for .*transpose"):
        run(write_scratch, np.ones(SHAPE, np.float32), scratch=64)


@kernel
def write_some(f: Function, x: Pointer, y: Pointer, *, last: int) -> None:
    """The first numbers; and, from scratch that nobody wrote, the one after them."""
    f.clear(y, last)
    (y + last).store(f.scratch.load())


def test_what_nobody_wrote_is_nan(run):
    result = run(write_some, np.ones(SHAPE, np.float32), scratch=64, last=7).ravel()
    assert result[:7].tolist() == [0.0] * 7
    assert np.isnan(result[7:]).all()


@kernel
def tell_addresses(f: Function, x: Pointer, y: Pointer) -> None:
    """The lowest byte of both addresses."""
    for number, buffer in enumerate((x, y)):
        address = f.emit(LONG, f"ptrtoint ptr {buffer.address().text} to i64")
        (y + number).store(f.convert(f.convert(address, BYTE), y.element, signed=False))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "int64"])
def test_arrays_lie_at_multiples_of_their_numbers_size_and_of_nothing_larger(run, dtype):
    size = np.dtype(dtype).itemsize
    for found in run(tell_addresses, np.zeros(SHAPE, dtype)).ravel()[:2].tolist():
        assert found % 64 == size


@kernel
def add_one(f: Function, x: Pointer, y: Pointer) -> None:
    """Each item, all that were computed before it in y[1 …], counted in y[0], which is wrong."""
    for item in f.items():
        before = f.select(y.load().is_nan(), 0.0, y.load())
        y.store(before + 1.0)
        (y + item + 1).store(before)


def test_items_are_computed_in_no_order(run):
    order = run(add_one, np.zeros(SHAPE, np.float32), items=14, grain=1).ravel()[1:].tolist()
    assert sorted(order) == list(range(14))
    assert order != sorted(order)
