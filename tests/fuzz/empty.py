"""Files of every format that hold nothing: no arrays, no layers, no nodes, no members; by what they lack.

Python's ``all`` of nothing is true and ``max`` of nothing an error, so these end where no other file does.
"""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

Files = dict[str, bytes]

NONE = np.zeros((0, 3), np.float32)
INPUT = {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 4], "name": "x"}}


def nothing() -> Files:
    """Content from which no format can be told."""
    return {"no bytes": b"", "a zero": b"\0", "blanks": b"  \n"}


def onnx() -> Files:
    from striate.interop.onnx.messages import GraphProto, ModelProto, OperatorSetIdProto, TensorProto
    from tests.attacks.test_onnx import info, ints, model, node

    def file(**graph: Any) -> bytes:
        return ModelProto(
            ir_version=8, opset_import=[OperatorSetIdProto(version=17)], graph=GraphProto(name="net", **graph)
        ).encode()

    def operator(name: str, *inputs: str, **attributes: list[int]) -> bytes:
        settings = [ints(key, *values) for key, values in attributes.items()]
        return model(node(name, inputs, attribute=settings), arrays=[empty, none]).encode()

    empty = TensorProto(name="empty", dims=[0], data_type=7)
    none = TensorProto(name="none", dims=[0, 3], data_type=1)
    x, y = info("x", (1, 4)), info("y", ())
    return {
        "no operators": ModelProto(ir_version=8, graph=GraphProto(name="net")).encode(),
        "no graph": ModelProto(ir_version=8, opset_import=[OperatorSetIdProto(version=17)]).encode(),
        "a graph of nothing": file(),
        "no output": file(input=[x]),
        "no nodes": file(input=[x], output=[y]),
        "an input that is the output": file(input=[x], output=[x]),
        "an output of no numbers": file(output=[info("empty", (0,))], initializer=[empty]),
        "an input of no axes": file(input=[info("x", ())], output=[info("x", ())]),
        "an input of no numbers": file(input=[info("x", (0, 4))], output=[info("x", (0, 4))]),
        "no names": file(input=[info("", (1, 4))], output=[info("", (1, 4))]),
        "a sum of nothing": operator("Sum"),
        "the largest of nothing": operator("Max"),
        "nothing in a row": operator("Concat"),
        "the largest of no numbers": operator("ReduceMax", "none"),
        "a mean over no axes": operator("ReduceMean", "x", axes=[]),
        "a convolution with no weights": operator("Conv", "x", "none"),
        "a convolution of no axes": operator("Conv", "x", "none", kernel_shape=[], strides=[], pads=[]),
        "a window of no axes": operator("MaxPool", "x", kernel_shape=[]),
        "no parts": operator("Split", "x", "empty"),
        "no scales": operator("Resize", "x", "", "empty"),
        "no sizes": operator("Resize", "x", "", "", "empty"),
        "scales of none": operator("Upsample", "x", "empty"),
        "no repeats": operator("Tile", "x", "empty"),
        "no places": operator("Gather", "x", "empty"),
        "a shape of no axes": operator("Reshape", "x", "empty"),
        "no order": operator("Transpose", "x", perm=[]),
        "a product with nothing": operator("MatMul", "x", "none"),
        "the place of the largest of none": operator("ArgMax", "none"),
    }


def weights() -> Files:
    import torch

    def saved(tree: Any, *, legacy: bool = False) -> bytes:
        file = io.BytesIO()
        torch.save(tree, file, _use_new_zipfile_serialization=not legacy)
        return file.getvalue()

    tensors = {"fc.weight": torch.zeros(0, 3), "fc.bias": torch.zeros(0)}
    none = {"dtype": "F32", "shape": [0, 3], "data_offsets": [0, 0]}
    return {
        "safetensors of no arrays": _safetensors({}),
        "safetensors of texts alone": _safetensors({"__metadata__": {"format": "pt"}}),
        "safetensors of empty arrays": _safetensors({"fc.weight": none}),
        "safetensors without a name": _safetensors({"": none}),
        "a ZIP archive of nothing": _archive({}),
        "an array of no bytes": _archive({"a.npy": b""}),
        "an array without a name": _archive({".npy": _npy(NONE)}),
        "an archive of empty arrays": _archive({"a.npy": _npy(NONE)}),
        "an array of no numbers": _npy(NONE),
        "an array of no axes": _npy(np.float32(3)),
        "PyTorch's archive with no pickle": _archive({"archive/data.pkl": b""}),
        "PyTorch's archive of nothing": _archive({"archive/data.pkl": pickle.dumps({}, 2)}),
        **{f"PyTorch's {tree}": saved(tree) for tree in ({}, [], None, {"state_dict": {}}, {"model": [], "epoch": 0})},
        "PyTorch's empty tensors": saved(tensors),
        "PyTorch's {}, old form": saved({}, legacy=True),
        "PyTorch's empty tensors, old form": saved(tensors, legacy=True),
        **{
            f"pickle {protocol} of {tree}": pickle.dumps(tree, protocol)
            for protocol in (0, 2, 4)
            for tree in ({}, [], (), {"a": []})
        },
        "a pickle of an empty array": pickle.dumps([NONE], 4),
    }


def keras() -> Files:
    import h5py

    def hdf5(fill: Callable[[Any], None] = lambda file: None) -> bytes:
        content = io.BytesIO()
        with h5py.File(content, "w") as file:
            fill(file)
        return content.getvalue()

    def model(config: Any) -> Callable[[Any], None]:
        def fill(file: Any) -> None:
            file.attrs["model_config"] = json.dumps(config)
            file.create_group("model_weights").attrs["layer_names"] = np.array([], "S1")

        return fill

    def archive(config: Any) -> bytes:
        metadata = json.dumps({"keras_version": "3.12.0"}).encode()
        return _archive(
            {"metadata.json": metadata, "config.json": json.dumps(config).encode(), "model.weights.h5": hdf5()}
        )

    configs = {f"of {name}": config for name, config in _networks().items()} | {"of {}": {}, "of null": None}
    return {
        **{f"a .keras {name}": archive(config) for name, config in configs.items()},
        **{f"an .h5 {name}": hdf5(model(config)) for name, config in configs.items()},
        "a .keras of empty files": _archive({"metadata.json": b"", "config.json": b"", "model.weights.h5": b""}),
        "an .h5 of nothing": hdf5(),
        "an .h5 of an empty array": hdf5(lambda file: file.create_dataset("a", data=NONE)),
        "an .h5 of no array": hdf5(lambda file: file.create_dataset("a", data=h5py.Empty("f"))),
        "an .h5 of empty groups": hdf5(lambda file: file.create_group("model_weights").create_group("a")),
        "an .h5 whose model is not text": hdf5(lambda file: file.attrs.update({"model_config": h5py.Empty("f")})),
    }


def tensorflowjs() -> Files:
    def file(config: Any, manifest: Any) -> bytes:
        return json.dumps({"modelTopology": {"model_config": config}, "weightsManifest": manifest}).encode()

    networks = _networks().items()
    return {
        "an object of nothing": b"{}",
        "a topology of null": b'{"modelTopology": null, "weightsManifest": null}',
        "no model": b'{"modelTopology": {}, "weightsManifest": []}',
        **{f"{name}, no shards": file(config, []) for name, config in networks},
        **{f"{name}, a shard of nothing": file(config, [{"paths": [], "weights": []}]) for name, config in networks},
        **{f"{name}, an empty manifest": file(config, [{}]) for name, config in networks},
    }


def striate() -> Files:
    def file(**description: Any) -> bytes:
        return _safetensors({"__metadata__": {"striate": json.dumps({"version": 1, **description})}})

    def model(kind: str, **config: Any) -> bytes:
        return file(model={"class_name": kind, "config": {"name": "net", "layers": [], **config}})

    return {
        "a description of nothing": _safetensors({"__metadata__": {"striate": ""}}),
        "no model": file(),
        "a model of null": file(model=None),
        "a model of nothing": file(model={}),
        "a network of no nodes": model("Model", nodes=[], inputs=[], outputs=[]),
        "a network of no names": model("Model", nodes=[], inputs={}, outputs={}),
        "a stack of no layers": model("Sequential"),
        "a stack of an input": model(
            "Sequential", layers=[{"class_name": "InputLayer", "config": {"shape": [4], "name": "x"}}]
        ),
    }


#: By the names of the readers in `seeds`.
EMPTY: dict[str, Callable[[], Files]] = {
    "nothing": nothing,
    "onnx": onnx,
    "weights": weights,
    "keras": keras,
    "tensorflowjs": tensorflowjs,
    "striate": striate,
}


def _networks() -> dict[str, Any]:
    """Keras's descriptions of networks with no layers, or none but an input."""
    ends: dict[str, Any] = {"input_layers": [], "output_layers": []}
    node = {"name": "x", "inbound_nodes": [], **INPUT}
    return {
        "a graph of nothing": {"class_name": "Functional", "config": {"name": "net", "layers": [], **ends}},
        "a graph without ends": {"class_name": "Functional", "config": {"name": "net", "layers": [node], **ends}},
        "a graph without an output": {
            "class_name": "Functional",
            "config": {"name": "net", "layers": [node], **ends, "input_layers": [["x", 0, 0]]},
        },
        "a stack of nothing": {"class_name": "Sequential", "config": {"name": "net", "layers": []}},
        "a stack of an input": {"class_name": "Sequential", "config": {"name": "net", "layers": [INPUT]}},
    }


def _safetensors(header: Any) -> bytes:
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _archive(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()
