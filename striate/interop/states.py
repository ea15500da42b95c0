"""Weights files of PyTorch, safetensors, NumPy and pickle, as the arrays in them; nothing in them is executed."""

import os
from collections.abc import Iterator
from io import BufferedReader
from typing import Any, TypeAlias

import numpy as np

from striate.data.archives import open_archive
from striate.data.files import open_regular
from striate.data.npz import MAGIC as NUMPY
from striate.data.npz import read_npy, read_npz
from striate.data.safetensors import read_safetensors
from striate.graph import Array
from striate.interop import torch_files
from striate.interop.pickled import Leaf
from striate.interop.pickles import HIGHEST_PROTOCOL, MAX_STEPS, unpickle
from striate.interop.refusal import refuse, refuse_size

State: TypeAlias = dict[str, Array]

ZIP = (b"PK\x03\x04", b"PK\x05\x06")
#: How pickles begin: with a protocol; before there were any, with a mark, a container, or a name.
PICKLES = (*(bytes([0x80, protocol]) for protocol in range(2, HIGHEST_PROTOCOL + 1)), b"(", b"]", b"}", b"c")
SAFETENSORS = b"\0\0\0{"  # the end of the header's length, and its beginning
TAR = (257, b"ustar")  # position and bytes
#: How many times the file's size the arrays in it may take, unpacked, expanded and as float32.
EXPANSION = 2
ALLOWANCE = 32 << 20  # bytes that any file may ask for beyond that
MAX_ARRAYS = 1 << 16
MAX_NAME = 512
MAX_DEPTH = 32
#: Entries of a checkpoint under which there is the network's state.
STATES = ("state_dict", "model_state_dict", "model_state", "model", "net", "network")
#: What wrappers put before the names: DataParallel and torch.compile.
WRAPPERS = ("module.", "_orig_mod.")


def read_state(path: str | os.PathLike[str]) -> State:
    """The arrays of a weights file, under the names and in the layout of that file.

    The format is told by the content, not by the file's name: what ``torch.save`` writes (state dictionaries,
    checkpoints), safetensors, NumPy's ``.npz`` and ``.npy``, and pickles of NumPy's arrays in lists, tuples and
    dictionaries. Names of nested entries are joined with dots; positions in lists count from 0. Of a checkpoint only
    the network's state is read: the entry named as in `STATES`, if that is a dictionary. The prefixes that
    ``DataParallel`` and ``torch.compile`` put before all names are removed. float16 and bfloat16 become float32.

    Raises:
        FormatError: the file is none of these, is damaged, or names anything but tensors and plain containers.
        LimitError: it asks for much more memory than its own size.
        FileNotFoundError: there is no such file.
    """
    with open_regular(path, "open_model") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(TAR[0] + len(TAR[1]))
        file.seek(0)
        limit = EXPANSION * size + ALLOWANCE
        if head.startswith(ZIP):
            state = _zip(path, file, limit)
        elif head.startswith(NUMPY):
            state = {"0": read_npy(path, max_bytes=limit)}
        elif head[5:9] == SAFETENSORS:
            state = read_safetensors(path)
        elif torch_files.MAGIC.match(head):
            state = _arrays(path, torch_files.read_legacy(path, file), limit)
        elif head.startswith(PICKLES):
            tree = unpickle(file, size, path)
            if file.tell() != size:
                refuse(path, f"expected one pickle, something follows it at byte {file.tell():,}")
            state = _arrays(path, tree, limit)
        elif head[TAR[0] :] == TAR[1]:
            refuse(path, "it is a tar archive, as PyTorch wrote before 2017; load it with PyTorch and save it again")
        else:
            refuse(
                path,
                "it is of none of the supported formats, which are ONNX, Keras (.keras, .h5), TensorFlow.js "
                "(model.json), PyTorch (.pth, .pt), safetensors, NumPy (.npz, .npy) and pickled arrays; it begins "
                f"with {head[:8]!r}",
            )
    if not state:
        refuse(path, "it holds no arrays")
    while wrapper := next((w for w in WRAPPERS if all(name.startswith(w) for name in state)), None):
        state = {name.removeprefix(wrapper): array for name, array in state.items()}
    for name, array in state.items():
        if array.dtype == np.float16:
            state[name] = array.astype(np.float32)
    return state


def _zip(path: str | os.PathLike[str], file: BufferedReader, limit: int) -> State:
    with open_archive(file, f"open_model: cannot open {path}", limit) as archive:
        if any(name.endswith(torch_files.DATA) for name in archive):
            return _arrays(path, torch_files.read_zip(path, archive), limit)
        if not archive or not all(name.endswith(".npy") for name in archive):
            refuse(path, "it is a ZIP archive without PyTorch's data.pkl or NumPy's arrays")
    return read_npz(path, max_bytes=limit)


def _arrays(path: str | os.PathLike[str], tree: Any, limit: int) -> State:
    """The arrays in a tree; tensors and arrays of NumPy are read only now."""
    leaves: dict[str, Leaf] = {}
    total = 0
    for name, leaf in _leaves(path, _network(tree)):
        if name in leaves:
            refuse(path, f"two arrays are called {name!r}")
        leaves[name] = leaf
        total += leaf.nbytes
        if len(leaves) > MAX_ARRAYS or total > limit:
            refuse_size(
                path,
                f"expected at most {MAX_ARRAYS:,} arrays of {limit:,} bytes together, got {len(leaves):,} of {total:,} "
                "or more",
            )
    try:
        return {name: leaf.array() for name, leaf in leaves.items()}
    except UnicodeEncodeError as error:
        refuse(path, f"an array's content is text that does not encode bytes: {error}")


def _network(tree: Any) -> Any:
    """The part of a checkpoint that holds the network's state."""
    for _ in range(MAX_DEPTH):
        inner = [tree[name] for name in STATES if isinstance(tree, dict) and isinstance(tree.get(name), dict)]
        if not inner:
            break
        tree = inner[0]
    return tree


def _leaves(path: str | os.PathLike[str], tree: Any) -> Iterator[tuple[str, Leaf]]:
    """Names and arrays in nested containers; a container that is shared is walked each time, but not endlessly."""
    visited = 0

    def walk(name: str, depth: int, value: Any) -> Iterator[tuple[str, Leaf]]:
        nonlocal visited
        visited += 1
        if visited > MAX_STEPS:
            refuse_size(path, f"expected at most {MAX_STEPS:,} values")
        if depth > MAX_DEPTH:
            refuse(path, f"its containers are nested more than {MAX_DEPTH} deep, or contain themselves")
        if len(name) > MAX_NAME or not name.isprintable():
            refuse(path, f"expected names of up to {MAX_NAME} printable characters, got {name[:80]!r}")
        if isinstance(value, Leaf):
            yield name or "0", value
        elif isinstance(value, dict | list | tuple):
            for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
                yield from walk(f"{name}.{key}" if depth else str(key), depth + 1, inner)

    return walk("", 0, tree)
