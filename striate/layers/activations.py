"""Activations as functions, by Keras's names and with Keras's defaults: what ``activation=`` of a layer accepts.

`striate.activations` is this module. Each name is in the table because there is an operation of it (`striate.ops`).
"""

from collections.abc import Callable
from typing import Any

from striate import ops
from striate.errors import ArgumentError
from striate.ops import (
    elu,
    hard_sigmoid,
    hard_silu,
    leaky_relu,
    linear,
    log_softmax,
    mish,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    tanh,
)
from striate.ops import exp as exponential
from striate.ops.activations import Activation
from striate.ops.operation import OPERATIONS

__all__ = [
    "ACTIVATIONS",
    "elu",
    "exponential",
    "gelu",
    "get",
    "hard_sigmoid",
    "hard_silu",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
]


def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """x where x > threshold, else negative_slope · (x − threshold); at most max_value.

    Arguments:
        x: any shape.
        negative_slope, threshold: 0 or more.
        max_value: the largest result; None: no bound.

    Source: Nair, Hinton, "Rectified linear units improve restricted Boltzmann machines" (2010).
    """
    if not threshold:
        y = ops.leaky_relu(x, negative_slope) if negative_slope else ops.relu(x)
    else:
        beyond = ops.leaky_relu(ops.subtract(x, threshold), negative_slope)
        y = ops.add(beyond, ops.multiply(ops.greater(x, threshold), threshold))
    return y if max_value is None else ops.minimum(y, max_value)


def gelu(x: Any, approximate: bool = False) -> Any:
    """x · Φ(x), exactly unless ``approximate``: `striate.ops.gelu`, which approximates by default, as Keras's does."""
    return ops.gelu(x, approximate)


#: What layers find an activation by: every operation that is one, and further names.
ACTIVATIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(ops, name) for name, operation in OPERATIONS.items() if isinstance(operation, Activation)},
    "exponential": exponential,
    "gelu": gelu,
    "hard_swish": hard_silu,
    "linear": linear,
    "log_softmax": log_softmax,
    "relu": relu,
    "softmax": softmax,
    "swish": silu,
}

#: The name of each function; where it has two, the first, and `ops.relu` is the same activation as `relu`.
NAMES: dict[Any, str] = {function: name for name, function in reversed(ACTIVATIONS.items())} | {ops.relu: "relu"}


def get(identifier: Any) -> Callable[..., Any]:
    """The function of a name such as "relu"; a function is returned as it is, and None means `linear`.

    Raises:
        ArgumentError: there is no activation of this name, or it is something else.
    """
    return find("activations.get", identifier)


def find(where: str, identifier: Any) -> Callable[..., Any]:
    """`get`, with the caller's name for messages.

    Raises:
        ArgumentError: as `get`.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        if identifier in ACTIVATIONS:
            return ACTIVATIONS[identifier]
        import difflib  # here, as it is needed only after a mistake

        close = difflib.get_close_matches(identifier, ACTIVATIONS, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        known = ", ".join(sorted(ACTIVATIONS))
        raise ArgumentError(f"{where}: there is no activation {identifier!r}; there are {known}.{hint}")
    if callable(identifier):
        function: Callable[..., Any] = identifier
        return function
    raise ArgumentError(f"{where}: expected activation as a name, a function or a layer, got {identifier!r}.")
