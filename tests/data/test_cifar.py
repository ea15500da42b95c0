"""A8, R3: CIFAR's binary records, real, damaged and hostile."""

import contextlib
import gzip
import lzma
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data import read_cifar10, read_cifar100
from striate.errors import FormatError, LimitError, StriateError

PLANES = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), np.uint8)  # N C H W


def records(*labels: tuple[int, ...]) -> bytes:
    return b"".join(bytes(label) + planes.tobytes() for label, planes in zip(labels, PLANES, strict=False))


@pytest.fixture
def save(tmp_path):
    def write(content: bytes) -> Path:
        path = tmp_path / "batch.bin"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_A8_cifar10_planes_become_channels_last(save, pack):
    images, labels = read_cifar10(save(pack(records((9,), (0,), (3,)))))
    assert labels.tolist() == [9, 0, 3]
    assert (images.dtype, images.shape) == (np.uint8, (3, 32, 32, 3))
    assert images.flags.c_contiguous
    assert images.flags.writeable
    for n, y, x, channel in [(0, 0, 0, 0), (1, 2, 31, 1), (2, 30, 5, 2)]:
        assert images[n, y, x, channel] == PLANES[n, channel, y, x]


def test_A8_cifar100_has_two_labels(save):
    images, fine, coarse = read_cifar100(save(records((19, 99), (0, 5))))
    assert (fine.tolist(), coarse.tolist()) == ([99, 5], [19, 0])
    np.testing.assert_array_equal(images.transpose(0, 3, 1, 2), PLANES[:2])


@pytest.mark.skipif("STRIATE_DATA" not in os.environ, reason="STRIATE_DATA is not set: no real CIFAR files")
def test_A8_cifar10_real_file():
    images, labels = read_cifar10(Path(os.environ["STRIATE_DATA"]) / "cifar10" / "test_batch_first1000.bin.xz")
    assert images.shape == (1000, 32, 32, 3)
    # cat, ship, ship, airplane, frog, frog, automobile, frog, cat, automobile: how CIFAR-10's test half begins
    assert labels[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    # The published means of the training half, from which a thousand test images are not far.
    np.testing.assert_allclose(images.mean((0, 1, 2)) / 255, [0.4914, 0.4822, 0.4465], atol=0.01)


@pytest.mark.parametrize(
    ("read", "content", "message"),
    [
        (read_cifar10, b"", "read_cifar10: expected records of 3,073 bytes, got 0 bytes: .*batch.bin"),
        (read_cifar10, records((1,), (2,))[:-1], "records of 3,073 bytes, got 6,145 bytes"),
        (read_cifar10, records((1, 2)), "records of 3,073 bytes, got 3,074 bytes"),
        (read_cifar10, records((1,), (10,)), "expected a label below 10 in every record, got 10"),
        (read_cifar100, records((1,)), "read_cifar100: expected records of 3,074 bytes, got 3,073 bytes"),
        (read_cifar100, records((20, 1)), "expected a coarse label below 20 in every record, got 20"),
        (read_cifar100, records((19, 100)), "expected a fine label below 100 in every record, got 100"),
        (read_cifar10, lzma.compress(records((1,)))[:-5], "read_cifar10: expected an intact xz file"),
    ],
)
def test_R3_cifar_damaged(save, read, content, message):
    with pytest.raises(FormatError, match=message):
        read(save(content))


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_R3_cifar_bomb_is_not_unpacked(save, pack):
    bomb = pack(bytes(64 << 20))[:-4]  # cut short, which nobody notices who does not read to the end
    with pytest.raises(LimitError, match=r"expected at most 6,146 bytes, got more: .*\. Raise max_bytes if you trust"):
        read_cifar10(save(bomb), max_bytes=2 * 3073)


def test_R3_cifar_of_just_the_limit_is_read(save):
    assert len(read_cifar10(save(records((1,), (2,))), max_bytes=2 * 3073)[1]) == 2


@given(st.binary(max_size=40), st.integers(0, 2 * 3073), st.sampled_from([bytes, gzip.compress, lzma.compress]))
def test_R3_cifar_random_bytes(tmp_path_factory, junk, at, pack):
    path = tmp_path_factory.getbasetemp() / f"cifar{os.getpid()}"
    content = records((1,), (2,))
    path.write_bytes(pack(content[:at] + junk + content[at + len(junk) :]))
    with contextlib.suppress(StriateError):
        images, labels = read_cifar10(path)
        assert len(images) == len(labels)
        assert labels.max() < 10
