"""ONNX Runtime: the PyTorch network written as an ONNX graph, module by module."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from benchmarks.contenders.contender import Contender
from benchmarks.networks.network import Shape
from benchmarks.networks.torch_blocks import Branches, Residual
from benchmarks.workloads import Workload, data

OPSET = 17


class Writer:
    """Collects the nodes and weights of a graph while a module is walked through."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """One node; returns the name of its result."""
        name = f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def weight(self, value: Any) -> str:
        """One constant; returns its name."""
        name = f"weight{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value.detach().contiguous().numpy(), name))
        return name

    def walk(self, part: nn.Module, x: str) -> str:  # noqa: PLR0911, PLR0912 (one case for each kind)
        """The nodes of a module applied to ``x``; returns the name of its result.

        Raises:
            TypeError: there is no translation for this kind of module.
        """
        match part:
            case nn.Sequential():
                for inner in part:
                    x = self.walk(inner, x)
                return x
            case nn.Identity() | nn.Dropout():
                return x
            case Branches():
                return self.add("Concat", *[self.walk(branch, x) for branch in part.branches], axis=1)
            case Residual():
                total = self.add("Add", self.walk(part.main, x), self.walk(part.shortcut, x))
                return self.walk(part.relu, total)
            case nn.Conv2d():
                biases = [] if part.bias is None else [self.weight(part.bias)]
                window = _window(part.kernel_size, part.stride, part.padding)
                return self.add("Conv", x, self.weight(part.weight), *biases, group=part.groups, **window)
            case nn.BatchNorm2d():
                values = (part.weight, part.bias, part.running_mean, part.running_var)
                return self.add("BatchNormalization", x, *map(self.weight, values), epsilon=part.eps)
            case nn.Linear():
                return self.add("Gemm", x, self.weight(part.weight), self.weight(part.bias), transB=1)
            case nn.MaxPool2d():
                window = _window(part.kernel_size, part.stride, part.padding)
                return self.add("MaxPool", x, ceil_mode=int(part.ceil_mode), **window)
            case nn.AvgPool2d():
                window = _window(part.kernel_size, part.stride, part.padding)
                return self.add("AveragePool", x, count_include_pad=int(part.count_include_pad), **window)
            case nn.AdaptiveAvgPool2d(output_size=1):
                return self.add("GlobalAveragePool", x)
            case nn.Flatten():
                return self.add("Flatten", x)
            case nn.ReLU6():
                return self.add("Clip", x, self.weight(torch.tensor(0.0)), self.weight(torch.tensor(6.0)))
            case nn.ReLU() | nn.Tanh():
                return self.add(type(part).__name__.replace("ReLU", "Relu"), x)
        raise TypeError(f"onnx: there is no translation for {type(part).__name__}.")


def as_onnx(network: nn.Module, input_shape: Shape, batch: int) -> bytes:
    """An ONNX file: (N, C, H, W) → probabilities (N, K).

    Raises:
        TypeError: it holds a kind of module that has no translation here.
    """
    height, width, channels = input_shape
    writer = Writer()
    result = writer.add("Softmax", writer.walk(network, "x"), axis=1)
    graph = helper.make_graph(
        writer.nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, channels, height, width])],
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, [batch, None])],
        writer.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def contenders(workload: Workload, base: nn.Module, threads: int) -> list[Contender]:
    """The workload done by ONNX Runtime with all its graph optimisations."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    file = as_onnx(base, workload.net.input_shape, workload.batch)
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    planes = np.ascontiguousarray(data(workload)[0].transpose(0, 3, 1, 2))
    return [Contender("onnxruntime", "", lambda: session.run(None, {"x": planes})[0])]


def _window(kernel: Any, stride: Any, padding: Any) -> dict[str, list[int]]:
    pads = _pair(padding)
    return {"kernel_shape": _pair(kernel), "strides": _pair(stride), "pads": pads + pads}


def _pair(value: Any) -> list[int]:
    return list(value) if isinstance(value, tuple) else [value, value]
