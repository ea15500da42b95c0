"""R3: files with random damage are opened or refused, soon, and nothing else."""

import copy
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

h5py = pytest.importorskip("h5py")

from striate.errors import FormatError  # noqa: E402
from striate.interop.hdf5 import parse_hdf5  # noqa: E402
from striate.interop.hdf5.source import granted_to  # noqa: E402
from striate.interop.keras import read_keras  # noqa: E402
from striate.interop.tensorflowjs import read_tensorflowjs  # noqa: E402
from tests.interop.keras_files import DENSE, archive, graph, layer, on, row, weights_of  # noqa: E402
from tests.interop.test_hdf5 import NEW_SMALL, SMALL, file_with  # noqa: E402
from tests.interop.test_tensorflowjs import write  # noqa: E402

#: By hand, and for longer: STRIATE_FUZZ=100000 pytest tests/interop/test_keras_fuzzing.py
EXAMPLES = int(os.environ.get("STRIATE_FUZZ", "300"))
fuzzing = settings(max_examples=EXAMPLES, deadline=2000, database=None)


def named(file: Any) -> None:
    file.attrs["layer_names"] = ["conv", "dense"]
    file.attrs["weight_names"] = [b"kernel:0", b"bias:0"]
    file["conv/kernel:0"] = np.ones((2, 3), ">f4")
    file["flag"] = True


def opened_or_refused(read: Callable[[], Any], where: Any) -> None:
    """Any other error than ours goes through."""
    message = ""
    try:
        read()
    except FormatError as error:
        message = str(error)
    assert not message or message.startswith(f"open_model: cannot open {where}")


HDF5 = [SMALL, NEW_SMALL, file_with(named), file_with(named, ("v108", "v108"))]


@fuzzing
@given(data=st.data())
def test_R3_hdf5_with_random_damage(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(HDF5)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["bytes", "number", "piece", "end"]))
        if kind == "bytes":
            content[place : place + 1] = data.draw(st.binary(min_size=1, max_size=1))
        elif kind == "number":
            number = data.draw(st.integers(0, 2**64 - 1) | st.integers(0, len(content)))
            content[place : place + 8] = number.to_bytes(8, "little")
        elif kind == "piece":
            source = data.draw(st.integers(0, len(content) - 1))
            content[place : place + 24] = content[source : source + 24]
        else:
            del content[max(place, 8) :]

    def read() -> None:
        for array in parse_hdf5(bytes(content), "memory", granted_to(len(content))).walk():
            assert array.read().shape == array.shape

    opened_or_refused(read, "memory: HDF5")


# Descriptions

VALUES = st.sampled_from([
    None, True, 0, 1, -1, 3, 1 << 40, 0.5, 1e300, "", "x", "relu", "same", [], [1, 2], [None, 4], ["x", 0, 0], {},
    {"class_name": "ReLU", "config": {}}, "Conv2D", "Add",
])  # fmt: skip

NETWORKS = [
    row(layer("Dense", units=2, activation="relu", kernel_initializer={"class_name": "Zeros", "config": {}})),
    row(
        layer("Conv2D", filters=2, kernel_size=[2, 2], strides=[1, 1], padding="same", data_format="channels_last"),
        layer("BatchNormalization", axis=-1, epsilon=0.001),
        layer("MaxPooling2D", pool_size=[2, 2]),
        layer("Flatten"),
        shape=(None, 4, 4, 2),
    ),
    graph(
        (row(layer("Dense", units=4)), [on("x"), on("row", 0)]),
        (layer("Subtract", name="last"), [{"args": [on("x")["args"] + on("row")["args"]], "kwargs": {"mask": None}}]),
        outputs=[["last", 0, 0], ["row", 1, 0]],
    ),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to everything in a description."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in places(item, (*path, key)))]


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def damaged(data: st.DataObject, description: Any) -> Any:
    """The description with something left out, moved or replaced."""
    description = copy.deepcopy(description)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(description)[1:] or [()]))
        if not path:
            break
        around = at(description, path[:-1])
        kind = data.draw(st.sampled_from(["left out", "moved", "replaced"]))
        if kind == "left out":
            del around[path[-1]]
        elif kind == "moved":
            around[path[-1]] = copy.deepcopy(at(description, data.draw(st.sampled_from(places(description)))))
        else:
            around[path[-1]] = copy.deepcopy(data.draw(VALUES))
    return description


@fuzzing
@given(data=st.data())
def test_R3_keras_configurations_with_random_damage(data: st.DataObject) -> None:
    config = damaged(data, data.draw(st.sampled_from(NETWORKS)))
    with tempfile.TemporaryDirectory() as folder:
        path = archive(Path(folder, "m.keras"), config, weights_of(dense=DENSE))
        opened_or_refused(lambda: read_keras(path), path)


@fuzzing
@given(data=st.data())
def test_R3_tensorflowjs_with_random_damage(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder))
        path.write_text(json.dumps(damaged(data, json.loads(path.read_text()))))
        opened_or_refused(lambda: read_tensorflowjs(path), path)
