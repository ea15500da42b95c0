"""Reverse-mode differentiation of a graph: each operation's rule adds the nodes of its gradient."""

from collections.abc import Callable, Sequence

import numpy as np

from striate.errors import ShapeError
from striate.graph.graph import topological_order
from striate.graph.tensor import ARITHMETIC, Node, Tensor


def gradients(
    output: Tensor,
    wrt: Sequence[Tensor],
    grad_output: Tensor | None = None,
    watch: Callable[[Node, Tensor, Sequence[Tensor | None]], None] | None = None,
) -> list[Tensor | None]:
    """The gradient of ``output`` with respect to each tensor of ``wrt``, as new tensors of the graph.

    Walks from the output back to the inputs once; where a tensor was used several times its gradients are added.
    First order only: what this returns cannot be differentiated again.

    Arguments:
        output: a scalar, or any tensor if ``grad_output`` is given.
        wrt: tensors to differentiate with respect to.
        grad_output: gradient of some later scalar with respect to ``output``, of the same shape; default 1.
        watch: is told of each node, the gradient with respect to its output, and what follows from it for each input.

    Returns:
        One tensor per tensor of ``wrt``, of the same shape; None where the output does not depend on it.

    Raises:
        ShapeError: ``output`` is not a scalar and ``grad_output`` is not given, or has another shape.

    Source: Griewank, Walther, "Evaluating Derivatives", 2nd ed. (2008), chapter 3.
    """
    if grad_output is None:
        if output.shape != ():
            raise ShapeError(f"gradients: expected a scalar output, got shape {output.shape}; give grad_output too.")
        grad_output = Tensor.constant(np.ones((), output.dtype))
    if grad_output.shape != output.shape:
        raise ShapeError(f"gradients: expected grad_output of shape {output.shape}, got {grad_output.shape}.")

    order = topological_order([output])
    reaches = set(wrt)  # the tensors through which some tensor of wrt influences the output
    for node in order:
        if any(tensor in reaches for tensor in node.inputs):
            reaches.update(node.outputs)

    total: dict[Tensor, Tensor] = {output: grad_output}
    for node in reversed(order):
        if node.output not in total or node.output not in reaches:
            continue
        contributions = node.operation.gradient(node, total[node.output])
        if watch is not None:
            watch(node, total[node.output], contributions)
        for tensor, contribution in zip(node.inputs, contributions, strict=True):
            if contribution is not None and tensor in reaches:
                total[tensor] = ARITHMETIC["add"](total[tensor], contribution) if tensor in total else contribution
    return [total.get(tensor) for tensor in wrt]
