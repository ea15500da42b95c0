"""R3: the machine for pickles builds plain data, and says why it builds nothing else."""

import io
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.errors import FormatError
from striate.interop import pickled as ours
from striate.interop import pickles
from striate.interop.pickled import Leaf, Marker, Storage
from striate.interop.pickled import storage as reference
from striate.interop.pickles import NO_STEPS, OPCODES, unpickle
from tests.attacks.pickling import array, call, content, dict_of, dtype, name, storage, tensor, text, tuple_of, whole


def read(value: bytes, persistent=None):
    return unpickle(io.BytesIO(value), len(value), "x.pkl", persistent)


#: Texts, numbers and containers that our pickles may hold; bytes come back as bytearrays.
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**300), 2**300) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(-(2**63) + 1, 2**63 - 1), inner)
    ),
)


def as_bytes(value, protocol: int):
    """What a machine makes of bytes: before protocol 3 they are texts, which only arrays turn into bytes."""
    if isinstance(value, bytes):
        return bytearray(value) if protocol >= 3 or not value else value.decode("latin-1")
    if isinstance(value, dict):
        return {key: as_bytes(inner, protocol) for key, inner in value.items()}
    return type(value)(as_bytes(inner, protocol) for inner in value) if isinstance(value, list | tuple) else value


@settings(deadline=None)
@given(PLAIN, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_data_is_what_python_pickled(value, protocol):
    assert read(pickle.dumps(value, protocol)) == as_bytes(value, protocol)


def test_shared_and_recursive_containers_stay_so():
    value: list = []
    value += [value, value]
    back = read(pickle.dumps(value))
    assert back[0] is back
    assert back[1] is back


MESSAGES = [
    (b"\x80\x04", r"2 \(end\): it ends without STOP"),
    (b"N", r"it ends without STOP"),
    (b"NN.", r"2 \(STOP\): expected one value at the end, got 2 and 0 marks"),
    (b"\x80\x06N.", r"\(PROTO\): expected protocol 0 to 5, got 6"),
    (b"\xff.", r"\(ff\): this opcode is not used by tensors and plain containers"),
    (b"N\x81.", r"1 \(NEWOBJ\): this opcode is not used by tensors and plain containers"),
    (b"X\xff\0\0\0abc.", r"\(BINUNICODE\): it declares 255 bytes, more than there are"),
    (b"\x95" + bytes(7) + b"\x01N.", r"\(FRAME\): it declares 72,057,594,037,927,936 bytes, more than there are"),
    (b"\x8a\x41" + bytes(65) + b".", r"\(LONG1\): expected a number of at most 64 bytes, got 65"),
    (b"I1_0\n.", r"\(INT\): expected an integer, got b'1_0'"),
    (b"I1", r"\(INT\): expected a line of at most 256 bytes"),
    (b"Sx\n.", r"\(STRING\): expected text in quotes"),
    (rb"S'\x'" + b"\n.", r"\(STRING\): invalid \\x escape"),
    (b"0.", r"\(POP\): there is no mark on the stack"),
    (b"2.", r"\(DUP\): there is no value on the stack"),
    (b")Na.", r"\(APPEND\): expected a list on the stack"),
    (b"Np-1\n.", r"\(PUT\): expected a place in the memo, got -1"),
    (b"h\x05.", r"\(BINGET\): there is nothing in the memo at 5"),
    (b"}(Nu.", r"\(SETITEMS\): expected a value for each key"),
    (b"}NNs.", r"\(SETITEM\): expected integers or texts of up to 1024 characters as keys"),
    (b"}" + whole(1 << 63) + b"Ns.", r"expected integers or texts of up to 1024 characters as keys"),
    (b"}" + text("x" * 1025) + b"Ns.", r"expected integers or texts of up to 1024 characters as keys"),
    (b"(N.", r"expected one value at the end, got 1 and 1 marks"),
    (b"cnumpy\ndtype\n" + text("O8") + b"R.", r"expected one of the known names and a tuple of arguments"),
    (b"K\x01K\x01\x93.", r"\(STACK_GLOBAL\): expected a name as text"),
    (b"cos\nsystem\n.", r"\(GLOBAL\): it names 'os.system'; only tensors, arrays and plain containers are read. A"),
    (b"N)R.", r"\(REDUCE\): expected one of the known names and a tuple of arguments"),
    (b"NNb.", r"\(BUILD\): expected the state of an array of numbers or of an OrderedDict"),
    (storage() + b".", r"\(BINPERSID\): expected no references to data outside the pickle"),
    (call("collections.OrderedDict", b"N") + b".", r"expected pairs of names and values"),
    (call("numpy.dtype", text("O8"), b"K\0", b"K\1") + b".", r"expected a type of numbers, got 'O8'"),
    (call("numpy.dtype", text("f4,O"), b"K\0", b"K\1") + b".", r"expected a type of numbers, got 'f4,O'"),
    (call("numpy.dtype", b"N") + b".", r"expected a type of numbers"),
    (array(dtype("f4"), (3,), bytes(8)) + b".", r"expected 12 bytes for an array of shape \(3,\) of float32, got 8"),
    (array(dtype("f4"), (1,) * 33, bytes(4)) + b".", r"expected at most 32 lengths of 0 or more"),
    (array(dtype("f4"), (0, 1 << 49), b"") + b".", r"expected at most 281,474,976,710,656 elements"),
    (call("numpy._core.multiarray._reconstruct", name("numpy.dtype"), b")", b"N") + b".", r"an array without content"),
    (call("numpy._core.multiarray.scalar", b"N", b"N") + b".", r"expected a type and bytes"),
    (call("numpy._core.numeric._frombuffer", b"N") + b".", r"expected bytes, a type, a shape and an order"),
    (call("_codecs.encode", text("x"), text("hex")) + b".", r"expected text in latin1"),
    (call("torch.Size", b"N") + b".", r"expected a tuple of lengths"),
    (call("torch.device", b"N") + b".", r"expected the name of a device"),
    (call("torch._utils._rebuild_parameter", b"N") + b".", r"expected a tensor"),
    (call("torch._utils._rebuild_tensor_v2", b"N") + b".", r"expected a storage, an offset, a shape and strides"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "message"), MESSAGES)
def test_R4_what_is_said(value, message):
    with pytest.raises(FormatError, match=r"open_model: cannot open x.pkl: its pickle, at byte .*" + message):
        read(value)


#: Of a pickle that may refer to storages.
TENSOR_MESSAGES = [
    (tuple_of(text("x")) + b"Q", r"\(BINPERSID\): expected a reference to a storage of numbers"),
    (storage(-1), r"\(BINPERSID\): expected a reference to a storage of numbers"),
    (("shape", -1, (2,), (1,)), r"expected a tensor within its storage of 4 elements, it reaches 0"),
    (("shape", 0, (2,), (-1,)), r"expected 1 strides of 0 or more"),
    (("shape", 1, (2, 2), (2, 1)), r"expected a tensor within its storage of 4 elements, it reaches 4"),
]


@pytest.mark.parametrize(("value", "message"), TENSOR_MESSAGES)
def test_R4_what_is_said_of_tensors(value, message):
    value = value if isinstance(value, bytes) else tensor(storage(), *value[1:])
    with pytest.raises(FormatError, match=message):
        read(value + b".", lambda said: reference(said, lambda block: (bytearray(16), "<")))


def test_R4_a_file_that_becomes_shorter_while_it_is_read():
    with pytest.raises(FormatError, match=r"\(BINUNICODE\): expected 5 bytes, got the end of the file"):
        unpickle(io.BytesIO(b"X\x05\0\0\0abc"), 100, "x.pkl")


def test_R3_what_is_behind_the_end_is_not_read():
    with pytest.raises(FormatError, match=r"at byte 1 .*it ends without STOP"):
        unpickle(io.BytesIO(b"N."), 1, "x.pkl")


def test_R3_steps_are_counted(monkeypatch):
    monkeypatch.setattr(pickles, "MAX_STEPS", 10)
    assert read(b"N0" * 4 + b"N.") is None
    with pytest.raises(FormatError, match="expected at most 10 steps"):
        read(b"N0" * 5 + b"N.")
    with pytest.raises(FormatError, match="expected at most 10 steps"):  # a copy counts as what it copies
        read(name("collections.OrderedDict") + b"(" + b"N" * 3 + b"l\x85R.")


def test_R3_wide_text_is_short(monkeypatch):
    monkeypatch.setattr(pickles, "MAX_WIDE_TEXT", 4)
    assert read(text("éééé") + b".") == "éééé"
    with pytest.raises(FormatError, match="expected at most 4 bytes of text, got 6"):
        read(text("é€a") + b".")


def test_R3_names_stand_for_our_own_things_only():
    """No function or class of another module is in the table."""
    for thing in pickles.NAMES.values():
        assert type(thing).__module__ == ours.__name__
        assert isinstance(thing, Marker) or not hasattr(thing, "make") or thing.make.__module__ == ours.__name__


ATOMS = [
    *OPCODES, *NO_STEPS, *(name(known) for known in pickles.NAMES),
    whole(0), whole(2), text("<"), text("f4"), text("latin1"), text("C"), text("0"), text("storage"), text("cpu"),
    content(bytes(8)), dtype("f4"), array(dtype("f4"), (2,), bytes(8)), dict_of(x=b"N"), storage(), tuple_of(whole(2)),
    b"K\x00", b"q\x00", b"h\x00", b"I1\n", b"(", b"t", b")", b"R", b"b",
]  # fmt: skip


@settings(deadline=5000, max_examples=500)
@given(st.lists(st.one_of(st.sampled_from(ATOMS), st.binary(max_size=4)), max_size=40))
def test_R3_random_opcodes_end_in_plain_data_or_our_error(atoms):
    plain = (type(None), bool, int, float, str, bytearray, list, tuple, dict, Leaf, Storage)
    expected = (*plain, *{type(thing) for thing in pickles.NAMES.values()}, type(read(dtype("f4") + b".")))
    try:
        value = read(b"".join(atoms) + b".", lambda reference: None)
    except FormatError:
        return
    assert isinstance(value, expected)


def test_arrays_are_numpys():
    value = np.arange(6, dtype=np.int16).reshape(2, 3)
    np.testing.assert_array_equal(read(pickle.dumps(value)).array(), value)
    assert read(pickle.dumps(np.float32(1.5))) == 1.5
