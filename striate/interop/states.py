"""Weights files of PyTorch, safetensors, NumPy and pickle, as the arrays in them; nothing in them is executed."""

import os
from typing import TypeAlias

import numpy as np

from striate.data.npz import MAGIC as NUMPY
from striate.data.npz import read_npy, read_npz
from striate.data.safetensors import read_safetensors
from striate.graph import Array
from striate.interop.refusal import refuse

State: TypeAlias = dict[str, Array]

ZIP = b"PK\x03\x04"
#: How much more than the file the arrays in it may take, packed or expanded as they are.
EXPANSION = 2
SMALL = 32 << 20  # bytes that any file may ask for


def read_state(path: str | os.PathLike[str]) -> State:
    """The arrays of a weights file, under the names and in the layout of that file.

    The format is told by the content, not by the name. float16 and bfloat16 become float32.

    Raises:
        FormatError: the file is none of these, is damaged, or names anything but tensors and plain containers.
        LimitError: it asks for much more memory than it is large.
        FileNotFoundError: there is no such file.
    """
    from striate.data.files import open_regular

    with open_regular(path, "open_model") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(512)
    limit = EXPANSION * size + SMALL
    if head.startswith(ZIP):
        state = read_npz(path, max_bytes=limit)
    elif head.startswith(NUMPY):
        state = {"0": read_npy(path, max_bytes=limit)}
    elif head[8:9] == b"{":
        state = read_safetensors(path)
    else:
        refuse(path, "it is no weights file of PyTorch, safetensors, NumPy or pickle")
    for name, array in state.items():
        if array.dtype == np.float16:
            state[name] = array.astype(np.float32)
    return state
