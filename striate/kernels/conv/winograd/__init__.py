"""Convolution by Winograd's transforms, for 3×3 kernels: `choice` says when, `transforms` how, the rest does it."""

from striate.kernels.conv.winograd.choice import Choice, choices, choose
from striate.kernels.conv.winograd.forward import lower_conv, lower_grad_input
from striate.kernels.conv.winograd.grad_weight import lower_grad_weight

__all__ = ["Choice", "choices", "choose", "lower_conv", "lower_grad_input", "lower_grad_weight"]
