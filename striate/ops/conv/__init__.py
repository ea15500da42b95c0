"""Convolution in 1, 2 and 3 dimensions, and the two operations that are its gradients."""

from striate.ops.conv.op import (
    CONV,
    CONV_GRAD_INPUT,
    CONV_GRAD_WEIGHT,
    conv1d,
    conv1d_transpose,
    conv2d,
    conv2d_transpose,
    conv3d,
    conv3d_transpose,
    depthwise_conv1d,
    depthwise_conv2d,
)

__all__ = [
    "CONV",
    "CONV_GRAD_INPUT",
    "CONV_GRAD_WEIGHT",
    "conv1d",
    "conv1d_transpose",
    "conv2d",
    "conv2d_transpose",
    "conv3d",
    "conv3d_transpose",
    "depthwise_conv1d",
    "depthwise_conv2d",
]
