"""Kernels of convolution and its gradients: `lowering` chooses, the other files compute."""

from striate.kernels.conv import grad_weight, lowering

__all__ = ["grad_weight", "lowering"]
