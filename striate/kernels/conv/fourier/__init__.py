"""Convolution by Fourier transforms, for large kernels: what is a sum over taps becomes one product for each frequency.

    y = F⁻¹(F(x) · conj F(w))        grad_weight = F⁻¹(Σ over tiles of F(x) · conj F(g))

`tiling` says how the work is cut and when it pays, `transforms` is F, and the rest computes.

Source: J. W. Cooley, J. W. Tukey, An algorithm for the machine calculation of complex Fourier series, 1965.
"""

from striate.kernels.conv.fourier.forward import launch
from striate.kernels.conv.fourier.grad_weight import launch_grad_weight
from striate.kernels.conv.fourier.tiling import Tiling, choose, fastest

__all__ = ["Tiling", "choose", "fastest", "launch", "launch_grad_weight"]
