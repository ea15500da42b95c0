"""Settings that a file may write out although they have ONNX's default value.

An operator's function asks for the settings that change what it does. A converter may write others too, with their
default, or that of a later version of the operator. These defaults are listed here; another value is refused.

Source: https://onnx.ai/onnx/operators/
"""

import math
from typing import Any

REDUCTIONS = (
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin"),
    *("ReduceSum", "ReduceSumSquare"),
)
#: The value of each setting where the file does not give it, by operator; not the axis of Softmax, which changed.
DEFAULTS: dict[str, dict[str, Any]] = {
    **{name: {"axis": 0, "keepdims": 1, "select_last_index": 0} for name in ("ArgMax", "ArgMin")},
    "AveragePool": {"auto_pad": "NOTSET", "ceil_mode": 0, "count_include_pad": 0},
    "BatchNormalization": {"epsilon": 1e-5, "momentum": 0.9, "spatial": 1, "training_mode": 0},
    **{name: {"round_mode": "up", "saturate": 1} for name in ("Cast", "CastLike")},
    **{name: {"alpha": 1.0} for name in ("Celu", "Elu", "Swish", "ThresholdedRelu")},
    "Clip": {"max": 3.4028235e38, "min": -3.4028235e38},
    **{name: {"auto_pad": "NOTSET", "group": 1} for name in ("Conv", "ConvInteger", "ConvTranspose", "QLinearConv")},
    **{name: {"mode": "DCR"} for name in ("DepthToSpace", "SpaceToDepth")},
    "DequantizeLinear": {"axis": 1, "block_size": 0, "output_dtype": 0},
    "Dropout": {"ratio": 0.5},
    "Flatten": {"axis": 1},
    **{name: {"axis": 0} for name in ("Gather", "Split")},
    "Gelu": {"approximate": "none"},
    "Gemm": {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0},
    "GlobalLpPool": {"p": 2},
    "GroupNormalization": {"epsilon": 1e-5, "stash_type": 1},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "InstanceNormalization": {"epsilon": 1e-5},
    "LRN": {"alpha": 1e-4, "beta": 0.75, "bias": 1.0},
    "LayerNormalization": {"axis": -1, "epsilon": 1e-5, "stash_type": 1},
    "LeakyRelu": {"alpha": 0.01},
    "LpNormalization": {"axis": -1, "p": 2},
    "LpPool": {"auto_pad": "NOTSET", "ceil_mode": 0, "p": 2},
    "MaxPool": {"auto_pad": "NOTSET", "ceil_mode": 0, "storage_order": 0},
    "MeanVarianceNormalization": {"axes": (0, 2, 3)},
    "Mod": {"fmod": 0},
    "Pad": {"mode": "constant", "value": 0.0},
    "QuantizeLinear": {"axis": 1, "block_size": 0, "output_dtype": 0, "precision": 0, "saturate": 1},
    "Range": {"stash_type": 1},
    **{name: {"keepdims": 1, "noop_with_empty_axes": 0} for name in REDUCTIONS},
    "Reshape": {"allowzero": 0},
    "Resize": {
        "antialias": 0,
        "coordinate_transformation_mode": "half_pixel",
        "cubic_coeff_a": -0.75,
        "exclude_outside": 0,
        "extrapolation_value": 0.0,
        "keep_aspect_ratio_policy": "stretch",
        "mode": "nearest",
        "nearest_mode": "round_prefer_floor",
    },
    "Selu": {"alpha": 1.67326324, "gamma": 1.05070102},
    "Shape": {"start": 0},
    "Shrink": {"bias": 0.0, "lambd": 0.5},
    "Upsample": {"mode": "nearest"},
}


def is_default(operator: str, setting: str, value: Any) -> bool:
    """Whether a setting has the value that it would have if the file did not give it."""
    if setting not in (known := DEFAULTS.get(operator, {})):
        return False
    default = known[setting]
    # Files hold float32; these are the decimal numbers that were meant.
    numbers = isinstance(value, float) and isinstance(default, int | float)
    return math.isclose(default, value, rel_tol=1e-6) if numbers else bool(default == value)
