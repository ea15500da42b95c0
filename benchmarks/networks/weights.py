"""The same weights on both sides."""

from torch import nn

from striate.errors import ModelError
from striate.interop.weights import assign
from striate.models import Model


def copy_weights(module: nn.Module, model: Model) -> None:
    """Give a Striate model the weights of its PyTorch twin, whose layers come in the same order.

    Raises:
        ModelError: the two have another count of layers.
        FormatError: a layer's twin is of another kind or size.
    """
    parts = [part for part in module.modules() if isinstance(part, nn.Conv2d | nn.Linear | nn.BatchNorm2d)]
    own = [layer for layer in model.layers if layer.weights]
    if len(parts) != len(own):
        raise ModelError(
            f"copy_weights: expected {len(own)} layers with weights as {model.name} has, got {len(parts)}."
        )
    pairs = zip(parts, own, strict=True)
    assign(
        model,
        {f"{layer.name}.{name}": value.numpy() for part, layer in pairs for name, value in part.state_dict().items()},
        type(module).__name__,
    )
