"""What the names in a pickle stand for: functions of ours, and tensors and arrays that have not been read yet.

Arguments come from the file; whatever is not exactly what PyTorch and NumPy write is a ValueError.
"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from striate.data.safetensors import MAX_ELEMENTS, MAX_RANK, from_bfloat16
from striate.graph import Array, Shape

MAX_KEY = 1024  # characters of a dictionary's key


@dataclass(frozen=True)
class Constructor:
    """A name that may be called: what makes the value from the tuple of arguments."""

    make: Callable[[tuple[Any, ...]], Any]


@dataclass(frozen=True)
class Marker:
    """A name that may only be an argument."""

    name: str


@dataclass(frozen=True)
class ElementType:
    """The type of a storage's or tensor's elements: ``code`` as in NumPy without byte order; bfloat16 is "bf16"."""

    code: str

    @property
    def itemsize(self) -> int:
        """Bytes of an element in the file."""
        return 2 if self.code == "bf16" else np.dtype(self.code).itemsize

    def stored(self, content: bytearray, order: str) -> Array:
        """The elements as they are in the file; ``order`` is "<" or ">"."""
        code = "u2" if self.code == "bf16" else self.code
        return np.ndarray((len(content) // self.itemsize,), order + code, buffer=content)

    def numbers(self, stored: Array) -> Array:
        """The same in this machine's own types; copied only where necessary."""
        return from_bfloat16(stored) if self.code == "bf16" else np.asarray(stored, self.code, order="C")


@dataclass(frozen=True)
class Storage:
    """A block of elements outside the pickle, and what gives its bytes and their order."""

    type: ElementType
    key: str
    count: int
    content: Callable[["Storage"], tuple[bytearray, str]]

    @property
    def nbytes(self) -> int:
        """What it takes in the file."""
        return self.count * self.type.itemsize


@dataclass(frozen=True)
class Tensor:
    """A view of a storage."""

    storage: Storage
    type: ElementType
    offset: int
    shape: Shape
    strides: Shape

    @property
    def nbytes(self) -> int:
        """What its numbers take in memory."""
        return math.prod(self.shape) * (4 if self.type.code == "bf16" else self.type.itemsize)

    def array(self) -> Array:
        """Its numbers; a view of the storage where they lie one after another."""
        if 0 in self.shape:
            return self.type.numbers(self.type.stored(bytearray(), "=").reshape(self.shape))
        # Only the tensor's own elements are converted: many tensors may share a storage.
        stored = self.type.stored(*self.storage.content(self.storage))[self.offset :]
        strides = [n * stored.itemsize if length > 1 else 0 for length, n in zip(self.shape, self.strides, strict=True)]
        return self.type.numbers(np.lib.stride_tricks.as_strided(stored, self.shape, strides))


class ArrayType:
    """A type of NumPy's, whose byte order comes after it."""

    def __init__(self, code: str):
        self.code, self.order = code, "="

    @property
    def dtype(self) -> np.dtype[Any]:
        """The same for NumPy."""
        return np.dtype(self.code).newbyteorder(self.order)  # type: ignore[arg-type]


class PickledArray:
    """An array of NumPy's, whose content may come after it; text stands for bytes, one for each character."""

    def __init__(self) -> None:
        self.set(b"", ArrayType("f8"), (0,), "C")

    def set(self, content: bytes | bytearray | str, kind: ArrayType, shape: Shape, order: Literal["C", "F"]) -> None:
        """Give it its content.

        Raises:
            ValueError: the content is not as long as the shape says.
        """
        self.content, self.dtype, self.shape, self.order = content, kind.dtype, shape, order
        expected = math.prod(_shape(shape)) * self.dtype.itemsize
        if len(content) != expected:
            raise ValueError(
                f"expected {expected:,} bytes for an array of shape {shape} of {self.dtype}, got {len(content):,}"
            )

    @property
    def nbytes(self) -> int:
        """What its numbers take in memory."""
        return len(self.content)

    def array(self) -> Array:
        """Its numbers."""
        content = bytearray(self.content, "latin-1") if isinstance(self.content, str) else self.content
        flat = np.frombuffer(content, self.dtype).astype(self.dtype.newbyteorder("="), copy=False)
        return flat.reshape(self.shape, order=self.order)


#: What arrays are before they are read.
Leaf = Tensor | PickledArray


def set_state(value: Any, state: Any) -> None:
    """What BUILD does to the values it may follow.

    Raises:
        ValueError: anything else.
    """
    match value, state:
        case dict(), dict():
            pass  # the attributes of an OrderedDict, where PyTorch keeps versions
        case ArrayType(), (3, "<" | ">" | "|" | "=" as order, None, None, None, int(), int(), int()):
            value.order = order
        case PickledArray(), (
            1,
            tuple() as shape,
            ArrayType() as dtype,
            bool() as fortran,
            bytearray() | str() as content,
        ):
            value.set(content, dtype, shape, "F" if fortran else "C")
        case _:
            raise ValueError("expected the state of an array of numbers or of an OrderedDict")


def fill(target: dict[Any, Any], pairs: Iterable[Any]) -> dict[Any, Any]:
    """Add keys and values to a dictionary.

    Raises:
        ValueError: a key is neither text nor an integer; other keys could nest endlessly, or share one hash.
    """
    for key, value in pairs:
        is_name = type(key) is str and len(key) <= MAX_KEY
        if not is_name and not (type(key) in (int, bool) and abs(key) < 1 << 63):
            raise ValueError(f"expected integers or texts of up to {MAX_KEY} characters as keys")
        target[key] = value
    return target


def storage(reference: Any, content: Callable[[Storage], tuple[bytearray, str]]) -> Storage:
    """The storage outside a PyTorch pickle to which the pickle refers.

    Arguments:
        reference: what the pickle says.
        content: as in `Storage`.

    Raises:
        ValueError: it is not a reference to a storage.
    """
    match reference:
        case ("storage", ElementType() as kind, str() as key, str(), int() as count, *rest) if count >= 0 and rest in (
            [], [None]
        ):  # fmt: skip
            return Storage(kind, key, count, content)
    raise ValueError("expected a reference to a storage of numbers")


def _shape(lengths: tuple[Any, ...]) -> Shape:
    if not all(type(length) is int and length >= 0 for length in lengths) or len(lengths) > MAX_RANK:
        raise ValueError(f"expected at most {MAX_RANK} lengths of 0 or more")
    if math.prod(max(length, 1) for length in lengths) > MAX_ELEMENTS:
        raise ValueError(f"expected at most {MAX_ELEMENTS:,} elements")
    return lengths


def _tensor(arguments: tuple[Any, ...]) -> Tensor:
    match arguments:
        case (Storage() as block, int() as offset, tuple() as shape, tuple() as strides, *rest):
            kind = next((value for value in rest if isinstance(value, ElementType)), block.type)
        case _:
            raise ValueError("expected a storage, an offset, a shape and strides")
    if len(_shape(shape)) != len(strides) or not all(type(stride) is int and stride >= 0 for stride in strides):
        raise ValueError(f"expected {len(shape)} strides of 0 or more")
    count = block.count * block.type.itemsize // kind.itemsize
    last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    if offset < 0 or (0 not in shape and last >= count):
        raise ValueError(f"expected a tensor within its storage of {count:,} elements, it reaches {last:,}")
    return Tensor(block, kind, offset, shape, strides)


def _parameter(arguments: tuple[Any, ...]) -> Tensor:
    match arguments:
        case (Tensor() as tensor, bool(), *_):
            return tensor
    raise ValueError("expected a tensor")


def _dictionary(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    match arguments:
        case ():
            return {}
        case (dict() as entries,):
            return dict(entries)
        case (list() as pairs,) if all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
            return fill({}, pairs)  # Python 2 wrote an OrderedDict so
    raise ValueError("expected pairs of names and values")


def _array_type(arguments: tuple[Any, ...]) -> ArrayType:
    match arguments:
        case (str() as code, bool() | int(), bool() | int()) if ARRAY_TYPES.fullmatch(code):
            return ArrayType(code)
        case (str() as code, *_):
            raise ValueError(f"expected a type of numbers, got {code[:40]!r}")
    raise ValueError("expected a type of numbers")


def _array_to_come(arguments: tuple[Any, ...]) -> PickledArray:
    match arguments:
        case (Marker("numpy.ndarray"), (0,), _):
            return PickledArray()
    raise ValueError("expected an array without content")


def _array(content: bytearray | str, kind: ArrayType, shape: Shape, order: Literal["C", "F"]) -> PickledArray:
    array = PickledArray()
    array.set(content, kind, shape, order)
    return array


def _array_of_bytes(arguments: tuple[Any, ...]) -> PickledArray:
    match arguments:
        case (bytearray() as content, ArrayType() as dtype, tuple() as shape, "C" | "F" as order):
            return _array(content, dtype, shape, order)
    raise ValueError("expected bytes, a type, a shape and an order")


def _scalar(arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (ArrayType() as dtype, bytearray() | str() as content):
            return _array(content, dtype, (), "C").array().item()
    raise ValueError("expected a type and bytes")


def _bytes(arguments: tuple[Any, ...]) -> str | bytearray:
    match arguments:
        case (str() as text, "latin1" | "latin-1"):
            return text  # turned into bytes only where an array is made of it
        case ():
            return bytearray()
    raise ValueError("expected text in latin1")


def _size(arguments: tuple[Any, ...]) -> Shape:
    match arguments:
        case (tuple() as lengths,):
            return _shape(lengths)
    raise ValueError("expected a tuple of lengths")


def _device(arguments: tuple[Any, ...]) -> str:
    match arguments:
        case (str() as name, *_):
            return name
    raise ValueError("expected the name of a device")


ARRAY_TYPES = re.compile("b1|[iu][1248]|f[248]|c8|c16")
TENSOR_TYPES = {
    "Float": "f4", "Double": "f8", "Half": "f2", "BFloat16": "bf16", "Long": "i8", "Int": "i4", "Short": "i2",
    "Char": "i1", "Byte": "u1", "Bool": "b1", "ComplexFloat": "c8", "ComplexDouble": "c16",
}  # fmt: skip
DTYPES = {
    "float32": "f4", "float64": "f8", "float16": "f2", "bfloat16": "bf16", "int64": "i8", "int32": "i4",
    "int16": "i2", "int8": "i1", "uint8": "u1", "uint16": "u2", "uint32": "u4", "uint64": "u8", "bool": "b1",
    "complex64": "c8", "complex128": "c16",
}  # fmt: skip
CORES = ("numpy.core", "numpy._core")  # before and since NumPy 2

#: Every name that a pickle may hold.
NAMES: dict[str, Constructor | Marker | ElementType] = {
    "collections.OrderedDict": Constructor(_dictionary),
    "collections.Counter": Constructor(_dictionary),
    "torch._utils._rebuild_tensor": Constructor(_tensor),
    "torch._utils._rebuild_tensor_v2": Constructor(_tensor),
    "torch._utils._rebuild_tensor_v3": Constructor(_tensor),
    "torch._utils._rebuild_parameter": Constructor(_parameter),
    "torch.Size": Constructor(_size),
    "torch.device": Constructor(_device),
    "torch.storage.UntypedStorage": ElementType("u1"),
    **{f"torch.{name}Storage": ElementType(code) for name, code in TENSOR_TYPES.items()},
    **{f"torch.{name}": ElementType(code) for name, code in DTYPES.items()},
    "numpy.ndarray": Marker("numpy.ndarray"),
    "numpy.dtype": Constructor(_array_type),
    **{f"{core}.multiarray._reconstruct": Constructor(_array_to_come) for core in CORES},
    **{f"{core}.multiarray.scalar": Constructor(_scalar) for core in CORES},
    **{f"{core}.numeric._frombuffer": Constructor(_array_of_bytes) for core in CORES},
    "_codecs.encode": Constructor(_bytes),
    "__builtin__.bytes": Constructor(_bytes),
}
