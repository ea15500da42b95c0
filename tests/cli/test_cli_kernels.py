"""``striate kernels``."""

import pytest

import striate
from striate.ops.operation import OPERATIONS

pytest.importorskip("llvmlite")


def test_every_operation_and_where_its_kernels_are(striate_cli):
    result = striate_cli("kernels")
    assert result.code == 0
    assert result.lines[-1] == f"{len(OPERATIONS)} of {len(OPERATIONS)} operations have kernels."
    assert ["conv", "striate/kernels/conv/lowering.py"] in [line.split() for line in result.lines]


def test_the_kernels_of_a_network(striate_cli):
    result = striate_cli("kernels", "lenet5", "--batch", "8")
    assert result.code == 0
    assert any(line.split()[0] == "conv" and "correlate" in line and "(8, 28, 28, 6)" in line for line in result.lines)
    assert "0 operations on the reference" in result.lines[-1]


def test_R4_no_such_network(refused):
    assert "nowhere.safetensors" in refused(1, "kernels", "nowhere.safetensors")


def test_R4_there_are_none_on_the_reference(refused):
    striate.set_executor("reference")
    try:
        assert "kernels need the package llvmlite" in refused(1, "kernels")
    finally:
        striate.set_executor("native")
