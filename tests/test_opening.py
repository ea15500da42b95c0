"""A6: opening what people have, by its content; and the real models among the data."""

import lzma
import os
from pathlib import Path

import numpy as np
import pytest

import striate
from striate import layers
from striate.data import read_idx
from striate.errors import ArgumentError, FormatError
from tests.attacks.test_onnx import model as onnx_model
from tests.attacks.test_onnx import node

DATA = Path(os.environ.get("STRIATE_DATA", ""))
WEIGHTS = DATA / "weights"
with_data = pytest.mark.skipif("STRIATE_DATA" not in os.environ, reason="STRIATE_DATA is not set")


def tiny():
    return striate.Sequential([striate.Input((8, 8, 3)), layers.Conv2D(2, 3, name="conv"), layers.Flatten()])


def test_our_own_files_and_the_models_that_ship(tmp_path):
    tiny().save(tmp_path / "m.safetensors")
    assert striate.open_model(tmp_path / "m.safetensors").layers[0].name == "conv"
    assert striate.open_model("digits").classes[0] == "0"


def test_content_counts_and_not_the_name(tmp_path):
    path = tmp_path / "network.pth"
    path.write_bytes(onnx_model(node("Relu")).encode())
    assert [type(layer).__name__ for layer in striate.open_model(path).layers][-1] == "ReLU"


@pytest.mark.parametrize("name", ["resnet20", "squeezenet1_1"])
def test_weights_find_their_architecture(name, tmp_path):
    """The names and shapes of a state dictionary say which network it is, and how many classes it has."""
    built = striate.architectures.ARCHITECTURES[name].build(classes=7)
    state = {}
    for layer in built.layers:
        for variable in layer.weights:
            value, there = variable.numpy(), {"gamma": "weight", "beta": "bias", "kernel": "weight"}
            there |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
            if value.ndim > 1:
                value = np.moveaxis(value, (-1, -2), (0, 1))
            state[f"module.{layer.name}.{there.get(variable.name, variable.name)}"] = value
    np.savez(tmp_path / "weights.npz", **state)
    opened = striate.open_model(tmp_path / "weights.npz")
    assert (opened.name, opened.output_shape) == (name, (None, 7))
    x = np.random.default_rng(0).random((1, *opened.input_shape[1:]), np.float32)
    np.testing.assert_allclose(opened.predict(x), built.predict(x), rtol=1e-5)


def test_weights_of_unknown_networks_are_refused(tmp_path):
    np.savez(tmp_path / "w.npz", first=np.ones(3), second=np.ones(2))
    with pytest.raises(
        FormatError, match=r"its 2 arrays \(first, second, …\) do not match any known architecture; .* as arch"
    ):
        striate.open_model(tmp_path / "w.npz")
    with pytest.raises(FormatError, match=r"conv1\.weight is missing; .* and 84 more"):
        striate.open_model(tmp_path / "w.npz", arch="resnet18")
    np.savez(tmp_path / "none.npz")
    with pytest.raises(FormatError, match=r"without PyTorch.s data\.pkl or NumPy.s arrays"):
        striate.open_model(tmp_path / "none.npz")


def test_an_architecture_has_to_exist_and_to_be_needed(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(onnx_model(node("Relu")).encode())
    with pytest.raises(ArgumentError, match=r"expected an architecture, one of lenet5, .*; got 'resnet19'"):
        striate.open_model(path, arch="resnet19")
    with pytest.raises(ArgumentError, match=r"m.onnx holds a whole network; leave arch='resnet18' out"):
        striate.open_model(path, arch="resnet18")


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"hello", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"{", b"PK\x03\x04"]
)
def test_what_is_no_model_is_refused(content, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(FormatError, match=r"cannot open|expected"):
        striate.open_model(tmp_path / "file")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FormatError, match=r"no file .*missing\.onnx. The models that ship are called digits"):
        striate.open_model(tmp_path / "missing.onnx")
    with pytest.raises(FormatError, match="expected a regular file, got a folder"):
        striate.open_model(tmp_path)


# Real models, with what their SOURCE.txt says of them


def digits(count):
    folder = DATA / "mnist"
    images = read_idx(folder / "t10k-images-idx3-ubyte.gz")[:count, :, :, None]
    return images.astype(np.float32), read_idx(folder / "t10k-labels-idx1-ubyte.gz")[:count]


def accuracy(model, x, y):
    return float(np.mean(model.predict(x).argmax(axis=1) == y))


@with_data
def test_small_digit_readers_of_others():
    x, y = digits(2000)
    folder = WEIGHTS / "small_cnn_mnist_cifar"
    first = striate.open_model(folder / "liuyuan000__rv1126_mnist__mnist.onnx")
    assert accuracy(first, (x / 255 - 0.1307) / 0.3081, y) == pytest.approx(0.964, abs=0.001)
    second = striate.open_model(folder / "long-long-float__mini-cnn-runtime__mnist.onnx")
    assert accuracy(second, x / 255, y) == pytest.approx(0.868, abs=0.001)
    third = striate.open_model(folder / "01110001__ml-mnist__mnist_cnn.h5")
    x, y = digits(10_000)
    assert accuracy(third, x / 255, y) == pytest.approx(0.9905, abs=0.0005)


@with_data
def test_resnet8_of_mlperf_tiny_has_its_published_accuracy():
    with lzma.open(DATA / "cifar10" / "test_batch_first1000.bin.xz") as file:
        records = np.frombuffer(file.read(), np.uint8).reshape(-1, 3073)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).astype(np.float32)
    model = striate.open_model(WEIGHTS / "mlperf_tiny" / "pretrainedResnet.h5")
    assert accuracy(model, images, records[:, 0]) == pytest.approx(0.881, abs=0.0005)


@with_data
def test_tensorflowjs_by_file_and_by_folder():
    by_file = striate.open_model(WEIGHTS / "cnn_explainer_tinyvgg" / "model.json")
    by_folder = striate.open_model(WEIGHTS / "cnn_explainer_tinyvgg")
    assert by_file.count_params() == by_folder.count_params() == 19_920


@with_data
def test_squeezenet_is_found_by_its_caffe_names():
    model = striate.open_model(WEIGHTS / "squeezenet_v1.0_imagenet" / "squeezenet_v1.0_decoded_f32.npz")
    assert model.name == "squeezenet1_0_caffe"
    assert len(model.classes) == 1000
    assert model.preprocessing.colours == "BGR"


# Each argument for each kind of file: honoured, or refused in a sentence


def kind_ours(folder):
    tiny().save(folder / "file")
    return folder / "file"


def kind_shipped(folder):
    return "digits"


def kind_onnx(folder):
    tiny().export(folder / "m.onnx")
    return folder / "m.onnx"


def kind_onnx_whose_structure_is_computed(folder):
    from tests.attacks.test_onnx import info

    proto = onnx_model(node("Reshape", ("x", "sizes")), shape=(1, 3, 8, 8))
    proto.graph.input.append(info("sizes", (2,)))
    (folder / "file").write_bytes(proto.encode())
    return folder / "file"


CONV = {"filters": 2, "kernel_size": [3, 3]}


def kind_keras(folder, sizes=(8, 8, 3)):
    from tests.interop.keras_files import archive, layer, row, weights_of

    config = row(layer("Conv2D", **CONV), layer("Flatten"), shape=(None, *sizes))
    return archive(folder / "m.keras", config, weights_of(conv2d={"_0": np.ones((3, 3, 3, 2)), "_1": np.ones(2)}))


def kind_keras_of_open_sizes(folder):
    return kind_keras(folder, (None, None, 3))


def kind_keras_functional(folder):
    from tests.interop.keras_files import archive, graph, layer, on, weights_of

    config = graph((layer("Conv2D", name="last", **CONV), [on("x")]))
    config["config"]["layers"][0]["config"]["batch_shape"] = [None, 8, None, 3]
    return archive(folder / "m.keras", config, weights_of(conv2d={"_0": np.ones((3, 3, 3, 2)), "_1": np.ones(2)}))


def kind_keras_within(folder):
    from tests.interop.keras_files import archive, layer, row

    inner = row(layer("Conv2D", **CONV), shape=(None, None, None, 3))
    outer = {"class_name": "Sequential", "config": {"name": "outer", "layers": [inner, layer("Flatten")]}}

    def fill(file):
        file["layers/sequential/layers/conv2d/vars/0"] = np.ones((3, 3, 3, 2))
        file["layers/sequential/layers/conv2d/vars/1"] = np.ones(2)

    return archive(folder / "m.keras", outer, fill)


def kind_keras_h5(folder):
    from tests.interop.keras_files import legacy_file

    conv = {"class_name": "Conv2D", "config": {"name": "c", "batch_input_shape": [None, 8, 8, 3], **CONV}}
    weights = {"c": {"c/kernel:0": np.ones((3, 3, 3, 2), np.float32), "c/bias:0": np.ones(2, np.float32)}}
    return legacy_file(folder / "m.h5", {"class_name": "Sequential", "config": [conv]}, weights)


def kind_tensorflowjs(folder):
    from tests.interop.test_tensorflowjs import entry, topology, write

    kernel, bias = np.ones((3, 3, 3, 2), np.float32), np.ones(2, np.float32)
    conv = {"class_name": "Conv2D", "config": {"name": "c", "batch_input_shape": [None, None, None, 3], **CONV}}
    group = {"paths": ["all"], "weights": [entry("c/kernel", kernel), entry("c/bias", bias)]}
    (folder / "all").write_bytes(kernel.tobytes() + bias.tobytes())
    return write(folder, modelTopology=topology(conv), weightsManifest=[group])


def state_of_resnet20():
    names = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    state = {}
    for layer in striate.architectures.ARCHITECTURES["resnet20"].outline().layers:
        for variable in layer.weights:
            value = variable.numpy()
            value = np.moveaxis(value, (-1, -2), (0, 1)) if value.ndim > 1 else value
            state[f"{layer.name}.{names.get(variable.name, 'weight' if value.ndim > 1 else variable.name)}"] = value
    return state


def kind_weights_npz(folder):
    np.savez(folder / "w.npz", **state_of_resnet20())
    return folder / "w.npz"


def kind_weights_safetensors(folder):
    from striate.data.safetensors import write_safetensors

    arrays = {name: np.ascontiguousarray(array) for name, array in state_of_resnet20().items()}
    write_safetensors(folder / "w.safetensors", arrays, {}, "test")
    return folder / "w.safetensors"


KINDS = {name.removeprefix("kind_"): made for name, made in globals().items() if name.startswith("kind_")}
WHOLE = "holds a whole network; leave arch='resnet20' out"
OWN = r"takes inputs of shape .*; leave input_shape=\(9, 12, 3\) out"
#: What each kind of file makes of arch="resnet20" and of input_shape=(9, 12, 3): None: it is honoured.
ANSWERS = {
    "ours": (WHOLE, OWN),
    "shipped": (WHOLE, OWN),
    "onnx": (WHOLE, None),
    "onnx_whose_structure_is_computed": (WHOLE, "depends on the values of its inputs; leave input_shape out"),
    "keras": (WHOLE, None),
    "keras_of_open_sizes": (WHOLE, None),
    "keras_functional": (WHOLE, None),
    "keras_within": (WHOLE, None),
    "keras_h5": ("is missing", None),  # its weights would be taken, but they are another network's
    "tensorflowjs": (WHOLE, None),
    "weights_npz": (None, None),
    "weights_safetensors": (None, None),
}


def test_every_kind_of_file_is_in_the_table():
    assert ANSWERS.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_architecture_is_honoured_or_refused(kind, tmp_path):
    refusal = ANSWERS[kind][0]
    path = KINDS[kind](tmp_path)
    if refusal is None:
        assert striate.open_model(path, arch="resnet20").name == "resnet20"
        return
    with pytest.raises((ArgumentError, FormatError), match=refusal):
        striate.open_model(path, arch="resnet20")


@pytest.mark.parametrize("kind", KINDS)
def test_input_shape_is_honoured_or_refused(kind, tmp_path):
    refusal = ANSWERS[kind][1]
    path = KINDS[kind](tmp_path)
    if refusal is not None:
        with pytest.raises((ArgumentError, FormatError), match=refusal):
            striate.open_model(path, input_shape=(9, 12, 3))
        return
    model = striate.open_model(path, input_shape=(9, 12, 3))
    assert model.input_shape == (None, 9, 12, 3)
    assert np.isfinite(model.predict(np.ones((2, 9, 12, 3), np.float32))).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("input_shape", [(), (8, 0, 3), (8, 8.5, 3), "883", 8, (None, 8, 3), [-1, 8, 3]])
def test_input_shape_that_is_none(kind, input_shape, tmp_path):
    with pytest.raises(ArgumentError, match="expected input_shape as the sizes of one sample, integers of at least 1"):
        striate.open_model(KINDS[kind](tmp_path), input_shape=input_shape)


@pytest.mark.parametrize("kind", KINDS)
def test_input_shape_of_another_rank_is_refused(kind, tmp_path):
    reason = (
        r"takes inputs of shape|expected input_shape (of 3 sizes|as \(H, W, C\) for resnet20), got \(8, 8\)"
        "|leave input_shape out|Conv2D: expected input of rank 4"
    )
    with pytest.raises((ArgumentError, FormatError), match=reason):
        striate.open_model(KINDS[kind](tmp_path), input_shape=(8, 8))


def test_input_shape_that_the_file_has_anyway(tmp_path):
    assert striate.open_model("digits", input_shape=[28, 28, 1]).name == "digits"
    assert striate.open_model(kind_ours(tmp_path), input_shape=np.array([8, 8, 3])).input_shape == (None, 8, 8, 3)


def test_sizes_that_do_not_fit_the_weights_are_refused(tmp_path):
    with pytest.raises(
        FormatError, match=r"layer my_conv2d: the architecture needs more weights than the 56 in the file"
    ):
        striate.open_model(kind_keras_of_open_sizes(tmp_path), input_shape=(9, 12, 5))


def test_open_sizes_have_to_be_given(tmp_path):
    with pytest.raises(FormatError, match=r"known size, got \[None, None, None, 3\]; give .* input_shape="):
        striate.open_model(kind_keras_of_open_sizes(tmp_path))


def test_kind_of_file_is_told_by_its_content(tmp_path):
    kinds = {"ours": "Striate", "shipped": "Striate", "onnx": "ONNX", "keras": "Keras"}
    kinds |= {"keras_h5": "Keras (HDF5)", "weights_npz": "weights of resnet20"}
    for name, kind in kinds.items():
        folder = tmp_path / name
        folder.mkdir()
        assert striate.open_model(KINDS[name](folder)).facts.file == kind


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WebP"])
def test_picture_is_no_model(kind, tmp_path):
    from PIL import Image

    path = tmp_path / "model.onnx"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path, kind)
    with pytest.raises(FormatError, match=rf"cannot open .*: it is a picture \({kind}\), not a model"):
        striate.open_model(path)
