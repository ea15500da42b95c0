"""Reading from a network's graph what its numbers stand for: from its first steps, its last one, and its loss."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from striate.configurable import snake_case
from striate.errors import StriateError
from striate.graph import Array, Graph, Node, Tensor
from striate.layers.normalization import Normalization
from striate.models.facts import Facts, Range, Scale

if TYPE_CHECKING:
    from striate.models.model import Model


def find_facts(model: "Model", *, dtype: Any = None, loss: Any = None) -> Facts:
    """The facts that a network's graph tells; none where its structure is not known.

    Arguments:
        model: the network.
        dtype: of its first input in the file; integers are pixels from 0 to 255.
        loss: that it was trained with, as plain data; default: what `compile` was given. It tells logits from numbers.
    """
    try:
        graph = model.traced()
    except (StriateError, TypeError, ValueError):  # its code or its sizes are not known, or no graph is made of it
        return Facts()
    if loss is None:
        loss = (model.compile_config() or {}).get("loss")
    integers = dtype is not None and np.dtype(dtype).kind in "iu"
    with np.errstate(all="ignore"):  # what overflows fits no range of pixels
        return Facts((0.0, 255.0) if integers else _pixels(graph), _scale(graph, loss))


# The range of pixels


class _Affine(NamedTuple):
    """scale · input + offset: the numbers of a tensor, after some steps."""

    scale: Array
    offset: Array
    steps: int = 0


#: How many numbers a step may have, such as a mean for each pixel of 256 × 256, and how many steps are followed.
MOST_NUMBERS, MOST_STEPS = 1 << 18, 16
#: What stands for steps beyond that; it fits no range of pixels.
LOST = _Affine(np.zeros(()), np.zeros(()), MOST_STEPS)
#: Operations that move, repeat or omit numbers, or interpolate between neighbours of the same kind.
MOVING = {"reshape", "transpose", "pad", "crop", "take", "upsample_nearest", "upsample_bilinear"}


def _pixels(graph: Graph) -> Range | None:
    """The range of pixels for which a network's first steps make sense; None: they do not tell, or disagree."""
    found = {_range(step) for step in _first_steps(graph)}
    return found.pop() if len(found) == 1 else None


def _first_steps(graph: Graph) -> Iterator[_Affine]:
    """The values of a network's first input up to the first operation that does more than scale and shift."""
    statistics = {v for call in graph.calls if isinstance(call.layer, Normalization) for v in call.layer.weights}
    values = {symbol: variable.array for variable, symbol in graph.variables.items() if variable in statistics}
    known = {graph.inputs[0]: _Affine(np.ones(()), np.zeros(()))}
    ends: dict[Tensor, _Affine] = {}
    for node in graph.nodes:
        for tensor in (one for one in node.inputs if one in known):
            step = _followed(node, tensor, known[tensor], values)
            if step is None:
                ends[tensor] = known[tensor]
            else:
                known[node.output] = step
    return iter(ends.values())


def _followed(node: Node, x: Tensor, of_x: _Affine, values: Mapping[Tensor, Array]) -> _Affine | None:
    """A node's output in terms of the network's input; None where it does more than scale and shift."""
    name, (scale, offset, steps) = node.operation.name, of_x
    if name in MOVING:
        return of_x if scale.size == offset.size == 1 else _moved(node, of_x)
    others = [one.value if one.value is not None else values.get(one) for one in node.inputs if one is not x]
    numbers = [one for one in others if one is not None]
    if name not in STEPS or len(numbers) != len(node.inputs) - 1 or of_x is LOST:
        return None
    size = math.prod(np.broadcast_shapes(*(one.shape for one in (scale, offset, *numbers))))
    if size > MOST_NUMBERS or steps == MOST_STEPS:
        return LOST
    numbers = [np.asarray(one, np.float64) for one in numbers]
    if name == "subtract" and node.inputs[0] is not x:  # number − x
        return _Affine(-scale, numbers[0] - offset, steps + 1)
    if name == "divide" and not (node.inputs[0] is x and np.all(numbers[0])):
        return None
    return _Affine(*STEPS[name](scale, offset, *numbers, **node.attributes), steps + 1)


def _normalized(
    scale: Array, offset: Array, mean: Array, variance: Array, gamma: Array, beta: Array, epsilon: float
) -> tuple[Array, Array]:
    factor = gamma / np.sqrt(variance + epsilon)
    return scale * factor, (offset - mean) * factor + beta


#: Operations that scale and shift: what becomes of scale · x + offset, with the operation's other inputs.
STEPS: dict[str, Callable[..., tuple[Array, Array]]] = {
    "add": lambda scale, offset, other: (scale, offset + other),
    "subtract": lambda scale, offset, other: (scale, offset - other),
    "multiply": lambda scale, offset, other: (scale * other, offset * other),
    "divide": lambda scale, offset, other: (scale / other, offset / other),
    "negative": lambda scale, offset: (-scale, -offset),
    "normalize_with": _normalized,
}


def _moved(node: Node, of_x: _Affine) -> _Affine | None:
    """An affine step that differs by channel, after its axes moved."""
    if node.operation.name in ("pad", "upsample_nearest", "upsample_bilinear"):
        return of_x
    if node.operation.name != "transpose":
        return None
    rank, axes = node.output.ndim, node.attributes["axes"]
    scale, offset = (array.reshape((1,) * (rank - array.ndim) + array.shape) for array in of_x[:2])
    return _Affine(scale.transpose(axes), offset.transpose(axes), of_x.steps)


#: Ranges that people give pixels in.
RANGES: tuple[Range, ...] = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
#: The least and the greatest width of the range that a network's first steps make of the pixels' range. Our choice:
#: divided by their standard deviation pixels span a few units; with only the mean subtracted, up to 255.
SPREAD = (0.9, 600.0)
#: Where in a range the mean may lie, as a fraction. Our choice: nearer to an end, next to nothing is subtracted.
MIDDLE = (0.01, 0.99)


def _range(step: _Affine) -> Range | None:
    """The only range of pixels that a step fits: division by 255 is for 0 … 255.

    A range fits if the value that becomes 0 is black, or white, or well inside of it, and the result is neither too
    narrow nor too wide. A step that changes nothing fits several ranges, and so tells none.
    """
    scale, offset = np.broadcast_arrays(step.scale, step.offset)
    if not np.all(scale):
        return None
    fitting = []
    for low, high in RANGES:
        zero = (-offset / scale - low) / (high - low)  # where in the range the value lies that becomes 0
        spread = np.abs(scale) * (high - low)
        ends = np.isclose(zero, 0, atol=1e-5) | (np.isclose(zero, 1, atol=1e-5) & (scale < 0))
        inside = (zero > MIDDLE[0]) & (zero < MIDDLE[1])
        # Pixels from −1 to 1 have their mean near 0 already: a network that takes them only brings black to 0.
        centred = ends if low < 0 else ends | inside
        if np.all(centred & (spread >= SPREAD[0]) & (spread <= SPREAD[1])):
            fitting.append((low, high))
    return fitting[0] if len(fitting) == 1 else None


# The scale of the outputs

#: What the last operation makes of numbers.
ENDS: dict[str, Scale] = {
    "softmax": "probabilities",
    "log_softmax": "log-probabilities",
    "sigmoid": "independent",
    "hard_sigmoid": "independent",
}
#: The scale after an operation on inputs that all have one of these scales.
COMBINING: dict[str, tuple[set[Scale], Scale]] = {
    "concatenate": ({"independent", "probabilities"}, "independent"),
    "log": ({"probabilities"}, "log-probabilities"),
    "exp": ({"log-probabilities"}, "probabilities"),
}
#: Operations whose results are never negative: divided by their sum they are probabilities.
POSITIVE = {"exp", "softplus", "relu", "sigmoid", "square", "absolute", "softmax"}
#: What losses tell about outputs that come from no softmax or sigmoid.
OF_LOGITS = {"categorical_crossentropy", "categorical_focal_crossentropy", "sparse_categorical_crossentropy"}
OF_INDEPENDENT_LOGITS = {"binary_crossentropy", "binary_focal_crossentropy"}
OF_NUMBERS = {
    *("mae", "mape", "mse", "msle", "huber", "log_cosh", "logcosh", "cosine_similarity"),
    *("mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error", "mean_squared_logarithmic_error"),
}


def _scale(graph: Graph, loss: Any) -> Scale:
    """The scale of a graph's first output, by the last operation that does more than move numbers; else by the loss."""
    made = _made_by_operations(graph).get(graph.outputs[0])
    return made if made is not None else _of_loss(loss)


def _of_loss(loss: Any) -> Scale:
    """What a loss, as plain data, tells about outputs that come from no softmax or sigmoid; of several, the first."""
    if isinstance(loss, list | tuple):
        loss = loss[0] if loss else None
    if isinstance(loss, dict) and "class_name" not in loss:  # by the name of the output
        loss = next(iter(loss.values()), None)
    config: Any = {}
    if isinstance(loss, dict):
        loss, config = loss.get("class_name"), loss.get("config")
    name = snake_case(str(config if loss == "function" else loss))
    if name in OF_NUMBERS:
        return "numbers"
    if isinstance(config, dict) and config.get("from_logits") is True:
        return "logits" if name in OF_LOGITS else "independent-logits" if name in OF_INDEPENDENT_LOGITS else "unknown"
    return "unknown"


def _made_by_operations(graph: Graph) -> dict[Tensor, Scale]:
    """The tensors of a graph that are probabilities of some kind."""
    kinds: dict[Tensor, Scale] = {}
    sums: dict[Tensor, tuple[Scale, int]] = {}  # of several that are all of one scale
    for node in graph.nodes:
        name, before = node.operation.name, [kinds.get(one) for one in node.inputs]
        kind: Scale | None = None
        if name in MOVING - {"pad"}:
            kind = before[0]
        elif name in ENDS:
            kind = ENDS[name] if node.attributes.get("axis") != 0 else None
        elif name in COMBINING:
            accepted, combined = COMBINING[name]
            kind = combined if set(before) <= accepted else None
        elif name == "add":
            parts = [sums.get(one) or (kinds[one], 1) for one in node.inputs if one in sums or one in kinds]
            if len(parts) == 2 and parts[0][0] == parts[1][0]:
                sums[node.output] = (parts[0][0], parts[0][1] + parts[1][1])
        elif name == "divide" and _is_sum_of(node.inputs[1], node.inputs[0]):
            kind = "probabilities"
        elif name in ("multiply", "divide") and node.inputs[0] in sums:
            kind = _mean_of(node, *sums[node.inputs[0]])
        if kind is not None:
            kinds[node.output] = kind
    return kinds


def _is_sum_of(divisor: Tensor, x: Tensor) -> bool:
    """Whether a tensor is the sum of another whose numbers are never negative."""
    while divisor.node is not None and divisor.node.operation.name in {*MOVING, "broadcast_to"}:
        divisor = divisor.node.inputs[0]
    summed = divisor.node is not None and divisor.node.operation.name == "sum" and divisor.node.inputs[0] is x
    return summed and x.node is not None and x.node.operation.name in POSITIVE


def _mean_of(node: Node, kind: Scale, count: int) -> Scale | None:
    """The scale of the mean of several outputs, as in an ensemble: that of all of them."""
    factor = node.inputs[1].value
    if factor is None or factor.size != 1 or kind not in ("probabilities", "independent"):
        return None
    share = float(factor.reshape(())) if node.operation.name == "multiply" else 1 / float(factor.reshape(()) or np.inf)
    return kind if math.isclose(share * count, 1, rel_tol=1e-5) else None
