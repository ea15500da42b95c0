"""Every kernel, written for machines that are not this one: what it calls, and what it computes."""

import pkgutil
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module

import numpy as np
import pytest

llvm = pytest.importorskip("llvmlite.binding")
import striate.kernels  # noqa: E402
from striate.codegen import Kernel, Target  # noqa: E402
from striate.codegen import llvm as ours  # noqa: E402
from striate.codegen.kernel import Code  # noqa: E402
from striate.codegen.values import element  # noqa: E402
from striate.graph import Tensor, Variable, trace  # noqa: E402
from striate.kernels import LOWERINGS, Plan, make_plan  # noqa: E402
from striate.kernels.conv import ways  # noqa: E402
from striate.runtime.team import _text  # noqa: E402
from tests.cases.dense import dense_cases  # noqa: E402
from tests.codegen.machines import FUSED, UNFUSED, lesser, name, pretend, undefined_symbols  # noqa: E402
from tests.kernels import test_dense, test_direct_convolution, test_fourier, test_winograd  # noqa: E402
from tests.kernels.agreement import assert_agrees, native, one_graph  # noqa: E402
from tests.kernels.test_agreement import CASES  # noqa: E402

OPERATIONS = sorted(set(LOWERINGS) & set(CASES))
#: What a kernel may call: two functions of C's library that round nothing and are everywhere.
MEMORY = {"memcpy", "memset"}


def plans(target: Target) -> Iterator[Plan]:
    """Of all cases, and of convolutions in every way that there is for this machine."""
    for operation in OPERATIONS:
        yield make_plan(one_graph(CASES[operation])[0], target)
    yield make_plan(
        one_graph([case for sizes in test_dense.LARGER.values() for case in dense_cases(*sizes)])[0], target
    )
    counter = Variable(np.zeros(3, np.float32))
    yield make_plan(trace(counter.assign, [Tensor((3,), np.dtype(np.int64))]), target)

    cases = [case for each in test_winograd.LOWER for case in (*test_winograd.cases(each), *test_fourier.cases(each))]
    graph = one_graph([*cases, *test_direct_convolution.LARGER[:8]])[0]
    plan = make_plan(graph, target)
    found = {ways.signature(node): ways.ways(plan, node, most_windows=2) for node in graph.nodes}
    for number in range(max(map(len, found.values()))):
        yield make_plan(graph, target, choices={key: ways.name(all[number % len(all)]) for key, all in found.items()})


def codes(target: Target) -> dict[Code, Kernel]:
    """All that is written for machines with these vectors; the names of the CPU change nothing in it."""
    return _codes(target._replace(triple="", cpu="", features=""))


@cache
def _codes(target: Target) -> dict[Code, Kernel]:
    return {
        launch.kernel.code(target, tuple(element(b.dtype) for b in launch.buffers), launch.settings): launch.kernel
        for plan in plans(target)
        for launch in plan.launches
    }


def kinds(code: Code) -> set[str]:
    """Which instructions it has, on which types: what they become for a CPU does not depend on more."""
    parts = r"call [^@]*@([\w.]+)\(", r"^  (?:%\w+ = )?(\w+ (?:<[^>]*>|\w+))", r" to .*$"
    return {found for part in parts for found in re.findall(part, code.text, re.M)}


def of_each_kind(all_codes: Iterable[Code]) -> Iterator[Code]:
    """As few as it takes to have every kind of instruction."""
    seen: set[str] = set()
    for code in sorted(all_codes, key=lambda code: len(code.text)):
        if found := kinds(code) - seen:
            seen |= found
            yield code


def all_kernels() -> dict[str, Kernel]:
    modules = [import_module(m.name) for m in pkgutil.walk_packages(striate.kernels.__path__, "striate.kernels.")]
    kernels = [value for module in modules for value in vars(module).values() if isinstance(value, Kernel)]
    return {f"{kernel.write.__module__}.{kernel.name}": kernel for kernel in kernels}


def test_no_kernel_is_left_out():
    written = set(codes(UNFUSED[0]).values())
    assert [name for name, kernel in all_kernels().items() if kernel not in written] == []


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(target, id=name(target), marks=() if target in (UNFUSED[0], FUSED[0]) else pytest.mark.exhaustive)
        for target in [*UNFUSED, *FUSED]
    ],
)
def test_R5_no_kernel_calls_the_library_of_mathematics(target):
    """Where a CPU lacks an instruction, LLVM calls a function of C's instead: slow, and with bits of its own."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    team = Code((), _text(target.triple))
    for code in of_each_kind([*codes(target), team]):
        called = undefined_symbols(ours.emit_object(code.text, target))
        assert called <= MEMORY, f"{code.symbols} for {target.cpu} calls {called - MEMORY}"


@pytest.mark.parametrize("target", UNFUSED[:1], ids=name)
def test_R5_products_and_sums_are_separate_where_they_cannot_be_fused(target):
    assert [code.symbol for code in codes(target) if re.search(r"\bllvm\.(fma|fmuladd)\b", code.text)] == []


@pytest.mark.parametrize("target", lesser(), ids=name)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_R5_kernels_of_lesser_machines_agree_with_the_definition(operation, target, monkeypatch):
    pretend(monkeypatch, target)
    for case, result in zip(CASES[operation], native(CASES[operation])[1], strict=True):
        assert_agrees(result, case)
