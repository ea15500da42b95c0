"""ONNX's own one-operator models: every case of every operator that we claim."""

import os

import pytest

from striate.interop.onnx.operators import OPERATORS
from tests.interop.onnx import conformance

pytestmark = pytest.mark.skipif("STRIATE_DATA" not in os.environ, reason="STRIATE_DATA is not set")

#: Numbers of 8-bit floating types, which are refused.
FLOAT8 = "_e5m2"


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_every_case_of_a_claimed_operator_passes(operator):
    for case in conformance.cases():
        if case.operator == operator and not case.name.endswith(FLOAT8):
            try:
                conformance.check(case)
            except Exception as error:
                error.add_note(case.name)
                raise


def test_the_page_has_the_table_of_today():
    assert conformance.BEGIN + conformance.table() + conformance.END in conformance.PAGE.read_text()


def test_what_the_project_promised_is_claimed():
    promised = """Conv ConvTranspose MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool MaxUnpool
        BatchNormalization InstanceNormalization GroupNormalization LayerNormalization LRN Dropout Gemm MatMul Relu
        LeakyRelu PRelu Elu Selu Celu Sigmoid Tanh Softplus Softsign ThresholdedRelu Mish Gelu Clip HardSigmoid
        HardSwish Softmax LogSoftmax Concat Split Slice Pad Reshape Flatten Squeeze Unsqueeze Transpose Resize Upsample
        DepthToSpace Add Sub Mul Div Pow Sqrt Exp Sum Max Min Mean ReduceMean ReduceSum ReduceMax ArgMax Cast Constant
        ConstantOfShape Shape Gather Expand Identity QuantizeLinear DequantizeLinear QLinearConv ConvInteger
        GlobalLpPool Where"""
    assert set(promised.split()) <= OPERATORS.keys()
