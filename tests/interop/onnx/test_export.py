"""Writing ONNX: every file passes ONNX's checker, and gives in ONNX Runtime what the model gives here."""

import json
from typing import Any

import numpy as np
import pytest

import striate
from striate import layers, models, ops
from striate.architectures import ARCHITECTURES
from striate.data import PhotoPreprocessing, Preprocessing
from striate.errors import ArgumentError, FormatError, ModelError
from striate.graph import Array
from striate.interop.onnx import write_onnx
from striate.interop.onnx.export import network
from striate.interop.onnx.export.writer import RULES
from striate.models import Input, Model, Sequential
from striate.ops.operation import OPERATIONS
from tests.contracts.test_layer_contract import CONTRACTS, Contract

onnx = pytest.importorskip("onnx", reason="ONNX is the oracle of these tests")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is the oracle of these tests")

BATCHES = (1, 3)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


def first(array: Array) -> Array:
    """Channels first: (N, *size, C) → (N, C, *size)."""
    return np.moveaxis(array, -1, 1) if array.ndim > 2 else array


def as_list(value: Any) -> list[Array]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]


def settled(model: Model) -> Model:
    """The model with weights of which none is what it began with: moving statistics too."""
    generator = np.random.default_rng(3)
    model.set_weights([0.5 + 0.4 * generator.random(v.shape).astype(np.float32) for v in model.weights])
    return model


def inputs_of(model: Model, batch: int) -> list[Array]:
    generator = np.random.default_rng(7)
    return [
        generator.standard_normal((batch, *shape)).astype(dtype)
        if np.dtype(dtype).kind == "f"
        else generator.integers(0, 5, (batch, *shape)).astype(dtype)
        for shape, dtype in model.input_specs()
    ]


def checked(path) -> Any:
    file = onnx.load(path)
    onnx.checker.check_model(file, full_check=True)
    return file


def agrees(model: Model, path, channels_last: bool = False, tolerance: float = 1e-5) -> Any:
    """Write a model, check the file, and compare what ONNX Runtime and the model give; return the file."""
    write_onnx(model, path, channels_last=channels_last)
    file = checked(path)
    session = onnxruntime.InferenceSession(path.read_bytes())
    turn = (lambda array: array) if channels_last else first
    for batch in BATCHES:
        arrays = inputs_of(model, batch)
        names = [one.name for one in session.get_inputs()]
        got = session.run(None, {name: turn(array) for name, array in zip(names, arrays, strict=True)})
        expected = as_list(model(arrays if len(arrays) > 1 else arrays[0]))
        assert len(got) == len(expected)
        for ours, theirs in zip(expected, got, strict=True):
            assert theirs.dtype == ours.dtype
            np.testing.assert_allclose(theirs, turn(ours), rtol=tolerance, atol=tolerance)
    return file


def operators(file: Any) -> list[str]:
    return [node.op_type for node in file.graph.node]


def contract_model(case: Contract) -> Model:
    shapes = case.given if isinstance(case.given, list) else [case.given]
    symbols = [Input(shape) for shape in shapes]
    return settled(Model(symbols, case.make()(symbols if isinstance(case.given, list) else symbols[0])))


@pytest.mark.parametrize("channels_last", [False, True], ids=["channels_first", "channels_last"])
@pytest.mark.parametrize("case", [pytest.param(case, id=f"{name}-{i}") for i, (name, case) in enumerate(CONTRACTS)])
def test_A7_every_layer(case, channels_last, path):
    agrees(contract_model(case), path, channels_last)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_A7_every_architecture(name, path):
    model = ARCHITECTURES[name].build()
    agrees(model, path)
