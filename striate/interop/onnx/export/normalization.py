"""Normalization: by given statistics, by those of the input, and by neighbouring channels."""

import numpy as np

from striate.graph import Array, Node
from striate.interop.onnx.export.reductions import reduced
from striate.interop.onnx.export.writer import Order, Value, Writer, channels_first, natural, writes
from striate.ops.normalization import LOCAL_RESPONSE_NORMALIZATION, NORMALIZE, NORMALIZE_WITH


@writes(NORMALIZE_WITH)
def normalize_with(
    to: Writer, node: Node, x: Value, mean: Value, variance: Value, gamma: Value, beta: Value
) -> tuple[str, Order]:
    """BatchNormalization, if the axis with its own statistics is the file's second; else the formula."""
    epsilon = node.attributes["epsilon"]
    vectors = [_along(value, x, x.order[1:2]) for value in (gamma, beta, mean, variance)]
    if len(x.shape) > 1 and all(vector is not None for vector in vectors):
        names = [
            to.keep(vector, value.name)
            for vector, value in zip(vectors, (gamma, beta, mean, variance), strict=True)
            if vector is not None
        ]
        return to.add("BatchNormalization", x.name, *names, epsilon=epsilon), x.order
    (name, middle, spread, scale, offset), order = to.together(node, x, mean, variance, gamma, beta)
    return _scaled(to, to.add("Sub", name, middle), spread, scale, offset, epsilon, x), order


@writes(NORMALIZE)
def normalize(to: Writer, node: Node, x: Value, gamma: Value, beta: Value) -> tuple[str, Order]:
    """LayerNormalization or InstanceNormalization where the file's last axes are those normalized; else the formula."""
    epsilon, rank = node.attributes["epsilon"], len(x.shape)
    places = sorted(x.order.index(axis) for axis in node.attributes["axes"])
    if places == list(range(places[0], rank)):
        scale, offset = (_along(value, x, x.order[places[0] :]) for value in (gamma, beta))
        if scale is not None and offset is not None:
            names = [to.keep(scale, gamma.name), to.keep(offset, beta.name)]
            return to.add("LayerNormalization", x.name, *names, axis=places[0], epsilon=epsilon), x.order
        if places[0] == 2 and x.order[0] == 0:
            return _instance_normalization(to, node, x, gamma, beta), x.order
    (name, factor, summand), order = to.together(node, x, gamma, beta)
    centred = to.add("Sub", name, reduced(to, "ReduceMean", name, places))
    variance = reduced(to, "ReduceMean", to.add("Mul", centred, centred), places)
    return _scaled(to, centred, variance, factor, summand, epsilon, x), order


def _instance_normalization(to: Writer, node: Node, x: Value, gamma: Value, beta: Value) -> str:
    epsilon = node.attributes["epsilon"]
    scale, offset = (_along(value, x, x.order[1:2]) for value in (gamma, beta))
    if scale is not None and offset is not None:
        names = [to.keep(scale, gamma.name), to.keep(offset, beta.name)]
        return to.add("InstanceNormalization", x.name, *names, epsilon=epsilon)
    groups = x.shape[x.order[1]] or 0
    plain = [to.numbers("scale", np.ones(groups), x.dtype), to.numbers("offset", np.zeros(groups), x.dtype)]
    y = to.add("InstanceNormalization", x.name, *plain, epsilon=epsilon)
    return to.add("Add", to.add("Mul", y, to.broadcast(gamma, x.order)), to.broadcast(beta, x.order))


@writes(LOCAL_RESPONSE_NORMALIZATION)
def local_response_normalization(to: Writer, node: Node, x: Value) -> tuple[str, Order]:
    """LRN takes images, and divides alpha by the number of channels; for other ranks every place becomes an image."""
    settings, rank = node.attributes, len(x.shape)
    size = 2 * settings["depth_radius"] + 1
    lrn = {"size": size, "alpha": settings["alpha"] * size, "beta": settings["beta"], "bias": settings["bias"]}
    if rank == 4:
        return to.add("LRN", to.in_order(x, channels_first(rank)), **lrn), channels_first(rank)
    places = to.add("Reshape", to.in_order(x, natural(rank)), to.sizes([None, x.shape[-1], 1, 1]))
    return to.add("Reshape", to.add("LRN", places, **lrn), to.sizes(x.shape)), natural(rank)


def _along(value: Value, x: Value, axes: Order) -> Array | None:
    """Known numbers that broadcast to x and differ along these axes only, in full; None for others."""
    if value.array is None:
        return None
    whole = value.array.reshape((1,) * (len(x.shape) - value.array.ndim) + value.array.shape)
    if any(n != 1 for axis, n in enumerate(whole.shape) if axis not in axes):
        return None
    own = whole.transpose([*axes, *(axis for axis in range(whole.ndim) if axis not in axes)])
    sizes = [x.shape[axis] or 0 for axis in axes]
    return np.ascontiguousarray(np.broadcast_to(own.reshape(own.shape[: len(axes)]), sizes))


def _scaled(to: Writer, centred: str, variance: str, scale: str, offset: str, epsilon: float, x: Value) -> str:
    """centred/√(variance + ε)·scale + offset."""
    deviation = to.add("Sqrt", to.add("Add", variance, to.numbers("epsilon", epsilon, x.dtype)))
    return to.add("Add", to.add("Mul", to.add("Div", centred, deviation), scale), offset)
