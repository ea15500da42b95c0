"""Resizing maps: along each axis, every output is a weighted sum of a few inputs.

Source: ONNX's specification of Resize, and its reference implementation's definition of which neighbours count.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from striate import layers, ops
from striate.graph import Array
from striate.interop.onnx.node import Node
from striate.interop.onnx.operators.axes import spatial
from striate.interop.onnx.operators.shapes import checked_axes, limited
from striate.interop.onnx.values import (
    Symbol,
    UnsupportedError,
    Value,
    array_of,
    channels_last,
    numbers_of,
    plain,
    rank,
    size_of,
    tensor_of,
)
from striate.ops.resize import bilinear_weights


class Axis(NamedTuple):
    """How one axis is resized.

    Arguments:
        size, out: of the input and the output.
        scale: out / size, as the file says it before rounding.
        roi: the part of the input that is used, from 0 to 1, where coordinates are "tf_crop_and_resize".
    """

    size: int
    out: int
    scale: float
    roi: tuple[float, float] = (0.0, 1.0)


class Settings(NamedTuple):
    """The settings for all axes; names as in the specification."""

    mode: str = "nearest"
    coordinates: str = "half_pixel"
    nearest: str = "round_prefer_floor"
    cubic_a: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False
    extrapolation: float = 0.0


@spatial
def Resize(
    node: Node, x: Value, roi: Value | None = None, scales: Value | None = None, sizes: Value | None = None
) -> Value:
    """Maps of another size: by nearest, linear or cubic interpolation."""
    if node.opset < 11:  # the second input was the scales, and coordinates began at the corner
        node.get("mode")
        return _resized(
            node, x, _axes_from(node, x, None, roi, None), Settings(node.get("mode", "nearest"), "asymmetric", "floor")
        )
    settings = Settings(
        node.get("mode", "nearest"),
        node.get("coordinate_transformation_mode", "half_pixel"),
        node.get("nearest_mode", "round_prefer_floor"),
        node.get("cubic_coeff_a", -0.75),
        bool(node.get("exclude_outside", 0)),
        bool(node.get("antialias", 0)),
        node.get("extrapolation_value", 0.0),
    )
    return _resized(node, x, _axes_from(node, x, roi, scales, sizes), settings)


@spatial
def Upsample(node: Node, x: Value, scales: Value | None = None) -> Value:
    """Maps made larger; the older form of Resize."""
    settings = Settings(node.get("mode", "nearest"), "asymmetric", "floor")
    return _resized(node, x, _axes_from(node, x, None, scales, None), settings)


def _axes_from(node: Node, x: Value, roi: Value | None, scales: Value | None, sizes: Value | None) -> dict[int, Axis]:
    """How each axis that changes is resized."""
    given = node.get("axes")
    where = checked_axes(range(rank(x)) if given is None else given, rank(x))
    factors = node.get("scales") if scales is None else tuple(float(s) for s in array_of(scales).reshape(-1))
    targets = None if sizes is None else numbers_of(sizes)
    policy = node.get("keep_aspect_ratio_policy", "stretch")
    crop = node.get("coordinate_transformation_mode") == "tf_crop_and_resize" and roi is not None
    parts = (
        [float(v) for v in array_of(roi).reshape(-1)]
        if crop and roi is not None
        else [0.0] * len(where) + [1.0] * len(where)
    )
    if not (len(factors or targets or ()) == len(where) and len(parts) == 2 * len(where)):
        raise UnsupportedError(f"expected a scale or a size for each of the axes {where}")
    rois = [(parts[i], parts[i + len(where)]) for i in range(len(where))]
    if not targets and (min(factors) <= 0 or not all(map(math.isfinite, factors))):
        raise UnsupportedError(f"scales of {factors}")
    if targets and policy != "stretch":
        ratios = [t / n for t, n in zip(targets, size_of([x.shape[a] for a in where]), strict=True)]
        same = min(ratios) if policy == "not_larger" else max(ratios)
        factors = (same,) * len(where)
        targets = tuple(math.floor(same * n + 0.5) for n in size_of([x.shape[a] for a in where]))
    axes = {}
    for i, axis in enumerate(where):
        size = x.shape[axis]
        if size is None:
            if (factors and factors[i] == 1) or (targets and targets[i] in (node.batch, 1)):
                continue
            raise UnsupportedError("resizing the batch")
        if targets:
            scale = factors[i] if policy != "stretch" else targets[i] / size
            out = targets[i]
        else:
            scale = factors[i]
            out = math.floor(size * (rois[i][1] - rois[i][0]) * scale)
        if (size, scale) != (out, 1.0) or rois[i] != (0.0, 1.0):
            axes[axis] = Axis(size, out, scale, rois[i])
    limited([axes[a].out if a in axes else n or 1 for a, n in enumerate(x.shape)])
    return axes


def _resized(node: Node, x: Value, axes: dict[int, Axis], settings: Settings) -> Value:
    order = x.order if isinstance(x, Symbol) else plain(rank(x))
    weights = {axis: _weights(how, settings) for axis, how in axes.items()}
    if larger := _enlarged(node, x, axes, weights):
        return larger
    tensor = tensor_of(x, order)
    for axis, (matrix, outside) in weights.items():
        place = order.index(axis)
        if (np.count_nonzero(matrix, axis=1) == 1).all() and (matrix.max(axis=1) == 1).all() and not outside.any():
            tensor = ops.take(tensor, tuple(int(n) for n in matrix.argmax(axis=1)), place)
            continue
        last = (*(i for i in range(rank(x)) if i != place), place)
        moved = ops.dense(ops.transpose(tensor, last), matrix.T.astype(np.float32))
        if outside.any():
            moved = ops.add(moved, (outside * settings.extrapolation).astype(np.float32))
        tensor = ops.transpose(moved, tuple(int(i) for i in np.argsort(last)))
    return node.result(tensor, order)


def _enlarged(node: Node, x: Value, axes: dict[int, Axis], weights: dict[int, Any]) -> Value | None:
    """An `UpSampling2D` layer, where it is equivalent."""
    if not isinstance(x, Symbol) or rank(x) != 4 or not axes or not set(axes) <= {2, 3}:
        return None
    factors = []
    for axis in (2, 3):
        (size,) = size_of(x.shape[axis : axis + 1])
        factor, rest = divmod(axes[axis].out if axis in axes else size, size)
        if rest or not factor:
            return None
        factors.append(factor)
    for name in ("nearest", "bilinear"):
        if all(np.array_equal(weights[a][0], _upsampling(name, axes[a])) and not weights[a][1].any() for a in axes):
            order = channels_last(4)
            made = node.layer(
                lambda own, name=name: layers.UpSampling2D(tuple(factors), interpolation=name, name=own),  # type: ignore[misc]
                tensor_of(x, order),
            )
            return node.result(made, order)
    return None


def _upsampling(name: str, axis: Axis) -> Array:
    if name == "nearest":
        return np.repeat(np.eye(axis.size), axis.out // axis.size, axis=0)
    return bilinear_weights(axis.size, axis.out)


def _weights(axis: Axis, settings: Settings) -> tuple[Array, Array]:
    """The matrix (out, size) of an axis, and which outputs lie outside of the input, whose row is 0."""
    matrix, outside = np.zeros((axis.out, axis.size)), np.zeros(axis.out)
    for i in range(axis.out):
        x = _coordinate(i, axis, settings)
        if settings.coordinates == "tf_crop_and_resize" and not 0 <= x <= axis.size - 1:
            outside[i] = 1
            continue
        base = math.floor(x)
        ratio = x - base
        if ratio == 0:
            base, ratio = base - 1, 1.0
        offsets, weights = _neighbours(ratio, axis.scale, settings)
        places = base + offsets
        if settings.exclude_outside:
            weights = weights * ((places >= 0) & (places < axis.size))
            weights = weights / weights.sum()
        np.add.at(matrix[i], np.clip(places, 0, axis.size - 1), weights)
    return matrix, outside


def _coordinate(i: int, axis: Axis, settings: Settings) -> float:
    """Where in the input output number i lies."""
    size, out, scale = axis.size, axis.out, axis.scale
    exact = size * scale  # the output's size before rounding
    start, end = axis.roi
    match settings.coordinates:
        case "half_pixel":
            place = (i + 0.5) / scale - 0.5
        case "half_pixel_symmetric":
            place = size / 2 * (1 - out / exact) + (i + 0.5) / scale - 0.5
        case "pytorch_half_pixel":
            place = (i + 0.5) / scale - 0.5 if exact > 1 else -0.5
        case "align_corners":
            place = i * (size - 1) / (exact - 1) if exact != 1 else 0.0
        case "asymmetric":
            place = i / scale
        case "tf_crop_and_resize" if out > 1:
            place = i * (end - start) * (size - 1) / (out - 1) + start * (size - 1)
        case "tf_crop_and_resize":
            place = (end + start) * (size - 1) / 2
        case other:
            raise UnsupportedError(f"the coordinates {other!r}")
    return place


def _neighbours(ratio: float, scale: float, settings: Settings) -> tuple[Any, Any]:
    """The inputs that count for an output ``ratio`` after one of them, as distances from it, and their weights."""
    if settings.mode == "nearest":
        return np.arange(2), _nearest(ratio, settings.nearest)
    if settings.mode not in ("linear", "cubic"):
        raise UnsupportedError(f"the mode {settings.mode!r}")
    reach = 1 if settings.mode == "linear" else 2
    narrow = min(scale, 1.0) if settings.antialias else 1.0  # an output sees more of the input when scaling down
    first = math.floor(-reach / narrow) + 1
    offsets = np.arange(first, 2 - first)
    distance = np.abs(offsets - ratio) * narrow
    if settings.mode == "linear":
        weights = np.maximum(0, 1 - distance)
    else:
        a = settings.cubic_a
        near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
        far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
        weights = np.where(distance <= 1, near, np.where(distance < 2, far, 0))
    return offsets, weights / weights.sum() if settings.antialias else weights


def _nearest(ratio: float, rule: str) -> Any:
    if rule not in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
        raise UnsupportedError(f"the rule {rule!r} for the nearest")
    lower = {"round_prefer_floor": ratio <= 0.5, "round_prefer_ceil": ratio < 0.5, "floor": ratio < 1, "ceil": False}[
        rule
    ]
    return np.array([1.0, 0.0] if lower else [0.0, 1.0])
