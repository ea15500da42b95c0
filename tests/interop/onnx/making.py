"""ONNX models made by ONNX's own library."""

from typing import Any

import numpy as np


def onnx_model(nodes: list[Any], inputs: dict[str, Any], outputs: list[str], constants: Any = None, opset: int = 17):
    """A model; inputs are (dtype, shape) by name, constants arrays by name, output types are left to inference."""
    import onnx
    from onnx import helper, numpy_helper

    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
        for name, (dtype, shape) in inputs.items()
    ]
    ends = [onnx.ValueInfoProto(name=name) for name in outputs]
    made = [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()]
    graph = helper.make_graph(nodes, "net", infos, ends, made)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    inferred = onnx.shape_inference.infer_shapes(model)
    for end, info in zip(model.graph.output, outputs, strict=True):
        found = next((v for v in [*inferred.graph.value_info, *inferred.graph.output] if v.name == info), None)
        assert found is not None
        assert found.type.WhichOneof("value"), f"ONNX does not say what {info} is"
        end.CopyFrom(found)
    onnx.checker.check_model(model)
    return model


def runtime(model: Any, arrays: dict[str, Any]) -> list[Any]:
    """What ONNX Runtime makes of it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, arrays)
