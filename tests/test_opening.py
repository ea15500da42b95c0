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
    with pytest.raises(FormatError, match=r"its 2 arrays \(first, second, …\) are of no architecture .* as arch"):
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
