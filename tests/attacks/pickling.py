"""Writes pickles opcode by opcode, and puts them into the files in which people get them."""

import io
import struct
import zipfile


def text(value: str) -> bytes:
    """BINUNICODE."""
    content = value.encode()
    return b"X" + struct.pack("<I", len(content)) + content


def whole(value: int) -> bytes:
    """LONG1."""
    content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(content)]) + content


def content(value: bytes) -> bytes:
    """BINBYTES."""
    return b"B" + struct.pack("<I", len(value)) + value


def tuple_of(*values: bytes) -> bytes:
    """MARK … TUPLE."""
    return b"(" + b"".join(values) + b"t"


def list_of(*values: bytes) -> bytes:
    """MARK … LIST."""
    return b"(" + b"".join(values) + b"l"


def dict_of(**values: bytes) -> bytes:
    """MARK … DICT."""
    return b"(" + b"".join(text(key) + value for key, value in values.items()) + b"d"


def name(dotted: str) -> bytes:
    """GLOBAL."""
    module, _, attribute = dotted.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def call(dotted: str | bytes, *arguments: bytes) -> bytes:
    """REDUCE of a name, or of what the given opcodes make."""
    return (name(dotted) if isinstance(dotted, str) else dotted) + tuple_of(*arguments) + b"R"


def pickled(value: bytes, protocol: int = 4) -> bytes:
    """PROTO … STOP."""
    return b"\x80" + bytes([protocol]) + value + b"."


def torch_zip(pickle: bytes, storages: dict[str, bytes] | None = None, **members: bytes) -> bytes:
    """What ``torch.save`` writes since PyTorch 1.6."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle)
        for key, elements in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", elements)
        for member, inside in ({"version": b"3\n"} | members).items():
            archive.writestr(f"archive/{member}", inside)
    return file.getvalue()


FACTS = pickled(dict_of(little_endian=b"\x88"), 2)


def torch_legacy(
    pickle: bytes, storages: dict[str, tuple[int, bytes]] | None = None, version: int = 1001, facts: bytes = FACTS
) -> bytes:
    """What ``torch.save`` wrote before: storages are number of elements and bytes."""
    storages = storages or {}
    return b"".join(
        [
            pickled(b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19", 2),
            pickled(whole(version), 2),
            facts,
            pickle,
            pickled(list_of(*map(text, storages)), 2),
            *(struct.pack("<q", count) + elements for count, elements in storages.values()),
        ]
    )


def storage(count: int = 4, key: str = "0", kind: str = "torch.FloatStorage") -> bytes:
    """BINPERSID of a storage."""
    return tuple_of(text("storage"), name(kind), text(key), text("cpu"), whole(count)) + b"Q"


def tensor(block: bytes, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """A tensor in a storage."""
    lengths = tuple_of(*map(whole, shape)), tuple_of(*map(whole, strides))
    hooks = call("collections.OrderedDict")
    return call("torch._utils._rebuild_tensor_v2", block, whole(offset), *lengths, b"\x89", hooks)


def array(kind: bytes, shape: tuple[int, ...], elements: bytes, state: bytes | None = None) -> bytes:
    """An array of NumPy's."""
    begun = call("numpy._core.multiarray._reconstruct", name("numpy.ndarray"), tuple_of(whole(0)), content(b"b"))
    return begun + (state or tuple_of(whole(1), tuple_of(*map(whole, shape)), kind, b"\x89", content(elements))) + b"b"


def dtype(code: str, state: bytes | None = None) -> bytes:
    """A type of NumPy's."""
    state = state or tuple_of(whole(3), text("<"), b"N", b"N", b"N", whole(-1), whole(-1), whole(0))
    return call("numpy.dtype", text(code), b"\x89", b"\x88") + state + b"b"


#: An innocent tensor and array.
TENSOR = tensor(storage(), 0, (2, 2), (2, 1))
ARRAY = array(dtype("f4"), (1,), bytes(4))
