"""Element-wise operations, and softmax along one axis."""

import math
from typing import Any

import numpy as np

from striate.graph import Node
from striate.interop.onnx.export.writer import Order, Value, Writer, writes
from striate.interop.onnx.tensors import NUMBERS
from striate.ops import activations as act
from striate.ops import elementwise as ew
from striate.ops.casting import CAST

#: Operations that are one operator, with the settings it always has.
OPERATORS: dict[Any, tuple[str, dict[str, float]]] = {
    act.ERF: ("Erf", {}),
    act.HARD_SIGMOID: ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    act.HARD_SILU: ("HardSwish", {}),
    act.PRELU: ("PRelu", {}),
    act.RELU: ("Relu", {}),
    act.SELU: ("Selu", {"alpha": act.SELU_ALPHA, "gamma": act.SELU_SCALE}),
    act.SIGMOID: ("Sigmoid", {}),
    act.SOFTPLUS: ("Softplus", {}),
    act.SOFTSIGN: ("Softsign", {}),
    act.TANH: ("Tanh", {}),
    ew.ABSOLUTE: ("Abs", {}),
    ew.ADD: ("Add", {}),
    ew.CEIL: ("Ceil", {}),
    ew.DIVIDE: ("Div", {}),
    ew.EXP: ("Exp", {}),
    ew.FLOOR: ("Floor", {}),
    ew.LOG: ("Log", {}),
    ew.MAXIMUM: ("Max", {}),
    ew.MINIMUM: ("Min", {}),
    ew.MULTIPLY: ("Mul", {}),
    ew.NEGATIVE: ("Neg", {}),
    ew.POWER: ("Pow", {}),
    ew.ROUND: ("Round", {}),
    ew.SIGN: ("Sign", {}),
    ew.SQRT: ("Sqrt", {}),
    ew.STOP_GRADIENT: ("Identity", {}),
    ew.SUBTRACT: ("Sub", {}),
}

#: Comparisons that are one operator.
COMPARISONS: dict[Any, str] = {
    ew.EQUAL: "Equal",
    ew.GREATER: "Greater",
    ew.GREATER_EQUAL: "GreaterOrEqual",
    ew.LESS: "Less",
    ew.LESS_EQUAL: "LessOrEqual",
}


@writes(*OPERATORS)
def one_operator(to: Writer, node: Node, *inputs: Value) -> tuple[str, Order]:
    """The operator that `OPERATORS` names, with the inputs in one order of axes."""
    operator, settings = OPERATORS[node.operation]
    names, order = to.together(node, *inputs)
    return to.add(operator, *names, **settings), order


@writes(ew.SQUARE)
def square(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """x·x."""
    return to.add("Mul", x.name, x.name), x.order


@writes(*COMPARISONS, ew.NOT_EQUAL)
def comparison(to: Writer, node: Node, a: Value, b: Value) -> tuple[str, Order]:
    """ONNX returns booleans, we return 1 and 0."""
    names, order = to.together(node, a, b)
    truth = to.add(COMPARISONS.get(node.operation, "Equal"), *names)
    if node.operation is ew.NOT_EQUAL:
        truth = to.add("Not", truth)
    return to.add("Cast", truth, to=NUMBERS[node.output.dtype]), order


@writes(CAST)
def cast(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """Cast."""
    return to.cast(x, node.output.dtype).name, x.order


@writes(ew.WHERE)
def where(to: Writer, node: Node, condition: Value, a: Value, b: Value) -> tuple[str, Order]:
    """ONNX takes a boolean condition, we take numbers, of which 0 is false."""
    names, order = to.together(node, condition, a, b)
    return to.add("Where", to.add("Cast", names[0], to=NUMBERS[np.dtype(bool)]), *names[1:]), order


@writes(act.RELU6)
def relu6(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """Clip from 0 to 6."""
    return to.add("Clip", x.name, to.numbers("min", 0, x.dtype), to.numbers("max", 6, x.dtype)), x.order


@writes(act.LEAKY_RELU)
def leaky_relu(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """LeakyRelu, which calls the slope alpha."""
    return to.add("LeakyRelu", x.name, alpha=node.attributes["negative_slope"]), x.order


@writes(act.ELU)
def elu(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """Elu."""
    return to.add("Elu", x.name, alpha=node.attributes["alpha"]), x.order


@writes(act.SILU)
def silu(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """x·Sigmoid(x)."""
    return to.add("Mul", x.name, to.add("Sigmoid", x.name)), x.order


@writes(act.MISH)
def mish(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """x·Tanh(Softplus(x)): Mish is of operator set 18."""
    return to.add("Mul", x.name, to.add("Tanh", to.add("Softplus", x.name))), x.order


@writes(act.GELU)
def gelu(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """x·½·(1 + erf(x/√2)), or the approximation with tanh."""

    def number(name: str, value: float) -> str:
        return to.numbers(name, value, x.dtype)

    if node.attributes["approximate"]:
        cubed = to.add("Mul", to.add("Pow", x.name, number("three", 3)), number("cube", act.GELU_CUBE))
        inner = to.add("Mul", to.add("Add", x.name, cubed), number("scale", act.GELU_SCALE))
        share = to.add("Tanh", inner)
    else:
        share = to.add("Erf", to.add("Mul", x.name, number("root", math.sqrt(0.5))))
    doubled = to.add("Mul", x.name, to.add("Add", share, number("one", 1)))
    return to.add("Mul", doubled, number("half", 0.5)), x.order


@writes(act.SOFTMAX, act.LOG_SOFTMAX)
def softmax(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """Softmax or LogSoftmax along the axis where the file has it."""
    operator = "Softmax" if node.operation is act.SOFTMAX else "LogSoftmax"
    return to.add(operator, x.name, axis=x.order.index(node.attributes["axis"])), x.order
