"""Operations that a program of Keras 3 writes between layers, as in ``x / 2 + y``, and ours for them, both ways.

In a file they stand among the layers, with the module and class that Keras has for each.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from striate import ops
from striate.interop.keras.objects import RefusedError, parse_object, shown

NUMPY, NN = "keras.src.ops.numpy", "keras.src.ops.nn"


@dataclass(frozen=True)
class Counterpart:
    """An operation of Keras and one of ours.

    Arguments:
        kind: Keras's class.
        name: of ours: the function in `striate.ops`, and the operation that it adds to a graph.
        module: where Keras has the class.
        settings: Keras's names of settings, with the names of our operation's settings, as arguments of our function.
        called_with: the same for settings that Keras has in the call.
        fixed: settings of Keras that must have these values.
        listed: whether it is called on a list.
    """

    kind: str
    name: str
    module: str = NUMPY
    settings: dict[str, str] = field(default_factory=dict)
    called_with: dict[str, str] = field(default_factory=dict)
    fixed: dict[str, Any] = field(default_factory=dict)
    listed: bool = False

    def function(self, config: dict[str, Any]) -> Callable[..., Any]:
        """A function of symbols, from the class's configuration.

        Raises:
            RefusedError: it has settings that we do not have.
        """
        for key, value in config.items():
            if key not in {"name", *self.settings} and value != self.fixed.get(key):
                raise RefusedError(f"its argument {shown(key)} = {shown(value)} is not supported")
        function = getattr(ops, self.name)
        always = {key: config[key] for key in self.settings if key in config}

        def call(*inputs: Any, **settings: Any) -> Any:
            return function(*inputs, **always, **{key: settings[key] for key in self.called_with if key in settings})

        return call


def _reduction(kind: str, name: str) -> Counterpart:
    return Counterpart(kind, name, settings={"axis": "axes", "keepdims": "keepdims"})


COUNTERPARTS = [
    *(
        Counterpart(kind, kind.lower())
        for kind in (
            "Absolute", "Add", "Ceil", "Divide", "Exp", "Floor", "Log", "Maximum", "Minimum", "Multiply", "Negative",
            "Power", "Sign", "Sqrt", "Square", "Subtract", "Tanh",
        )
    ),
    *(
        Counterpart(kind, name, NN)
        for kind, name in (
            ("HardSigmoid", "hard_sigmoid"), ("HardSilu", "hard_silu"), ("Relu", "relu"), ("Relu6", "relu6"),
            ("Selu", "selu"), ("Sigmoid", "sigmoid"), ("Silu", "silu"), ("Softplus", "softplus"),
            ("Softsign", "softsign"),
        )
    ),
    Counterpart("TrueDivide", "divide"),
    Counterpart("Concatenate", "concatenate", settings={"axis": "axis"}, listed=True),
    Counterpart("Elu", "elu", NN, {"alpha": "alpha"}),
    Counterpart("Gelu", "gelu", NN, {"approximate": "approximate"}),
    Counterpart("LeakyRelu", "leaky_relu", NN, {"negative_slope": "negative_slope"}),
    Counterpart("LogSoftmax", "log_softmax", NN, {"axis": "axis"}),
    Counterpart(
        "Pad", "pad", settings={"pad_width": "padding"}, called_with={"constant_values": "value"},
        fixed={"mode": "constant"},
    ),
    Counterpart("Reshape", "reshape", settings={"newshape": "shape"}),
    Counterpart("Softmax", "softmax", NN, {"axis": "axis"}),
    Counterpart("Transpose", "transpose", settings={"axes": "axes"}),
    _reduction("Max", "max"),
    _reduction("Mean", "mean"),
    _reduction("Sum", "sum"),
]  # fmt: skip
BY_KIND = {one.kind: one for one in COUNTERPARTS}
#: By the name of our operation; of two the first.
BY_NAME = {one.name: one for one in reversed(COUNTERPARTS)}


def is_operation(description: dict[str, Any]) -> bool:
    """Whether one of the "layers" of a file is an operation."""
    module = description.get("module")
    return isinstance(module, str) and module.split(".")[0] == "keras" and module.endswith((".ops.numpy", ".ops.nn"))


def operation_from(description: dict[str, Any]) -> Callable[..., Any]:
    """A function of symbols for an operation in a file.

    Raises:
        RefusedError: the operation is not supported, or it has settings that ours does not have.
    """
    name, config = parse_object(description)
    if name not in BY_KIND:
        raise RefusedError("this operation is not supported")
    return BY_KIND[name].function(config)
