"""Pooling layers: each window, or each whole map, becomes one number."""

from collections.abc import Callable
from typing import Any, ClassVar

from striate import ops
from striate.errors import ArgumentError
from striate.graph import Shape, Variable
from striate.layers import initializers
from striate.layers.arguments import channels, channels_last, real
from striate.layers.layer import Layer
from striate.ops.windows import per_axis, resolve_padding


class _Pooling(Layer):
    """What all pooling layers share: a window that moves over ``axes`` axes."""

    axes: ClassVar[int]
    kept: str
    within: ClassVar[str] = " of each map"

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: Any = "valid",
        data_format: str | None = None,
        *,
        dilation_rate: Any = 1,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        where = type(self).__name__
        channels_last(where, data_format)
        self.pool_size = per_axis(where, "pool_size", pool_size, self.axes)
        self.strides = self.pool_size if strides is None else per_axis(where, "strides", strides, self.axes)
        self.dilation_rate = per_axis(where, "dilation_rate", dilation_rate, self.axes)
        self.padding = padding.lower() if isinstance(padding, str) else padding
        # The pads depend on sizes that are not known yet; resolving them for any size tells whether they are valid.
        resolve_padding(where, self.padding, self.pool_size, self.pool_size, self.strides, self.dilation_rate)

    def call(self, inputs: Any) -> Any:
        channels(type(self).__name__, inputs.shape, self.axes)
        return self.pool(
            inputs,
            pool_size=self.pool_size,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
        )

    def pool(self, inputs: Any, **window: Any) -> Any:
        """Reduce every window to one number."""
        raise NotImplementedError

    def describe(self) -> str:
        window = "×".join(map(str, self.pool_size)) if self.axes > 1 else f"length-{self.pool_size[0]}"
        steps = "" if self.strides == self.pool_size else f", in steps of {'×'.join(map(str, self.strides))}"
        dilated = f", dilated by {'×'.join(map(str, self.dilation_rate))}" if max(self.dilation_rate) > 1 else ""
        return f"{self.kept} of every {window} window{self.within}{steps}{dilated}."


class _MaxPooling(_Pooling):
    kept = "The largest number"

    def pool(self, inputs: Any, **window: Any) -> Any:
        return ops.max_pool(inputs, **window)


class MaxPooling1D(_MaxPooling):
    """The largest number of each window of a series: (N, W, C) → (N, OW, C).

    Arguments, errors: as `MaxPooling2D`.
    """

    axes = 1


class MaxPooling2D(_MaxPooling):
    """Max pooling: the largest number of each window, in each map separately.

    Padding counts as −∞, so it never wins. Of equal numbers the first in row-major order gets the gradient.

    Shapes: (N, H, W, C) → (N, OH, OW, C).

    Arguments:
        pool_size: rows and columns of the window; one integer for both.
        strides: steps in which it moves; None: the window's size, so that windows neither overlap nor leave gaps.
        padding: "valid" (none), "same" (output ⌈size/stride⌉), a number, or a (before, after) pair for each axis.
        data_format: only "channels_last".
        dilation_rate: distance between neighbouring entries of the window.

    Raises:
        ArgumentError: an argument is invalid, such as a stride of 0.
        ShapeError: the input has the wrong rank, or is smaller than the window.

    Source: Riesenhuber, Poggio, "Hierarchical models of object recognition in cortex" (1999).
    """

    axes = 2


class MaxPooling3D(_MaxPooling):
    """The largest number of each window of a volume: (N, D, H, W, C) → (N, OD, OH, OW, C).

    Arguments, errors: as `MaxPooling2D`.
    """

    axes = 3


class _AveragePooling(_Pooling):
    kept = "The mean"

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: Any = "valid",
        data_format: str | None = None,
        *,
        count_include_pad: bool = False,
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, padding, data_format, **kwargs)
        self.count_include_pad = count_include_pad

    def pool(self, inputs: Any, **window: Any) -> Any:
        return ops.average_pool(inputs, **window, count_include_pad=self.count_include_pad)


class AveragePooling1D(_AveragePooling):
    """The mean of each window of a series: (N, W, C) → (N, OW, C).

    Arguments, errors: as `AveragePooling2D`.
    """

    axes = 1


class AveragePooling2D(_AveragePooling):
    """Average pooling: the mean of each window, in each map separately.

    Shapes: (N, H, W, C) → (N, OH, OW, C).

    Arguments:
        count_include_pad: whether padding counts as zeros in the mean; by default it is left out.
        Others: as `MaxPooling2D`.

    Raises:
        ArgumentError, ShapeError: as `MaxPooling2D`.

    Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition" (1998).
    """

    axes = 2


class AveragePooling3D(_AveragePooling):
    """The mean of each window of a volume: (N, D, H, W, C) → (N, OD, OH, OW, C).

    Arguments, errors: as `AveragePooling2D`.
    """

    axes = 3


class LpPooling2D(_Pooling):
    """Lp pooling: the p-norm (Σ |x|ᵖ)^(1/p) of each window; p = 1 sums |x|, a large p approaches the maximum.

    Shapes: (N, H, W, C) → (N, OH, OW, C). Keras has no such layer.

    Arguments:
        p: 1 or more.
        Others: as `MaxPooling2D`.

    Raises:
        ArgumentError, ShapeError: as `MaxPooling2D`.

    Source: Sermanet, Chintala, LeCun, "Convolutional neural networks applied to house numbers digit
    classification" (2012).
    """

    axes = 2

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: Any = "valid",
        data_format: str | None = None,
        *,
        p: float = 2.0,
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, padding, data_format, **kwargs)
        self.p = real("LpPooling2D", "p", p, least=1)
        self.kept = f"The {self.p:g}-norm"

    def pool(self, inputs: Any, **window: Any) -> Any:
        return ops.lp_pool(inputs, **window, p=self.p)


class MixedPooling2D(_Pooling):
    """Mixed pooling: α · max + (1 − α) · mean of each window; α = 1 is max pooling, α = 0 average pooling.

    Shapes: (N, H, W, C) → (N, OH, OW, C). Keras has no such layer. Variable: alpha (), if it is learned.

    Arguments:
        alpha: α, or its initial value.
        learned: whether training changes α, which may then leave 0…1.
        Others: as `MaxPooling2D`.

    Raises:
        ArgumentError: ``alpha`` is not from 0 to 1, or as `MaxPooling2D`.
        ShapeError: as `MaxPooling2D`.

    Source: Lee, Gallagher, Tu, "Generalizing pooling functions in convolutional neural networks" (2016).
    """

    axes = 2

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: Any = "valid",
        data_format: str | None = None,
        *,
        alpha: float = 0.5,
        learned: bool = False,
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, padding, data_format, **kwargs)
        self.start = real("MixedPooling2D", "alpha", alpha, least=0)
        if self.start > 1:
            raise ArgumentError(f"MixedPooling2D: expected alpha from 0 (mean) to 1 (max), got {alpha!r}.")
        self.alpha: float | Variable = self.start
        self.learned = learned
        if learned:
            self.kept = "A learned mixture of the largest number and the mean"
        else:
            self.kept = f"{self.start:g} times the largest number plus {1 - self.start:g} times the mean"

    def build(self, input_shape: Shape) -> None:
        if self.learned:
            self.alpha = self.add_weight((), initializers.Constant(self.start), "alpha")

    def pool(self, inputs: Any, **window: Any) -> Any:
        return ops.mixed_pool(inputs, self.alpha, **window)


class BrightestPooling2D(_Pooling):
    """The brightest pixel of each window, with all its channels; max pooling mixes channels of several pixels.

    Of the pixels (200, 0, 0), (0, 200, 0), (0, 0, 200), (90, 90, 90) max pooling makes (200, 200, 200), a colour that
    no pixel has; by the sum of the channels (90, 90, 90) is the brightest, by luma (0, 200, 0).

    Shapes: (N, H, W, C) → (N, OH, OW, C). Keras has no such layer.

    Arguments:
        weights: how the channels count: "sum" all alike, "luma" as the eye sees red, green and blue, or one number for
            each channel.
        Others: as `MaxPooling2D`.

    Raises:
        ArgumentError, ShapeError: as `MaxPooling2D`, or the weights do not fit the channels.

    Source: ITU-R Recommendation BT.601 (luma).
    """

    axes = 2
    kept, within = "The brightest pixel, with all its channels,", ""

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: Any = "valid",
        data_format: str | None = None,
        *,
        weights: Any = "sum",
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, padding, data_format, **kwargs)
        self.brightness = weights

    def pool(self, inputs: Any, **window: Any) -> Any:
        return ops.brightest_pool(inputs, **window, weights=self.brightness)


class _GlobalPooling(Layer):
    axes: ClassVar[int]
    kept: str
    operation: ClassVar[Callable[..., Any]]

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        channels_last(type(self).__name__, data_format)
        self.keepdims = keepdims

    def call(self, inputs: Any) -> Any:
        channels(type(self).__name__, inputs.shape, self.axes)
        return self.operation(inputs, self.keepdims)

    def describe(self) -> str:
        return f"{self.kept} of each whole map."


class GlobalMaxPooling1D(_GlobalPooling):
    """The largest number of each channel of a series: (N, W, C) → (N, C).

    Arguments, errors: as `GlobalMaxPooling2D`.
    """

    axes = 1
    kept = "The largest number"
    operation = staticmethod(ops.global_max_pool)


class GlobalMaxPooling2D(_GlobalPooling):
    """The largest number of each whole map: (N, H, W, C) → (N, C), or (N, 1, 1, C) with ``keepdims``.

    Arguments:
        data_format: only "channels_last".
        keepdims: keep the spatial axes, with size 1.

    Raises:
        ArgumentError: another data format.
        ShapeError: the input has the wrong rank.

    Source: Oquab, Bottou, Laptev, Sivic, "Is object localization for free?" (2015).
    """

    axes = 2
    kept = "The largest number"
    operation = staticmethod(ops.global_max_pool)


class GlobalMaxPooling3D(_GlobalPooling):
    """The largest number of each channel of a volume: (N, D, H, W, C) → (N, C).

    Arguments, errors: as `GlobalMaxPooling2D`.
    """

    axes = 3
    kept = "The largest number"
    operation = staticmethod(ops.global_max_pool)


class GlobalAveragePooling1D(_GlobalPooling):
    """The mean of each channel of a series: (N, W, C) → (N, C).

    Arguments, errors: as `GlobalAveragePooling2D`.
    """

    axes = 1
    kept = "The mean"
    operation = staticmethod(ops.global_average_pool)


class GlobalAveragePooling2D(_GlobalPooling):
    """The mean of each whole map: (N, H, W, C) → (N, C), or (N, 1, 1, C) with ``keepdims``.

    Arguments, errors: as `GlobalMaxPooling2D`.

    Source: Lin, Chen, Yan, "Network in network" (2014).
    """

    axes = 2
    kept = "The mean"
    operation = staticmethod(ops.global_average_pool)


class GlobalAveragePooling3D(_GlobalPooling):
    """The mean of each channel of a volume: (N, D, H, W, C) → (N, C).

    Arguments, errors: as `GlobalAveragePooling2D`.
    """

    axes = 3
    kept = "The mean"
    operation = staticmethod(ops.global_average_pool)


class _AdaptivePooling(Layer):
    axes: ClassVar[int]
    kept: str
    operation: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        where = type(self).__name__
        channels_last(where, data_format)
        self.output_size = per_axis(where, "output_size", output_size, self.axes)

    def call(self, inputs: Any) -> Any:
        channels(type(self).__name__, inputs.shape, self.axes)
        return self.operation(inputs, self.output_size)

    def describe(self) -> str:
        size = "×".join(map(str, self.output_size))
        return f"Of each of {size} windows that cover a map, {self.kept[0].lower()}{self.kept[1:]}."


class AdaptiveAveragePooling1D(_AdaptivePooling):
    """The mean of each of a given number of windows: (N, W, C) → (N, output_size, C).

    Arguments, errors: as `AdaptiveAveragePooling2D`.
    """

    axes = 1
    kept = "The mean"
    operation = staticmethod(ops.adaptive_average_pool)


class AdaptiveAveragePooling2D(_AdaptivePooling):
    """The mean of each of windows chosen so that the output has a given size: (N, H, W, C) → (N, *output_size, C).

    Along an axis of n entries, window i of m covers ⌊i·n/m⌋ … ⌈(i + 1)·n/m⌉ − 1: neighbours may overlap.

    Arguments:
        output_size: rows and columns of the output; one integer for both.
        data_format: only "channels_last".

    Raises:
        ArgumentError: a size below 1, or another data format.
        ShapeError: the input has the wrong rank.

    Source: He et al., "Spatial pyramid pooling in deep convolutional networks" (2014); PyTorch's window rule.
    """

    axes = 2
    kept = "The mean"
    operation = staticmethod(ops.adaptive_average_pool)


class AdaptiveAveragePooling3D(_AdaptivePooling):
    """The mean of each of a given number of windows: (N, D, H, W, C) → (N, *output_size, C).

    Arguments, errors: as `AdaptiveAveragePooling2D`.
    """

    axes = 3
    kept = "The mean"
    operation = staticmethod(ops.adaptive_average_pool)


class AdaptiveMaxPooling1D(_AdaptivePooling):
    """The largest number of each of a given number of windows: (N, W, C) → (N, output_size, C).

    Arguments, errors: as `AdaptiveMaxPooling2D`.
    """

    axes = 1
    kept = "The largest number"
    operation = staticmethod(ops.adaptive_max_pool)


class AdaptiveMaxPooling2D(_AdaptivePooling):
    """The maximum of each of windows chosen so that the output has a given size: (N, H, W, C) → (N, *output_size, C).

    Arguments, errors: as `AdaptiveAveragePooling2D`, as are the windows.

    Source: He et al., "Spatial pyramid pooling in deep convolutional networks" (2014).
    """

    axes = 2
    kept = "The largest number"
    operation = staticmethod(ops.adaptive_max_pool)


class AdaptiveMaxPooling3D(_AdaptivePooling):
    """The largest number of each of a given number of windows: (N, D, H, W, C) → (N, *output_size, C).

    Arguments, errors: as `AdaptiveMaxPooling2D`.
    """

    axes = 3
    kept = "The largest number"
    operation = staticmethod(ops.adaptive_max_pool)


MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
GlobalAvgPool1D, GlobalAvgPool2D = GlobalAveragePooling1D, GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
