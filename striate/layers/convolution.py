"""Convolution layers: kernels that slide over series, images and volumes, and their relatives.

The letters of the shapes: N samples, D H W (OD OH OW after the layer) positions, C channels in, K ``filters`` out.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from striate import ops
from striate.errors import ArgumentError, ShapeError
from striate.graph import Shape, Variable
from striate.layers.activation import activation_function, then
from striate.layers.arguments import channels, channels_last, integer
from striate.layers.initializers import Initializer
from striate.layers.weighted import Weighted
from striate.ops.elementwise import add_bias
from striate.ops.windows import per_axis, resolve_padding


class _Windowed(Weighted):
    """What all convolution layers share: a window that moves over ``axes`` axes, a bias, and an activation."""

    axes: ClassVar[int]
    operation: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Any,
        strides: Any,
        padding: Any,
        data_format: str | None,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        weights: Mapping[str, tuple[Any, Any, None]],
        activity_regularizer: None,
        **kwargs: Any,
    ):
        super().__init__(weights, activity_regularizer, **kwargs)
        where = type(self).__name__
        channels_last(where, data_format)
        self.kernel_size = per_axis(where, "kernel_size", kernel_size, self.axes)
        self.strides = per_axis(where, "strides", strides, self.axes)
        self.dilation_rate = per_axis(where, "dilation_rate", dilation_rate, self.axes)
        self.padding = padding.lower() if isinstance(padding, str) else padding
        # The pads depend on sizes that are not known yet; resolving them for any size tells whether they are valid.
        resolve_padding(where, self.padding, self.kernel_size, self.kernel_size, self.strides, self.dilation_rate)
        self.activation = activation_function(where, activation)
        self.use_bias = use_bias
        self.bias: Variable | None = None

    def _add_bias(self, size: int) -> None:
        if self.use_bias:
            self.bias = self.add("bias", (size,))

    def _kernel_term(self, depth: int = 1) -> str:
        """What a kernel is called, with its depth if that is more than 1: "3×3×16", "length-5, depth-16"."""
        if self.axes == 1:
            return f"length-{self.kernel_size[0]}" + (f", depth-{depth}" if depth > 1 else "")
        return "×".join(map(str, (*self.kernel_size, *([depth] if depth > 1 else []))))

    def _step_term(self) -> str:
        steps, dilation = ("×".join(map(str, sizes)) for sizes in (self.strides, self.dilation_rate))
        return (f", in steps of {steps}" if max(self.strides) > 1 else "") + (
            f", dilated by {dilation}" if max(self.dilation_rate) > 1 else ""
        )

    def _before(self, groups: int, depth: int | None) -> str:
        """The input maps that a map is made from: ``depth`` of them, None if that is not known yet."""
        if groups > 1:
            return "the input map of its group" if depth == 1 else f"the {_count(depth)}input maps of its group"
        return "the input map" if depth == 1 else f"all {_count(depth)}input maps"

    def _on_its_own(self, multiplier: int) -> str:
        """What a depthwise convolution does."""
        if multiplier == 1:
            kernels, many = f"a {self._kernel_term()} kernel", ""
        else:
            kernels, many = f"{multiplier} {self._kernel_term()} kernels", f", which gives {multiplier} maps"
        return f"Each input map filtered separately, by {kernels} of its own{self._step_term()}{many}"


def _count(number: int | None) -> str:
    return "" if number is None else f"{number} "


class _Conv(_Windowed):
    kernel_initializer: Initializer

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: Any = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: None = None,
        kernel_constraint: None = None,
        bias_constraint: None = None,
        **kwargs: Any,
    ):
        weights = {
            "kernel": (kernel_initializer, kernel_regularizer, kernel_constraint),
            "bias": (bias_initializer, bias_regularizer, bias_constraint),
        }
        windows = kernel_size, strides, padding, data_format, dilation_rate
        super().__init__(*windows, activation, use_bias, weights, activity_regularizer, **kwargs)
        where = type(self).__name__
        self.filters = integer(where, "filters", filters, least=1)
        self.groups = integer(where, "groups", groups, least=1)
        if self.filters % self.groups:
            raise ArgumentError(f"{where}: expected groups to divide filters={filters}, got groups={groups}.")

    def build(self, input_shape: Shape) -> None:
        where = type(self).__name__
        count = channels(where, input_shape, self.axes)
        if count % self.groups:
            raise ShapeError(
                f"{where}: expected input channels that groups={self.groups} divides, got {count} "
                f"(input is {input_shape})."
            )
        self.kernel = self.add("kernel", (*self.kernel_size, count // self.groups, self.filters))
        self._add_bias(self.filters)

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """The convolution alone, with this kernel; a subclass may override it."""
        return self.operation(inputs, kernel, None, self.strides, self.padding, self.dilation_rate, self.groups)

    def call(self, inputs: Any) -> Any:
        y = self.convolution_op(inputs, self.kernel)
        return self.activation(add_bias(self.operation.__name__, y, self.bias))

    def describe(self) -> str:
        depth = self.kernel.shape[-2] if self.built else None
        kernel = f"a {self._kernel_term(depth or 1)} kernel"
        made = f"made from {self._before(self.groups, depth)} by {kernel}"
        one = self.filters == 1
        maps = f"1 feature map, {made}" if one else f"{self.filters} feature maps, each {made} of its own"
        deep = "" if self.built else ", as deep as there are input maps"
        return f"{maps}{deep}{self._step_term()}{then(self.activation)}."


class Conv1D(_Conv):
    """Convolution of series: (N, W, C) → (N, OW, K); ``padding`` may be "causal".

    Kernel (KW, C/groups, K), bias (K,).

    Arguments, errors: as `Conv2D`.
    """

    axes = 1
    operation = staticmethod(ops.conv1d)


class Conv2D(_Conv):
    """Convolution: ``filters`` kernels slide over images, and each makes one feature map.

    y[n, i, j, k] = f(bias[k] + Σ over a, b, c of x[n, i·stride + a·dilation − top, j·… − left, c] · kernel[a, b, c, k])

    Shapes: (N, H, W, C) → (N, OH, OW, K); kernel (KH, KW, C/groups, K), bias (K,).

    Arguments:
        filters: the number of kernels, and so of output maps.
        kernel_size: rows and columns of each kernel; one integer for both.
        strides: steps in which the kernel moves.
        padding: zeros around the image: "valid" (none), "same" (output ⌈size/stride⌉), "full" (kernel − 1 on each
            side), "same_lower", a number, or a (before, after) pair for each axis.
        data_format: only "channels_last".
        dilation_rate: distance between neighbouring entries of the kernel.
        groups: the channels are split into this many groups that are convolved separately.
        activation: a name such as "relu", a function, or a layer; None: none.
        use_bias: whether to add a learned number to each map.
        kernel_initializer, bias_initializer: set the initial weights.
        kernel_regularizer, bias_regularizer: added to the loss, such as "l2".
        activity_regularizer, kernel_constraint, bias_constraint: not supported; must be None.

    Raises:
        ArgumentError: an argument is invalid, such as a stride of 0.
        ShapeError: the input has the wrong rank or number of channels, or is smaller than the kernel.

    Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition" (1998).
    """

    axes = 2
    operation = staticmethod(ops.conv2d)


class Conv3D(_Conv):
    """Convolution of volumes: (N, D, H, W, C) → (N, OD, OH, OW, K).

    Kernel (KD, KH, KW, C/groups, K), bias (K,).

    Arguments, errors: as `Conv2D`.
    """

    axes = 3
    operation = staticmethod(ops.conv3d)


class _DepthwiseConv(_Windowed):
    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: Any = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: None = None,
        depthwise_constraint: None = None,
        bias_constraint: None = None,
        **kwargs: Any,
    ):
        weights = {
            "depthwise": (depthwise_initializer, depthwise_regularizer, depthwise_constraint),
            "bias": (bias_initializer, bias_regularizer, bias_constraint),
        }
        windows = kernel_size, strides, padding, data_format, dilation_rate
        super().__init__(*windows, activation, use_bias, weights, activity_regularizer, **kwargs)
        where = type(self).__name__
        self.depth_multiplier = integer(where, "depth_multiplier", depth_multiplier, least=1)

    def build(self, input_shape: Shape) -> None:
        count = channels(type(self).__name__, input_shape, self.axes)
        self.kernel = self.add("depthwise", (*self.kernel_size, count, self.depth_multiplier), "kernel")
        self._add_bias(count * self.depth_multiplier)

    def call(self, inputs: Any) -> Any:
        y = self.operation(inputs, self.kernel, self.bias, self.strides, self.padding, self.dilation_rate)
        return self.activation(y)

    def describe(self) -> str:
        return f"{self._on_its_own(self.depth_multiplier)}{then(self.activation)}."


class DepthwiseConv1D(_DepthwiseConv):
    """Each channel of a series filtered separately: (N, W, C) → (N, OW, C·M).

    Arguments, errors: as `DepthwiseConv2D`.
    """

    axes = 1
    operation = staticmethod(ops.depthwise_conv1d)


class DepthwiseConv2D(_DepthwiseConv):
    """Depthwise convolution: each channel is filtered separately, by M = ``depth_multiplier`` kernels.

    Four maps and a multiplier of 2 make eight maps; `Conv2D` with 2 filters makes two.

    Shapes: (N, H, W, C) → (N, OH, OW, C·M); kernel (KH, KW, C, M), bias (C·M,); map c·M + m is channel c filtered by
    its kernel m.

    Arguments:
        depth_multiplier: M, kernels for each channel.
        depthwise_initializer, depthwise_regularizer: of the kernels.
        depthwise_constraint: not supported; must be None.
        Others: as `Conv2D`.

    Raises:
        ArgumentError, ShapeError: as `Conv2D`.

    Source: Chollet, "Xception: Deep learning with depthwise separable convolutions" (2017).
    """

    axes = 2
    operation = staticmethod(ops.depthwise_conv2d)


class _SeparableConv(_Windowed):
    depthwise: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: Any = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: None = None,
        depthwise_constraint: None = None,
        pointwise_constraint: None = None,
        bias_constraint: None = None,
        **kwargs: Any,
    ):
        weights = {
            "depthwise": (depthwise_initializer, depthwise_regularizer, depthwise_constraint),
            "pointwise": (pointwise_initializer, pointwise_regularizer, pointwise_constraint),
            "bias": (bias_initializer, bias_regularizer, bias_constraint),
        }
        windows = kernel_size, strides, padding, data_format, dilation_rate
        super().__init__(*windows, activation, use_bias, weights, activity_regularizer, **kwargs)
        where = type(self).__name__
        self.filters = integer(where, "filters", filters, least=1)
        self.depth_multiplier = integer(where, "depth_multiplier", depth_multiplier, least=1)

    def build(self, input_shape: Shape) -> None:
        count = channels(type(self).__name__, input_shape, self.axes)
        self.depthwise_kernel = self.add(
            "depthwise", (*self.kernel_size, count, self.depth_multiplier), "depthwise_kernel"
        )
        self.pointwise_kernel = self.add(
            "pointwise", (*(1,) * self.axes, count * self.depth_multiplier, self.filters), "pointwise_kernel"
        )
        self._add_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        filtered = self.depthwise(inputs, self.depthwise_kernel, None, self.strides, self.padding, self.dilation_rate)
        return self.activation(self.operation(filtered, self.pointwise_kernel, self.bias))

    def describe(self) -> str:
        maps = "1 feature map," if self.filters == 1 else f"{self.filters} feature maps, each"
        return (
            f"{self._on_its_own(self.depth_multiplier)}; then {maps} a weighted sum of all of these at the same place"
            f"{then(self.activation)}."
        )


class SeparableConv1D(_SeparableConv):
    """Depthwise, then pointwise convolution of series: (N, W, C) → (N, OW, K).

    Arguments, errors: as `SeparableConv2D`.
    """

    axes = 1
    operation = staticmethod(ops.conv1d)
    depthwise = staticmethod(ops.depthwise_conv1d)


class SeparableConv2D(_SeparableConv):
    """Depthwise separable convolution: each channel filtered separately, then all mixed by a 1×1 convolution.

    Shapes: (N, H, W, C) → (N, OH, OW, K); depthwise kernel (KH, KW, C, M), pointwise kernel (1, 1, C·M, K), bias (K,).

    Arguments:
        filters: the number of output maps.
        depth_multiplier: M, kernels for each channel.
        depthwise_initializer, pointwise_initializer, depthwise_regularizer, pointwise_regularizer: of the two kernels.
        depthwise_constraint, pointwise_constraint: not supported; must be None.
        Others: as `Conv2D`.

    Raises:
        ArgumentError, ShapeError: as `Conv2D`.

    Source: Chollet, "Xception: Deep learning with depthwise separable convolutions" (2017).
    """

    axes = 2
    operation = staticmethod(ops.conv2d)
    depthwise = staticmethod(ops.depthwise_conv2d)


class _ConvTranspose(_Windowed):
    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: Any = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: None = None,
        kernel_constraint: None = None,
        bias_constraint: None = None,
        *,
        groups: int = 1,
        **kwargs: Any,
    ):
        weights = {
            "kernel": (kernel_initializer, kernel_regularizer, kernel_constraint),
            "bias": (bias_initializer, bias_regularizer, bias_constraint),
        }
        windows = kernel_size, strides, padding, data_format, dilation_rate
        super().__init__(*windows, activation, use_bias, weights, activity_regularizer, **kwargs)
        where = type(self).__name__
        if isinstance(self.padding, str) and self.padding not in ("valid", "same"):
            raise ArgumentError(f"{where}: expected padding 'valid', 'same', or integers, got {padding!r}.")
        self.filters = integer(where, "filters", filters, least=1)
        self.groups = integer(where, "groups", groups, least=1)
        if self.filters % self.groups:
            raise ArgumentError(f"{where}: expected groups to divide filters={self.filters}, got groups={groups}.")
        self.output_padding: Shape | None = None
        if output_padding is not None:
            self.output_padding = per_axis(where, "output_padding", output_padding, self.axes, least=0)
            limits = map(max, self.strides, self.dilation_rate)
            if any(extra >= limit for extra, limit in zip(self.output_padding, limits, strict=True)):
                raise ArgumentError(
                    f"{where}: expected output_padding below the larger of strides={self.strides} and "
                    f"dilation_rate={self.dilation_rate}, got {self.output_padding}."
                )

    def build(self, input_shape: Shape) -> None:
        where = type(self).__name__
        count = channels(where, input_shape, self.axes)
        if count % self.groups:
            raise ShapeError(
                f"{where}: expected input channels that groups={self.groups} divides, got {count} "
                f"(input is {input_shape})."
            )
        self.kernel = self.add("kernel", (*self.kernel_size, self.filters // self.groups, count))
        self._add_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        channels(type(self).__name__, inputs.shape, self.axes)
        y = self.operation(
            inputs,
            self.kernel,
            self.bias,
            self.strides,
            self.padding,
            self.dilation_rate,
            self.groups,
            output_size=self._output_size(inputs.shape[1:-1]),
        )
        return self.activation(y)

    def _output_size(self, size: Shape) -> Shape:
        """Along each axis the size from which a convolution with these settings makes ``size``; of several, Keras's."""
        spans = [d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation_rate, strict=True)]
        least = [(n - 1) * stride for n, stride in zip(size, self.strides, strict=True)]
        if self.padding == "same":
            extra = self.output_padding
            if extra is None:
                return tuple(n * stride for n, stride in zip(size, self.strides, strict=True))
            return tuple(n + span % 2 + e for n, span, e in zip(least, spans, extra, strict=True))
        if self.padding == "valid":
            gaps = tuple(max(stride - span, 0) for stride, span in zip(self.strides, spans, strict=True))
            return tuple(n + span + e for n, span, e in zip(least, spans, self.output_padding or gaps, strict=True))
        pads = resolve_padding(
            type(self).__name__, self.padding, size, self.kernel_size, self.strides, self.dilation_rate
        )
        extra = self.output_padding or (0,) * self.axes
        return tuple(n + span + e - sum(pad) for n, span, e, pad in zip(least, spans, extra, pads, strict=True))

    def describe(self) -> str:
        depth = self.kernel.shape[-1] // self.groups if self.built else None
        maps = "1 feature map, to which" if self.filters == 1 else f"{self.filters} feature maps, to each of which"
        return (
            f"{maps} every number of {self._before(self.groups, depth)} adds a {self._kernel_term()} kernel times that "
            f"number{self._step_term()} (transposed convolution){then(self.activation)}."
        )


class Conv1DTranspose(_ConvTranspose):
    """Transposed convolution of series: (N, W, C) → (N, OW, K).

    Arguments, errors: as `Conv2DTranspose`.
    """

    axes = 1
    operation = staticmethod(ops.conv1d_transpose)


class Conv2DTranspose(_ConvTranspose):
    """Transposed convolution ("deconvolution"): every input number, times the kernel, is added to the output.

    The exact adjoint of the corresponding convolution; it makes images larger by a factor of about ``strides``.

    Shapes: (N, H, W, C) → (N, OH, OW, K); kernel (KH, KW, K/groups, C), bias (K,). With span = dilation · (kernel − 1)
    + 1:

        valid   output = (size − 1) · stride + span + output_padding, which is max(stride − span, 0) unless given
        same    output = size · stride; with output_padding (size − 1) · stride + span mod 2 + output_padding
        pads    output = (size − 1) · stride + span + output_padding − before − after

    Arguments:
        padding: of the corresponding convolution: "valid", "same", a number, or a (before, after) pair for each
            axis.
        output_padding: extra size of the output along each axis, as in these formulas; below the larger of ``strides``
        and ``dilation_rate``.
        groups: the channels are split into this many groups that are convolved separately.
        Others: as `Conv2D`.

    Raises:
        ArgumentError, ShapeError: as `Conv2D`.

    Source: Zeiler et al., "Deconvolutional networks" (2010); Dumoulin, Visin, "A guide to convolution arithmetic for
    deep learning" (2016), chapter 4.
    """

    axes = 2
    operation = staticmethod(ops.conv2d_transpose)


class Conv3DTranspose(_ConvTranspose):
    """Transposed convolution of volumes: (N, D, H, W, C) → (N, OD, OH, OW, K).

    Arguments, errors: as `Conv2DTranspose`.
    """

    axes = 3
    operation = staticmethod(ops.conv3d_transpose)
