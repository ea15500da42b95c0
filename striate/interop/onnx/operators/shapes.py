"""Operators that move numbers, or return sizes."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from striate import layers, ops
from striate.interop.onnx.node import Node
from striate.interop.onnx.operators.axes import spatial, transparent
from striate.interop.onnx.tensors import dtype_of
from striate.interop.onnx.values import (
    BATCHES,
    MOST_KNOWN,
    Known,
    Symbol,
    UnsupportedError,
    Value,
    all_known,
    array_of,
    channels_last,
    fold,
    known_of,
    numbers_of,
    plain,
    rank,
    size_of,
    tensor_of,
)
from striate.ops.operation import check_memory


def _each_batch(shape: Sequence[int | None]) -> list[tuple[int, ...]]:
    """The shape for each of `BATCHES`; one, if it does not depend on the batch."""
    if None not in shape:
        return [tuple(n for n in shape if n is not None)]
    return [tuple(batch if n is None else n for n in shape) for batch in BATCHES]


def Shape(node: Node, x: Value) -> Value:
    """The sizes of x."""
    part = slice(node.get("start", 0), node.get("end"))
    return Known(*(np.array(shape[part], np.int64) for shape in _each_batch(x.shape)))


def Size(node: Node, x: Value) -> Value:
    """How many numbers x has."""
    return Known(*(np.array(math.prod(shape), np.int64) for shape in _each_batch(x.shape)))


def Constant(node: Node) -> Value:
    """Numbers that are stored in the file."""
    types = {"value": None, "value_float": "f4", "value_int": "i8", "value_floats": "f4", "value_ints": "i8"}
    for name, dtype in types.items():
        if (value := node.get(name)) is not None:
            return Known(np.asarray(value, dtype))
    raise UnsupportedError(f"a constant of {', '.join(node.attributes) or 'nothing'}")


def ConstantOfShape(node: Node, shape: Value) -> Value:
    """An array filled with one number."""
    value = np.asarray(node.get("value", np.zeros(1, np.float32))).reshape(-1)
    if value.size != 1:
        raise UnsupportedError(f"expected one number to fill with, got {value.size}")

    def filled(sizes: Any) -> Any:
        limited(sizes)
        return np.full(tuple(int(n) for n in sizes), value[0])

    return fold(filled, shape, dtype=value.dtype)


def limited(sizes: Any) -> None:
    """Refuse arrays that are larger than any network's.

    Raises:
        UnsupportedError: the array is too large.
    """
    count = math.prod(int(n) for n in sizes)
    if count > MOST_KNOWN or min((int(n) for n in sizes), default=0) < 0:
        raise UnsupportedError(
            f"an array of shape {tuple(int(n) for n in sizes)}; at most {MOST_KNOWN:,} numbers are allowed"
        )


@transparent
def Identity(node: Node, x: Value) -> Value:
    """x."""
    return x


@transparent
def Cast(node: Node, x: Value) -> Value:
    """x in another type: conversion to integers truncates, and anything but 0 is true."""
    node.get("saturate", 1), node.get("round_mode", "up")
    return cast(node, x, dtype_of(node.get("to", 1)))


@transparent
def CastLike(node: Node, x: Value, like: Value) -> Value:
    """x in the type of another array."""
    node.get("saturate", 1)
    return cast(node, x, like.dtype)


def cast(node: Node, x: Value, dtype: Any) -> Value:
    """x in another type of the file."""
    if isinstance(x, Known):
        return fold(lambda array: array.astype(dtype), x, dtype=dtype)
    tensor = x.tensor
    if dtype.kind == "b" and x.dtype.kind != "b":
        tensor = ops.not_equal(tensor, 0.0)
    elif dtype.kind in "iu" and x.dtype.kind == "f":
        tensor = ops.multiply(ops.sign(tensor), ops.floor(ops.absolute(tensor)))
    return node.result(tensor, x.order, dtype)


def Reshape(node: Node, x: Value, shape: Value) -> Value:
    """The same numbers under another shape: 0 keeps a size, −1 is inferred."""
    keep = not node.get("allowzero", 0)
    wanted = known_of(shape).arrays
    if isinstance(x, Known):
        return fold(lambda a, s: a.reshape(_target(a.shape, s, keep, None)), x, shape)
    befores = _each_batch(x.shape)
    if len(befores) == 1 and len(wanted) > 1:
        raise UnsupportedError("a shape depends on the batch size, and the input does not")
    targets = [
        _target(before, wanted[i % len(wanted)], keep, node.batch if len(befores) > 1 else None)
        for i, before in enumerate(befores)
    ]
    return _reshaped(node, x, targets)


def _target(before: tuple[int, ...], wanted: Any, keep: bool, batch: int | None) -> tuple[int, ...]:
    """The shape that a node asks for, with nothing left to be inferred.

    Arguments:
        batch: the batch size the file is written for: where it is the first size, any batch is accepted.
    """
    sizes = [int(n) for n in wanted]
    if min(sizes, default=0) < -1 or sizes.count(-1) > 1 or (keep and 0 in sizes[len(before) :]):
        raise UnsupportedError(f"a shape of {tuple(sizes)}")
    sizes = [before[i] if n == 0 and keep else n for i, n in enumerate(sizes)]
    count = math.prod(before)
    known = math.prod(n for n in sizes if n != -1)
    if batch is not None and sizes and sizes[0] == batch and -1 not in sizes and known != count:
        sizes[0], known = before[0], known // batch * before[0]
    if -1 in sizes and known and count % known == 0:
        sizes[sizes.index(-1)] = count // known
    if math.prod(sizes) != count or -1 in sizes:
        raise UnsupportedError(f"a shape of {tuple(int(n) for n in wanted)} for an input of {before}")
    return tuple(sizes)


def _reshaped(node: Node, x: Symbol, targets: Sequence[tuple[int, ...]]) -> Value:
    """x under a shape, given for each batch size."""
    merged = tuple(each[0] if len(set(each)) == 1 else -1 for each in zip(*targets, strict=True))
    if merged.count(-1) > 1 or any(
        -1 in merged and t[merged.index(-1)] != b for t, b in zip(targets, BATCHES, strict=False)
    ):
        raise UnsupportedError("a shape in which the batch is joined with other sizes")
    if (order := _renamed(x, targets)) is not None:
        return Symbol(x.tensor, order, x.dtype, x.sources)
    tensor = tensor_of(x, plain(rank(x)))
    if rank(x) > 2 and all(len(t) == 2 and t[0] == b[0] for t, b in zip(targets, _each_batch(x.shape), strict=False)):
        return node.result(node.layer(lambda name: layers.Flatten(name=name), tensor))
    return node.result(ops.reshape(tensor, merged))


def _renamed(x: Symbol, targets: Sequence[tuple[int, ...]]) -> tuple[int, ...] | None:
    """The order of x's axes under a shape in which only axes of size 1 have other places; None for other shapes."""
    befores = _each_batch(x.shape)
    for before, after in zip(befores, targets, strict=False):
        if len(before) != len(after) or [n for n in before if n != 1] != [n for n in after if n != 1]:
            return None
    old = sorted(range(rank(x)), key=lambda axis: (befores[0][axis] == 1, axis))
    new = sorted(range(rank(x)), key=lambda axis: (targets[0][axis] == 1, axis))
    return tuple(new[old.index(axis)] for axis in x.order)


def Flatten(node: Node, x: Value) -> Value:
    """All axes before a given one are joined, and so are all from it on."""
    axis = node.get("axis", 1)
    axis += rank(x) if axis < 0 else 0
    if not 0 <= axis <= rank(x):
        raise UnsupportedError(f"the axis {node.get('axis')} of {rank(x)}")
    targets = [(math.prod(shape[:axis]), math.prod(shape[axis:])) for shape in _each_batch(x.shape)]
    if isinstance(x, Known):
        return Known(*(a.reshape(t) for a, t in zip(x.arrays, targets * len(x.arrays), strict=False)))
    return _reshaped(node, x, targets)


def _axes(node: Node, axes: Value | None, most: int) -> tuple[int, ...] | None:
    """Axes, given as an input since version 13 and as a setting before."""
    numbers = node.get("axes") if axes is None else numbers_of(axes)
    return None if numbers is None else checked_axes(numbers, most)


def checked_axes(numbers: Sequence[int], most: int) -> tuple[int, ...]:
    """Axes counted from the first.

    Raises:
        UnsupportedError: one does not exist, or is given twice.
    """
    axes = tuple(n + most if n < 0 else n for n in numbers)
    if len(set(axes)) < len(axes) or not all(0 <= a < most for a in axes):
        raise UnsupportedError(f"the axes {tuple(numbers)} of {most}")
    return axes


def Squeeze(node: Node, x: Value, axes: Value | None = None) -> Value:
    """x without some axes of size 1."""
    given = _axes(node, axes, rank(x))
    gone = tuple(i for i, n in enumerate(x.shape) if n == 1) if given is None else given
    if any(x.shape[a] != 1 for a in gone):
        raise UnsupportedError(f"expected sizes of 1 along {gone}, got {x.shape}")
    if isinstance(x, Known):
        return fold(lambda a: a.squeeze(gone), x)
    return without(node, x, gone)


def without(node: Node, x: Symbol, gone: tuple[int, ...], tensor: Any = None) -> Value:
    """``tensor`` without axes of size 1; by default that of x, whose order of axes it has."""
    tensor = x.tensor if tensor is None else tensor
    left = [axis for axis in range(len(x.order)) if axis not in gone]
    kept = [j for j, axis in enumerate(x.order) if axis not in gone]
    sizes = tuple(-1 if tensor.shape[j] is None else tensor.shape[j] for j in kept)
    return node.result(ops.reshape(tensor, sizes), tuple(left.index(x.order[j]) for j in kept))


def Unsqueeze(node: Node, x: Value, axes: Value | None = None) -> Value:
    """x with further axes of size 1."""
    numbers = node.get("axes") if axes is None else numbers_of(axes)
    total = rank(x) + len(numbers or ())
    new = checked_axes(numbers or (), total)
    if isinstance(x, Known):
        return fold(lambda a: np.expand_dims(a, new), x)
    old = [axis for axis in range(total) if axis not in new]
    sizes = tuple(-1 if n is None else n for n in x.tensor.shape)
    order = (*(old[axis] for axis in x.order), *new)
    return node.result(ops.reshape(x.tensor, sizes + (1,) * len(new)), order)


def Transpose(node: Node, x: Value) -> Value:
    """The axes in another order: nothing moves, they are only renamed."""
    axes = checked_axes(node.get("perm", tuple(range(rank(x)))[::-1]), rank(x))
    if len(axes) != rank(x):
        raise UnsupportedError(f"an order {axes} of {rank(x)} axes")
    if isinstance(x, Known):
        return fold(lambda a: a.transpose(axes), x)
    return Symbol(x.tensor, tuple(axes.index(axis) for axis in x.order), x.dtype, x.sources)


@transparent
def Concat(node: Node, *xs: Value) -> Value:
    """The inputs one after the other along an axis."""
    (axis,) = checked_axes((node.get("axis", 1),), rank(xs[0]))
    if all_known(xs):
        if len({id(x) for x in xs}) < len(xs):  # the same again and again: a few bytes may become many
            limited([sum(math.prod(n or 3 for n in x.shape) for x in xs)])
        return fold(lambda *arrays: np.concatenate(arrays, axis), *xs)
    if any(x.shape[axis] is None for x in xs):
        raise UnsupportedError("joining batches")
    order = next(x for x in xs if isinstance(x, Symbol)).order
    tensors, place = [tensor_of(x, order) for x in xs], order.index(axis)
    if len(xs) > 1 and not any(isinstance(x, Known) for x in xs):
        return node.result(node.layer(lambda name: layers.Concatenate(place, name=name), tensors), order)
    return node.result(ops.concatenate(tensors, place), order)


@transparent
def Split(node: Node, x: Value, sizes: Value | None = None) -> Any:
    """x cut into parts along an axis."""
    (axis,) = checked_axes((node.get("axis", 0),), rank(x))
    (size,) = size_of(x.shape[axis : axis + 1])
    parts = node.get("split") if sizes is None else numbers_of(sizes)
    if parts is None:
        if (count := node.get("num_outputs", len(node.outputs))) != len(node.outputs):
            raise UnsupportedError(f"{count} parts for {len(node.outputs)} outputs")
        each = -(-size // count)
        parts = tuple(max(0, min(each, size - i * each)) for i in range(count))
    ends = np.cumsum(parts)
    if ends[-1] != size or min(parts) < 0:
        raise UnsupportedError(f"parts of {parts} for a size of {size}")
    return tuple(sliced(node, x, {axis: range(int(end) - n, int(end))}) for n, end in zip(parts, ends, strict=True))


@transparent
def Slice(
    node: Node,
    x: Value,
    starts: Value | None = None,
    ends: Value | None = None,
    axes: Value | None = None,
    steps: Value | None = None,
) -> Value:
    """Some entries of some axes."""
    if starts is None or ends is None:  # before version 10
        begin, end, where = node.get("starts", ()), node.get("ends", ()), node.get("axes")
    else:
        begin, end = numbers_of(starts), numbers_of(ends)
        where = None if axes is None else numbers_of(axes)
    numbers = checked_axes(range(len(begin)) if where is None else where, rank(x))
    by = (1,) * len(begin) if steps is None else numbers_of(steps)
    if 0 in by or not len(begin) == len(end) == len(numbers) == len(by):
        raise UnsupportedError(f"starts {begin}, ends {end}, axes {numbers}, steps {by}")
    taken = {}
    for first, last, axis, step in zip(begin, end, numbers, by, strict=True):
        size = x.shape[axis]
        if size is None:
            if (first, step) == (0, 1) and last >= 2**31 - 1:
                continue
            raise UnsupportedError("a part of the batch")
        taken[axis] = range(*slice(first, last, step).indices(size))
    return sliced(node, x, taken)


def sliced(node: Node, x: Value, taken: dict[int, range]) -> Value:
    """The entries with these indices along these axes."""
    if isinstance(x, Known):
        return fold(lambda a: functools.reduce(lambda b, t: b.take(list(t[1]), t[0]), taken.items(), a), x)
    tensor = x.tensor
    for axis, entries in taken.items():
        place, size = x.order.index(axis), x.shape[axis]
        if entries == range(size or 0):
            continue
        taken_here = slice(entries.start, entries.stop if entries.stop >= 0 else None, entries.step)
        tensor = tensor[(slice(None),) * place + (taken_here,)]
    return node.result(tensor, x.order)


@transparent
def Pad(
    node: Node, x: Value, pads: Value | None = None, value: Value | None = None, axes: Value | None = None
) -> Value:
    """Entries before and after those of some axes: a constant, or repeated ones; negative counts crop."""
    mode = node.get("mode", "constant")
    numbers = node.get("pads", ()) if pads is None else numbers_of(pads)
    constant = node.get("value", 0.0) if value is None else float(array_of(value))
    where = range(rank(x)) if axes is None else checked_axes(numbers_of(axes), rank(x))
    if mode not in ("constant", "reflect", "edge", "wrap") or len(numbers) != 2 * len(where):
        raise UnsupportedError(f"pads {numbers} in the mode {mode!r}")
    ends = {axis: (numbers[i], numbers[i + len(where)]) for i, axis in enumerate(where)}
    if any(x.shape[axis] is None and any(counts) for axis, counts in ends.items()):
        raise UnsupportedError("more samples")
    limited([(n or 1) + max(0, sum(ends.get(axis, (0, 0)))) for axis, n in enumerate(x.shape)])
    order = x.order if isinstance(x, Symbol) else plain(rank(x))
    tensor = x.tensor if isinstance(x, Symbol) else array_of(x)
    for axis, (before, after) in ends.items():
        place = order.index(axis)
        if mode != "constant" and (before > 0 or after > 0):
            (size,) = size_of(x.shape[axis : axis + 1])
            entries = np.pad(np.arange(size), (max(0, before), max(0, after)), mode)
            tensor = ops.take(tensor, tuple(int(n) for n in entries), place)
        if before < 0 or after < 0:
            (size,) = size_of(tensor.shape[place : place + 1])
            tensor = ops.slice_axis(tensor, place, max(0, -before), size - max(0, -after))
    widths = [(max(0, ends[a][0]), max(0, ends[a][1])) if a in ends else (0, 0) for a in order]
    if mode == "constant" and any(map(any, widths)):
        tensor = ops.pad(tensor, widths, constant_values=constant)
    return node.result(tensor, order)


def Gather(node: Node, x: Value, indices: Value) -> Value:
    """Entries of an axis by their indices."""
    (axis,) = checked_axes((node.get("axis", 0),), rank(x))
    if isinstance(x, Known):
        return fold(lambda a, i: gathered(node, a, i, axis), x, indices)
    chosen, (size,) = array_of(indices), size_of(x.shape[axis : axis + 1])
    numbers = tuple(int(n) + (size if n < 0 else 0) for n in chosen.reshape(-1))
    if not all(0 <= n < size for n in numbers):
        raise UnsupportedError(f"entries {numbers[:8]} of {size}")
    place = x.order.index(axis)
    if chosen.ndim == 0:
        return without(node, x, (axis,), ops.slice_axis(x.tensor, place, numbers[0], numbers[0] + 1))
    taken = node.result(ops.take(x.tensor, numbers, place), x.order)
    if chosen.ndim == 1:
        return taken
    shape = (*x.shape[:axis], *chosen.shape, *x.shape[axis + 1 :])
    return _reshaped(node, taken, _each_batch(shape)) if isinstance(taken, Symbol) else taken


def gathered(node: Node, array: Any, indices: Any, axis: int) -> Any:
    """Entries of a known array, unless they are too many."""
    check_memory(node.op, (*array.shape[:axis], *indices.shape, *array.shape[axis + 1 :]), array.itemsize)
    return np.take(array, indices, axis)


def Expand(node: Node, x: Value, shape: Value) -> Value:
    """x repeated along sizes of 1 until it has a shape."""
    for sizes in known_of(shape).arrays:
        limited(sizes)
    if isinstance(x, Known):
        return fold(lambda a, s: expanded(node, a, tuple(int(n) for n in s)), x, shape)
    target = np.broadcast_shapes(size_of(x.shape), numbers_of(shape))
    return node.result(ops.broadcast_to(tensor_of(x, plain(rank(x))), target))


def expanded(node: Node, array: Any, sizes: tuple[int, ...]) -> Any:
    """A known array as large as it and ``sizes`` are together, unless that is too large."""
    shape = np.broadcast_shapes(array.shape, sizes)
    check_memory(node.op, shape, array.itemsize)
    return np.broadcast_to(array, shape).copy()


def Tile(node: Node, x: Value, repeats: Value) -> Value:
    """x repeated along each axis."""
    counts = numbers_of(repeats)
    limited([(n or 1) * count for n, count in zip(x.shape, counts, strict=True)])
    if isinstance(x, Known):
        return fold(lambda a: np.tile(a, counts), x)
    tensor = x.tensor
    for axis, count in enumerate(counts):
        if count != 1:
            (size,) = size_of(x.shape[axis : axis + 1])
            tensor = ops.take(tensor, tuple(range(size)) * count, x.order.index(axis))
    return node.result(tensor, x.order)


def Range(node: Node, start: Value, limit: Value, delta: Value) -> Value:
    """start, start + delta, … up to the limit."""
    first, last, step = (array_of(v).item() for v in (start, limit, delta))
    if step == 0 or not math.isfinite((last - first) / step) or (last - first) / step > MOST_KNOWN:
        raise UnsupportedError(f"a range from {first} to {last} by {step}")
    return Known(np.arange(first, last, step).astype(start.dtype))


@spatial
def DepthToSpace(node: Node, x: Value) -> Value:
    """Channels become pixels: (N, b·b·C, H, W) → (N, C, b·H, b·W)."""
    b, mode, order = node.get("blocksize", 1), node.get("mode", "DCR"), channels_last(4)
    height, width = size_of(x.shape[2:])
    (channels,) = size_of(x.shape[1:2])
    if mode not in ("DCR", "CRD") or b < 1 or channels % (b * b):
        raise UnsupportedError(f"the mode {mode!r} with blocks of {b} for {channels} channels")
    inner = (b, b, channels // b**2) if mode == "DCR" else (channels // b**2, b, b)
    axes = (0, 1, 3, 2, 4, 5) if mode == "DCR" else (0, 1, 4, 2, 5, 3)
    blocks = ops.transpose(ops.reshape(tensor_of(x, order), (-1, height, width, *inner)), axes)
    return node.result(ops.reshape(blocks, (-1, height * b, width * b, channels // b**2)), order)


@spatial
def SpaceToDepth(node: Node, x: Value) -> Value:
    """Pixels become channels: (N, C, b·H, b·W) → (N, b·b·C, H, W)."""
    b, mode, order = node.get("blocksize", 1), node.get("mode", "DCR"), channels_last(4)
    channels, height, width = size_of(x.shape[1:])
    if mode not in ("DCR", "CRD") or b < 1 or height % b or width % b:
        raise UnsupportedError(f"the mode {mode!r} with blocks of {b} for maps of {height} × {width}")
    axes = (0, 1, 3, 2, 4, 5) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    blocks = ops.reshape(tensor_of(x, order), (-1, height // b, b, width // b, b, channels))
    moved = ops.transpose(blocks, axes)
    return node.result(ops.reshape(moved, (-1, height // b, width // b, b * b * channels)), order)
