"""A8: the digits that ship in the package."""

import hashlib
from importlib import resources

import numpy as np
import pytest

from striate.datasets import mnist
from striate.errors import ArgumentError, FormatError


def test_A8_mnist_is_whole():
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    assert [x_train.shape, y_train.shape] == [(60_000, 28, 28), (60_000,)]
    assert [x_test.shape, y_test.shape] == [(10_000, 28, 28), (10_000,)]
    assert {array.dtype for array in (x_train, y_train, x_test, y_test)} == {np.dtype(np.uint8)}
    assert all(array.flags.writeable for array in (x_train, y_train, x_test, y_test))
    assert y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert y_test[:5].tolist() == [7, 2, 1, 0, 4]
    header = bytes([0, 0, 8, 3]) + np.array(x_test.shape, ">u4").tobytes()
    published = "2646ac647ad5339dbf082846283269ea"
    assert hashlib.md5(header + x_test.tobytes(), usedforsecurity=False).hexdigest() == published


def test_A8_mnist_takes_the_path_that_keras_takes():
    images, _ = mnist.load_data(path="mnist.npz")[1]
    np.testing.assert_array_equal(images, mnist.load_split("test")[0])


def test_R4_mnist_unknown_split():
    with pytest.raises(ArgumentError, match=r"mnist.load_split: expected split 'train' or 'test', got 'validation'"):
        mnist.load_split("validation")


@pytest.fixture
def packed():
    return resources.files("striate.datasets").joinpath("files", "mnist-test.xz").read_bytes()


@pytest.mark.parametrize("damage", [lambda b: b[:-100], lambda b: b"", lambda b: b[:5000] + b"\0\1" + b[5002:]])
def test_R3_mnist_damaged_file(packed, damage):
    with pytest.raises(FormatError, match=r"the installed test file is damaged .* Reinstall striate"):
        mnist.unpack(damage(packed), "test")


def test_R3_mnist_wrong_content(packed, monkeypatch):
    _, labels = mnist.unpack(packed, "test")
    assert mnist.md5_as_idx(labels[:0]) != mnist.md5_as_idx(labels)
    monkeypatch.setitem(mnist.PUBLISHED, "test", mnist._Published(10_000, "0" * 32, mnist.md5_as_idx(labels)))
    with pytest.raises(FormatError, match=r"expected md5 000.* for the test file, got 2646ac"):
        mnist.unpack(packed, "test")
    with pytest.raises(FormatError, match="is damaged"):
        mnist.unpack(packed, "train")
