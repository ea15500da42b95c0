"""Every operation with a kernel, over its whole case grid, against its definition in float64."""

import importlib
import pkgutil

import numpy as np
import pytest

import tests.cases
from striate.kernels import LOWERINGS
from striate.runtime.checked import CheckedExecutor
from tests.cases import short_and_whole_grid
from tests.cases.case import Case
from tests.kernels.agreement import assert_agrees, native, one_graph

MODULES = [m.name for m in pkgutil.iter_modules(tests.cases.__path__) if m.name != "case"]
CASES: dict[str, list[Case]] = {}
for module in MODULES:
    for each in importlib.import_module(f"tests.cases.{module}").CASES:
        CASES.setdefault(each.operation.name, []).append(each)


@pytest.mark.parametrize("operation", sorted(set(LOWERINGS) & set(CASES)))
@short_and_whole_grid
def test_kernels_agree_with_the_definition(operation, grid):
    cases = grid(CASES[operation])
    executor, results = native(cases)
    assert not executor.without_kernel, f"{len(executor.without_kernel)} of {len(cases)} have no kernel"
    for case, result in zip(cases, results, strict=True):
        assert_agrees(result, case)


@pytest.mark.parametrize("operation", sorted(set(LOWERINGS) & set(CASES)))
@short_and_whole_grid
def test_kernels_stay_within_their_buffers(operation, grid):
    cases = grid(CASES[operation])
    graph, given = one_graph(cases)
    for case, result in zip(cases, CheckedExecutor(graph).run(given), strict=True):
        assert_agrees(result, case)


def test_every_case_names_an_operation():
    assert CASES
    assert all(np.size(cases) for cases in CASES.values())
