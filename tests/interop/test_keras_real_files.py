"""Networks that others trained with Keras."""

import lzma
import os
from pathlib import Path

import numpy as np
import pytest

from striate.graph import Array
from striate.interop.keras import read_keras
from striate.models import Model

DATA = os.environ.get("STRIATE_DATA")
real = pytest.mark.skipif(not DATA, reason="needs real models; set STRIATE_DATA")


def real_file(*parts: str) -> Path:
    path = Path(DATA or "", *parts)
    if not path.is_file():
        pytest.skip(f"{path.name} is not in STRIATE_DATA")
    return path


def cifar() -> tuple[Array, Array]:
    with lzma.open(real_file("cifar10", "test_batch_first1000.bin.xz")) as file:
        table = np.frombuffer(file.read(), np.uint8).reshape(-1, 3073)
    return table[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).astype(np.float32), table[:, 0]


def accuracy(model: Model, x: Array, y: Array) -> float:
    return float((model.predict(x).argmax(axis=1) == y).mean())


@real
def test_A6_resnet8_of_mlperf_tiny() -> None:
    x, y = cifar()
    model = read_keras(real_file("weights", "mlperf_tiny", "pretrainedResnet.h5"))
    assert model.count_params() == 78_666
    assert accuracy(model, x, y) == 0.881


@real
@pytest.mark.parametrize(
    ("file", "parameters", "expected"),
    [
        ("01110001__ml-mnist__mnist_cnn.h5", 93_322, 0.9905),
        ("cmFighting__mnist_tensorflow2.0__mnist_cnn.h5", 225_034, 0.9913),
    ],
)
def test_A6_small_networks_for_mnist(file: str, parameters: int, expected: float) -> None:
    from striate.data import read_idx

    model = read_keras(real_file("weights", "small_cnn_mnist_cifar", file))
    assert model.count_params() == parameters
    images = read_idx(real_file("mnist", "t10k-images-idx3-ubyte.gz"))
    labels = read_idx(real_file("mnist", "t10k-labels-idx1-ubyte.gz"))
    x = (images[..., None] / 255).astype(np.float32)
    assert accuracy(model, x, labels) == pytest.approx(expected, abs=5e-5)


@real
def test_A6_a_small_network_for_cifar() -> None:
    x, y = cifar()
    model = read_keras(
        real_file(
            "weights", "small_cnn_mnist_cifar", "shreyashpatil36__CIFAR-10-Image-Classifier-CNN__cifar10_model.h5"
        )
    )
    assert model.count_params() == 122_570
    assert max(accuracy(model, x, y), accuracy(model, x / 255, y)) == pytest.approx(0.708, abs=5e-4)


@real
@pytest.mark.parametrize("file", ["vww_96.h5", "str_ww_ref_model.h5"])
def test_A6_more_of_mlperf_tiny(file: str) -> None:
    path = real_file("weights", "mlperf_tiny", file)
    keras = pytest.importorskip("keras")
    model, theirs = read_keras(path), keras.models.load_model(path, compile=False)
    x = np.random.default_rng(0).random((2, *model.input_shape[1:]), np.float32)
    np.testing.assert_allclose(model.predict(x), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-4)
