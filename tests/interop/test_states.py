"""A6: weights files as PyTorch, safetensors, NumPy and pickle write them; R3: damaged ones; R4: what is said."""

import io
import pickle
import tarfile
from collections import Counter, OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.errors import FormatError, LimitError
from striate.interop import states
from striate.interop.states import read_state
from tests.attacks.pickling import (
    ARRAY,
    TENSOR,
    dict_of,
    list_of,
    pickled,
    storage,
    tensor,
    torch_legacy,
    torch_zip,
)


@pytest.fixture
def save(tmp_path):
    def write(content: bytes):
        path = tmp_path / "file"
        path.write_bytes(content)
        return path

    return write


def assert_same(state, expected):
    assert list(state) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(state[name], array, err_msg=name)
        assert (state[name].shape, state[name].dtype) == (array.shape, array.dtype), name


# What torch.save writes

FORMATS = [
    {},
    {"pickle_protocol": 3},
    {"pickle_protocol": 4},
    {"pickle_protocol": 5},
    {"_use_new_zipfile_serialization": False},
    {"_use_new_zipfile_serialization": False, "pickle_protocol": 4},
]
FORMAT_IDS = ["zip", "zip-3", "zip-4", "zip-5", "legacy", "legacy-4"]


def as_numpy(value):
    value = value.detach()
    return (value.float() if str(value.dtype) in ("torch.bfloat16", "torch.float16") else value).numpy()


@pytest.mark.parametrize("settings", FORMATS, ids=FORMAT_IDS)
def test_A6_torch_tensors_of_all_types_and_strides(tmp_path, settings):
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(6, 5, generator=generator)
    shared = torch.arange(12.0).reshape(3, 4)
    tensors = OrderedDict(
        {name: (numbers * 9).to(getattr(torch, name)) for name in (
            "float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "uint16",
            "uint32", "uint64", "bool", "complex64", "complex128",
        )}
    )  # fmt: skip
    tensors |= {
        "transposed": shared.t(),
        "same": shared,
        "part": shared[1:, ::2],
        "row": shared[2],
        "number": torch.tensor(2.5),
        "empty": torch.empty(0, 3),
        "expanded": torch.ones(1).expand(4),
        "channels_last": torch.randn(2, 3, 4, 5, generator=generator).to(memory_format=torch.channels_last),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }
    torch.save(tensors, tmp_path / "state.pth", **settings)
    assert_same(read_state(tmp_path / "state.pth"), {name: as_numpy(value) for name, value in tensors.items()})


@pytest.mark.parametrize("settings", FORMATS, ids=FORMAT_IDS)
def test_A6_a_networks_state_in_a_checkpoint(tmp_path, settings):
    torch = pytest.importorskip("torch")
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 1, 4, 4)).sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5])
    checkpoint = {
        "epoch": 3,
        "device": torch.device("cpu"),
        "size": torch.Size([2, 3]),
        "type": torch.float32,
        "best": np.float64(0.5),
        "loss": torch.tensor(0.1),
        "counts": Counter("aab"),
        "schedule": schedule.state_dict(),
        "optimizer": optimizer.state_dict(),
        "state_dict": network.state_dict(),
    }
    torch.save(checkpoint, tmp_path / "state.pth", **settings)
    expected = {name: as_numpy(value) for name, value in network.state_dict().items()}
    assert_same(read_state(tmp_path / "state.pth"), expected)


@pytest.mark.parametrize(
    ("wrap", "expected"),
    [
        (lambda t: {"conv.weight": t, "name": "x", "epoch": 3}, ["conv.weight"]),
        (lambda t: {"model_state_dict": {"w": t}, "optimizer": {"w": t}}, ["w"]),
        (lambda t: {"model": {"state_dict": {"w": t}}, "loss": t}, ["w"]),
        (lambda t: {"model": t}, ["model"]),
        (lambda t: {"encoder": {"w": t}, "decoder": [t, {"b": t}]}, ["encoder.w", "decoder.0", "decoder.1.b"]),
        (lambda t: {"module.w": t, "module.b": t}, ["w", "b"]),
        (lambda t: {"_orig_mod.module.w": t}, ["w"]),
        (lambda t: {"module.w": t, "head.b": t}, ["module.w", "head.b"]),
        (lambda t: [t, (t, t)], ["0", "1.0", "1.1"]),
        (lambda t: t, ["0"]),
    ],
)
def test_A6_names(tmp_path, wrap, expected):
    torch = pytest.importorskip("torch")
    torch.save(wrap(torch.ones(2)), tmp_path / "state.pt")
    assert list(read_state(tmp_path / "state.pt")) == expected


@pytest.mark.parametrize("settings", FORMATS, ids=FORMAT_IDS)
def test_A6_a_storage_is_read_once(tmp_path, settings):
    torch = pytest.importorskip("torch")
    weights = torch.ones(4)
    torch.save([weights, weights[:2], weights[2:]], tmp_path / "state.pt", **settings)
    state = read_state(tmp_path / "state.pt")
    assert np.shares_memory(state["0"], state["1"])
    assert np.shares_memory(state["0"], state["2"])


def test_A6_the_other_byte_order(save):
    content = torch_zip(pickled(list_of(TENSOR)), {"0": np.arange(4, dtype=">f4").tobytes()}, byteorder=b"big")
    assert_same(read_state(save(content)), {"0": np.arange(4, dtype=np.float32).reshape(2, 2)})


def test_A6_bfloat16_in_the_other_byte_order(save):
    half = pickled(list_of(tensor(storage(2, kind="torch.BFloat16Storage"), 0, (2,), (1,))))
    content = torch_zip(half, {"0": bytes.fromhex("3f80 c040")}, byteorder=b"big")
    assert_same(read_state(save(content)), {"0": np.array([1, -3], np.float32)})


def test_A6_a_whole_module_is_refused_with_the_fix(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.Linear(1, 1), tmp_path / "model.pth")
    with pytest.raises(
        FormatError, match=r"it names 'torch.nn.modules.linear.Linear'; .* save model.state_dict\(\) inst"
    ):
        read_state(tmp_path / "model.pth")


def test_A6_torchscript_is_refused_with_the_fix(tmp_path):
    torch = pytest.importorskip("torch")
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), str(tmp_path / "model.pt"))
    with pytest.raises(
        FormatError, match=r"it holds code .*TorchScript or torch.export\); save model.state_dict\(\) instead"
    ):
        read_state(tmp_path / "model.pt")


# What NumPy and pickle write

ARRAYS = {
    "conv": [np.arange(6, dtype=np.float32).reshape(1, 2, 3), np.array([1.5, -2])],
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "other order": np.arange(3, dtype=">i4"),
    "every second": np.arange(8, dtype=np.uint8)[::2],
    "half": np.array([0.5, 3], np.float16),
    "empty": np.zeros((0, 4), bool),
    "number": np.array(3 + 4j),
    7: (np.arange(3, dtype=np.int64),),
    "scalar": np.float32(3),
    "other": ["text", b"bytes", None, True, 1 << 70, -1, 1.5, "é€😀\n", float("inf")],
}
EXPECTED = {
    "conv.0": ARRAYS["conv"][0],
    "conv.1": ARRAYS["conv"][1],
    "columns": ARRAYS["columns"],
    "other order": np.arange(3, dtype=np.int32),
    "every second": ARRAYS["every second"],
    "half": np.array([0.5, 3], np.float32),
    "empty": ARRAYS["empty"],
    "number": ARRAYS["number"],
    "7.0": ARRAYS[7][0],
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_A6_pickles_of_arrays(save, protocol):
    assert_same(read_state(save(pickle.dumps(ARRAYS, protocol))), EXPECTED)


def test_A6_pickles_of_older_numpy(save):
    content = pickle.dumps(ARRAYS, 2)
    assert b"numpy._core" in content
    assert_same(read_state(save(content.replace(b"numpy._core", b"numpy.core"))), EXPECTED)


@pytest.mark.parametrize("content", [
    # pickle.dumps({"w": numpy.array([1, 2], "f4")}, protocol) of Python 2.7 with NumPy 1.16
    b"(dp0\nS'w'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\np5\ntp6\nRp7\n"
    b"(I1\n(L2L\ntp8\ncnumpy\ndtype\np9\n(S'f4'\np10\nI0\nI1\ntp11\nRp12\n(I3\nS'<'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\n"
    b"S'\\x00\\x00\\x80?\\x00\\x00\\x00@'\np15\ntp16\nbs.",
    b"\x80\x02}q\x00U\x01wq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04U\x01bq\x05"
    b"\x87q\x06Rq\x07(K\x01K\x02\x85q\x08cnumpy\ndtype\nq\tU\x02f4q\nK\x00K\x01\x87q\x0bRq\x0c(K\x03U\x01<q\rNNNJ\xff\xff"
    b"\xff\xffJ\xff\xff\xff\xffK\x00tq\x0eb\x89T\x08\x00\x00\x00\x00\x00\x80?\x00\x00\x00@q\x0ftq\x10bs.",
], ids=["protocol 0", "protocol 2"])  # fmt: skip
def test_A6_pickles_of_python_2(save, content):
    assert_same(read_state(save(content)), {"w": np.array([1, 2], np.float32)})


def test_A6_an_ordered_dictionary_of_python_2(save):
    content = pickled(b"ccollections\nOrderedDict\n]](U\x01w" + ARRAY + b"ea\x85R", 2)
    assert_same(read_state(save(content)), {"w": np.zeros(1, np.float32)})


def test_A6_npz_npy_and_safetensors(tmp_path):
    from safetensors.numpy import save_file

    arrays = {"a.w": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(3), "half": np.ones(2, np.float16)}
    expected = arrays | {"half": np.ones(2, np.float32)}
    np.savez(tmp_path / "a", **arrays)
    np.savez_compressed(tmp_path / "b", **arrays)
    assert_same(read_state(tmp_path / "a.npz"), expected)
    assert_same(read_state(tmp_path / "b.npz"), expected)
    np.save(tmp_path / "c", arrays["a.w"])
    assert_same(read_state(tmp_path / "c.npy"), {"0": arrays["a.w"]})
    save_file(arrays, tmp_path / "d.pth")  # the name says nothing
    assert read_state(tmp_path / "d.pth").keys() == arrays.keys()
    for name, array in read_state(tmp_path / "d.pth").items():
        np.testing.assert_array_equal(array, expected[name])


# What is refused

HUGE = tensor(storage(), 0, (1 << 24,), (0,))
MESSAGES = [
    (b"", r"it is of none of the supported formats, which are ONNX, .* pickled arrays; it begins with b''"),
    (b"\x89HDF\r\n\x1a\n" + bytes(100), r"it begins with b'\\x89HDF"),
    (pickled(list_of(ARRAY)) + b"x", r"expected one pickle, something follows it at byte 141"),
    (pickled(b"]"), r"it holds no arrays"),
    (pickled(b"]q\0h\0a"), r"its containers are nested more than 32 deep, or contain themselves"),
    (pickled(b"}(K\x01" + ARRAY + b"X\x01\0\0\0001" + ARRAY + b"u"), r"two arrays are called '1'"),
    (pickled(dict_of(**{"a\tb": ARRAY})), r"expected names of up to 512 printable characters, got 'a\\tb'"),
    (torch_zip(pickled(list_of(HUGE)), {"0": bytes(16)}), r"expected at most 65,536 arrays of [\d,]+ bytes together"),
    (torch_zip(pickled(TENSOR) + b"x"), r"expected one pickle in 'archive/data.pkl', something follows it at byte"),
    (torch_zip(pickled(TENSOR)), r"the storage 'archive/data/0' is missing"),
    (torch_zip(pickled(TENSOR), {"0": bytes(15)}), r"expected 16 bytes in the storage 'archive/data/0', got 15"),
    (torch_zip(pickled(TENSOR), byteorder=b"middle"), r"expected the byte order little or big, got b'middle'"),
    (torch_zip(pickled(TENSOR), **{"x/data.pkl": b""}), r"expected one data.pkl, got 'archive/data.pkl' and 'arch"),
    (torch_zip(b"", **{"constants.pkl": b""}), r"it holds code \(archive/constants.pkl: TorchScript or torch.export\)"),
    (torch_zip(b"").replace(b"data.pkl", b"data.txt"), r"it is a ZIP archive without PyTorch's data.pkl or"),
    (torch_legacy(pickled(TENSOR, 2), {"0": (4, bytes(16))}, 1), r"expected PyTorch's format 1001, got another"),
    (torch_legacy(pickled(TENSOR, 2)), r"expected each of the tensors' storages exactly once"),
    (torch_legacy(pickled(TENSOR, 2), {"0": (5, bytes(16))}), r"expected 4 elements in the storage '0', got 5"),
    (torch_legacy(pickled(TENSOR, 2), {"0": (4, bytes(9))}), r"expected [\d,]+ bytes, got [\d,]+"),
    (
        torch_legacy(pickled(list_of(TENSOR, storage(3)), 2), {"0": (4, bytes(16))}),
        r"expected one type and length for the storage '0'",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), MESSAGES)
def test_R4_what_is_said(save, content, message):
    path = save(content)
    with pytest.raises(FormatError, match=r"open_model: cannot open .*file: .*" + message):
        read_state(path)


def test_R4_the_oldest_format_is_refused_with_the_fix(tmp_path):
    with tarfile.open(tmp_path / "old.pth", "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("sys_info"), io.BytesIO())
    with pytest.raises(
        FormatError, match=r"it is a tar archive, as PyTorch wrote before 2017; load it with PyTorch and"
    ):
        read_state(tmp_path / "old.pth")


def test_R4_a_file_that_becomes_shorter_while_it_is_read(save, monkeypatch):
    monkeypatch.setattr(states.torch_files, "read_at_most", lambda file, count: bytearray(count - 1))
    with pytest.raises(FormatError, match=r"expected 16 bytes in the storage '0', got 15"):
        read_state(save(torch_legacy(pickled(TENSOR, 2), {"0": (4, bytes(16))})))


def test_R4_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_state(tmp_path / "none")


def test_R3_a_long_data_pkl_is_not_unpacked(save, monkeypatch):
    monkeypatch.setattr(states.torch_files, "MAX_PICKLE", 100)
    with pytest.raises(LimitError, match=r"expected 'archive/data.pkl' of at most 100 bytes, got 200"):
        read_state(save(torch_zip(bytes(200))))


def test_R3_many_values_are_a_limit(save, monkeypatch):
    monkeypatch.setattr(states, "MAX_STEPS", 10)
    with pytest.raises(LimitError, match=r"expected at most 10 values"):
        read_state(save(pickled(list_of(*[b"N"] * 20))))


# Damage

INNOCENT = [
    pickle.dumps(ARRAYS, 0),
    pickle.dumps(ARRAYS, 2),
    pickle.dumps(ARRAYS, 5),
    torch_zip(pickled(dict_of(a=TENSOR, b=TENSOR)), {"0": bytes(16)}, byteorder=b"little"),
    torch_legacy(pickled(dict_of(a=TENSOR, b=TENSOR), 2), {"0": (4, bytes(16))}),
    b"\x3d\0\0\0\0\0\0\0" + b'{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0,16]}}' + bytes(16),
]


@pytest.mark.parametrize("content", INNOCENT)
def test_what_is_damaged_below_is_innocent(save, content):
    assert read_state(save(content))


@settings(deadline=5000, max_examples=300)
@given(st.data())
def test_R3_random_damage_ends_in_arrays_or_our_error(tmp_path_factory, data):
    content = bytearray(data.draw(st.sampled_from(INNOCENT)))
    for _ in range(data.draw(st.integers(1, 4))):
        place, end = sorted(data.draw(st.tuples(*[st.integers(0, len(content))] * 2)))
        other = data.draw(st.sampled_from(INNOCENT))
        begin = data.draw(st.integers(0, len(other) - 1))
        piece = data.draw(
            st.one_of(
                st.binary(max_size=3), st.sampled_from([b"\xff" * 4, b"\x7f"]), st.just(other[begin : begin + 20])
            )
        )
        content[place : data.draw(st.sampled_from([place, place + len(piece), end]))] = piece
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content)
    try:
        state = read_state(path)
    except FormatError:
        return
    assert all(isinstance(name, str) and isinstance(array, np.ndarray) for name, array in state.items())
