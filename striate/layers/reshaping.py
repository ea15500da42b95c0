"""Layers that rearrange numbers without changing them, pad with zeros, crop, or repeat."""

from collections.abc import Callable
from typing import Any, ClassVar

from striate import ops
from striate.errors import ArgumentError, ShapeError
from striate.layers.arguments import channels, channels_last, integer, pairs
from striate.layers.layer import Layer
from striate.ops.operation import check_rank
from striate.ops.windows import Pads, per_axis


class Flatten(Layer):
    """Each sample as one row of numbers, in row-major order: (N, H, W, C) → (N, H·W·C).

    Arguments:
        data_format: only "channels_last".
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        channels_last("Flatten", data_format)

    def call(self, inputs: Any) -> Any:
        return ops.flatten(inputs)

    def describe(self) -> str:
        return "All numbers of a sample in one row."


class Reshape(Layer):
    """The same numbers of each sample, in row-major order, in another shape: (N, …) → (N, *target_shape).

    Arguments:
        target_shape: without the batch; one size may be −1 and is inferred.

    Raises:
        ArgumentError: a size is below 1, or more than one is −1.
        ShapeError: the shape has another number of elements than the input.
    """

    def __init__(self, target_shape: Any, **kwargs: Any):
        super().__init__(**kwargs)
        sizes = target_shape if isinstance(target_shape, list | tuple) else (target_shape,)
        self.target_shape = tuple(integer("Reshape", "target_shape", n) for n in sizes)
        if any(n < 1 and n != -1 for n in self.target_shape) or self.target_shape.count(-1) > 1:
            raise ArgumentError(f"Reshape: expected sizes of at least 1, or one −1, got {self.target_shape}.")

    def call(self, inputs: Any) -> Any:
        return ops.reshape(inputs, (inputs.shape[0], *self.target_shape))

    def describe(self) -> str:
        return f"The same numbers in the shape {'×'.join('?' if n == -1 else str(n) for n in self.target_shape)}."


class Permute(Layer):
    """The axes of each sample in another order: output axis i is input axis ``dims[i − 1]``.

    Arguments:
        dims: a permutation of 1, 2, …, counted with the batch as 0: ``Permute((2, 1))`` takes (N, A, B) to (N, B, A).

    Raises:
        ArgumentError: ``dims`` is not a permutation.
        ShapeError: the input has the wrong rank.
    """

    def __init__(self, dims: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.dims = tuple(dims) if isinstance(dims, list | tuple) else (dims,)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ArgumentError(f"Permute: expected dims to be a permutation of 1 … {len(self.dims)}, got {self.dims}.")

    def call(self, inputs: Any) -> Any:
        check_rank("Permute", "input", inputs, len(self.dims) + 1, f"for dims={self.dims}")
        return ops.transpose(inputs, (0, *self.dims))

    def describe(self) -> str:
        return f"The same numbers with the axes of a sample in the order {', '.join(map(str, self.dims))}."


class RepeatVector(Layer):
    """Repeats each vector ``n`` times: (N, C) → (N, n, C).

    Arguments:
        n: at least 1.

    Raises:
        ArgumentError: ``n`` is not an integer of at least 1.
        ShapeError: the input has the wrong rank.
    """

    def __init__(self, n: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.n = integer("RepeatVector", "n", n, least=1)

    def call(self, inputs: Any) -> Any:
        check_rank("RepeatVector", "input", inputs, 2, "(N, C)")
        rows, columns = inputs.shape
        return ops.broadcast_to(ops.reshape(inputs, (rows, 1, columns)), (rows, self.n, columns))

    def describe(self) -> str:
        return f"The input repeated {self.n} times."


class _ZeroPadding(Layer):
    axes: ClassVar[int]

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        where = type(self).__name__
        channels_last(where, data_format)
        self.padding = pairs(where, "padding", padding, self.axes)

    def call(self, inputs: Any) -> Any:
        channels(type(self).__name__, inputs.shape, self.axes)
        return ops.pad(inputs, ((0, 0), *self.padding, (0, 0)))

    def describe(self) -> str:
        return f"Zeros put around every map: {sides(self.padding)}."


class ZeroPadding1D(_ZeroPadding):
    """Zeros around series: (N, W, C) → (N, left + W + right, C).

    Arguments:
        padding: a number for both sides, or (left, right).
        data_format: only "channels_last".

    Raises:
        ArgumentError: ``padding`` has another form, or is negative.
        ShapeError: the input has the wrong rank.
    """

    axes = 1


class ZeroPadding2D(_ZeroPadding):
    """Zeros around images: (N, H, W, C) → (N, top + H + bottom, left + W + right, C).

    Arguments:
        padding: a number for all sides, (rows, columns) for both sides of each, or ((top, bottom), (left, right)).
        data_format: only "channels_last".

    Raises:
        ArgumentError: ``padding`` has another form, or is negative.
        ShapeError: the input has the wrong rank.
    """

    axes = 2


class ZeroPadding3D(_ZeroPadding):
    """Zeros around volumes: (N, D, H, W, C) → each spatial axis longer by its padding.

    Arguments, errors: as `ZeroPadding2D`.
    """

    axes = 3


class _Cropping(Layer):
    axes: ClassVar[int]

    def __init__(self, cropping: Any, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        where = type(self).__name__
        channels_last(where, data_format)
        self.cropping = pairs(where, "cropping", cropping, self.axes)

    def call(self, inputs: Any) -> Any:
        where = type(self).__name__
        channels(where, inputs.shape, self.axes)
        if any(n <= before + after for n, (before, after) in zip(inputs.shape[1:-1], self.cropping, strict=True)):
            raise ShapeError(
                f"{where}: expected an input larger than what is cut off ({sides(self.cropping)}), got "
                f"{tuple(inputs.shape[1:-1])}."
            )
        return ops.crop(inputs, ((0, 0), *self.cropping, (0, 0)))

    def describe(self) -> str:
        return f"The edges of every map cut off: {sides(self.cropping)}."


class Cropping1D(_Cropping):
    """Crops the ends of series: (N, W, C) → (N, W − left − right, C).

    Arguments:
        cropping: a number for both ends, or (left, right).

    Raises:
        ArgumentError: ``cropping`` has another form, or is negative.
        ShapeError: the input has the wrong rank, or nothing would be left.
    """

    axes = 1

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any):
        super().__init__(cropping, **kwargs)


class Cropping2D(_Cropping):
    """Crops the edges of images: (N, H, W, C) → (N, H − top − bottom, W − left − right, C).

    Arguments:
        cropping: a number for all edges, (rows, columns) for both edges of each, or ((top, bottom), (left, right)).
        data_format: only "channels_last".

    Raises:
        ArgumentError: ``cropping`` has another form, or is negative.
        ShapeError: the input has the wrong rank, or nothing would be left.
    """

    axes = 2

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any):
        super().__init__(cropping, data_format, **kwargs)


class Cropping3D(_Cropping):
    """Crops the faces of volumes: (N, D, H, W, C) → each spatial axis shorter.

    Arguments, errors: as `Cropping2D`.
    """

    axes = 3

    def __init__(self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any):
        super().__init__(cropping, data_format, **kwargs)


class _UpSampling(Layer):
    axes: ClassVar[int]
    operation: Callable[..., Any] = staticmethod(ops.upsample_nearest)
    way = "repeating"

    def __init__(self, size: Any = 2, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        where = type(self).__name__
        channels_last(where, data_format)
        self.size = per_axis(where, "size", size, self.axes)

    def call(self, inputs: Any) -> Any:
        channels(type(self).__name__, inputs.shape, self.axes)
        return self.operation(inputs, self.size)

    def describe(self) -> str:
        return f"Every map made {'×'.join(map(str, self.size))} times as large by {self.way} its numbers."


class UpSampling1D(_UpSampling):
    """Each entry of a series repeated: (N, W, C) → (N, W·size, C).

    Arguments, errors: as `UpSampling2D`.
    """

    axes = 1

    def __init__(self, size: Any = 2, **kwargs: Any):
        super().__init__(size, **kwargs)


class UpSampling2D(_UpSampling):
    """Larger images without weights: (N, H, W, C) → (N, H·size, W·size, C).

    Arguments:
        size: the factor; one integer or (rows, columns).
        data_format: only "channels_last".
        interpolation: "nearest" repeats every pixel; "bilinear" interpolates between the four nearest.

    Raises:
        ArgumentError: an argument is invalid.
        ShapeError: the input has the wrong rank.
    """

    axes = 2

    def __init__(self, size: Any = 2, data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any):
        super().__init__(size, data_format, **kwargs)
        if interpolation not in ("nearest", "bilinear"):
            raise ArgumentError(f"UpSampling2D: expected interpolation 'nearest' or 'bilinear', got {interpolation!r}.")
        self.interpolation = interpolation
        if interpolation == "bilinear":
            self.operation, self.way = ops.upsample_bilinear, "linear interpolation between"


class UpSampling3D(_UpSampling):
    """Each entry of a volume repeated: (N, D, H, W, C) → (N, D·size, H·size, W·size, C).

    Arguments, errors: as `UpSampling2D`.
    """

    axes = 3


#: The names of the two ends of each axis, the last axis last.
ENDS = (("in front", "behind"), ("above", "below"), ("left", "right"))


def sides(widths: Pads) -> str:
    """``((1, 2), (3, 4))`` → "1 above, 2 below, 3 left, 4 right"; all alike: "1 on each side"."""
    if len({width for pair in widths for width in pair}) == 1:
        return f"{widths[0][0]} on each side"
    names = (("before", "after"),) if len(widths) == 1 else ENDS[-len(widths) :]
    return ", ".join(
        f"{width} {name}"
        for pair, ends in zip(widths, names, strict=True)
        for width, name in zip(pair, ends, strict=True)
    )
