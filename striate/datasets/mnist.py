"""MNIST: 70,000 handwritten digits, whole, without a download.

A split is one ``.xz`` file of three parts, one after the other:

    labels   one byte per digit, in the original order
    mask     one bit per pixel: is there any ink?  (four of five pixels have none)
    values   one byte per pixel that has ink

In mask and values the digits are sorted by label (stably), because like next to like compresses better; the labels
alone say how to put them back. ``scripts/pack_mnist.py`` writes these files.

Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition",
Proceedings of the IEEE, 1998. Licence and attribution: ``files/ATTRIBUTION.md``.
"""

import hashlib
import lzma
import os
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from striate.errors import ArgumentError, FormatError

__all__ = ["Split", "load_data", "load_split"]

Split = tuple[NDArray[np.uint8], NDArray[np.uint8]]

SIDE = 28


@dataclass(frozen=True)
class _Published:
    """What is known of a split from outside: its size, and the MD5 sums of the uncompressed IDX files."""

    count: int
    images_md5: str
    labels_md5: str


PUBLISHED = {
    "train": _Published(60_000, "6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624"),
    "test": _Published(10_000, "2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637"),
}


def load_data(path: str | os.PathLike[str] = "mnist.npz") -> tuple[Split, Split]:
    """Return ``(x_train, y_train), (x_test, y_test)`` exactly as Keras does.

    Images are uint8 of shape (60000, 28, 28) and (10000, 28, 28), 0 is paper and 255 is ink; labels are uint8 of
    shape (60000,) and (10000,).

    ``path`` is there so that Keras programs run unchanged: there it names the cached download, here nothing is
    downloaded, and it has no effect.

    Raises FormatError if an installed file is damaged.
    """
    return load_split("train"), load_split("test")


def load_split(split: Literal["train", "test"]) -> Split:
    """Return the images (N, 28, 28) and labels (N,) of one split, both uint8.

    ``split`` is "train" (60,000 digits) or "test" (10,000 digits).

    Raises ArgumentError for another split, FormatError if the installed file is damaged.
    """
    if split not in PUBLISHED:
        raise ArgumentError(f"mnist.load_split: expected split 'train' or 'test', got {split!r}.")
    from importlib import resources

    packed = resources.files("striate.datasets").joinpath("files", f"mnist-{split}.xz").read_bytes()
    return unpack(packed, split)


def unpack(packed: bytes, split: Literal["train", "test"]) -> Split:
    """Undo ``scripts/pack_mnist.py``: return images (N, 28, 28) and labels (N,), checked against the published sums.

    Raises FormatError if ``packed`` is not the file that the script wrote.
    """
    published = PUBLISHED[split]
    count, pixels = published.count, published.count * SIDE * SIDE
    try:
        parts = np.frombuffer(lzma.decompress(packed), np.uint8)
        labels, mask_bits, values = np.split(parts, [count, count + pixels // 8])
        by_label = np.zeros(pixels, np.uint8)
        by_label[np.unpackbits(mask_bits).view(bool)] = values
        images = np.empty((count, SIDE, SIDE), np.uint8)
        images[np.argsort(labels, kind="stable")] = by_label.reshape(images.shape)
    except (lzma.LZMAError, ValueError, IndexError) as error:
        raise FormatError(f"mnist.load_split: the installed {split} file is damaged ({error}). {_FIX}") from error
    labels = labels.copy()  # its own memory, writable, and free of the mask and values behind it
    for array, md5 in ((images, published.images_md5), (labels, published.labels_md5)):
        if (got := md5_as_idx(array)) != md5:
            raise FormatError(f"mnist.load_split: expected md5 {md5} for the {split} file, got {got}. {_FIX}")
    return images, labels


_FIX = "Reinstall striate."


def md5_as_idx(array: NDArray[np.uint8]) -> str:
    """Return the MD5 sum that the uncompressed IDX file of a uint8 array has: the one that is published for MNIST."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    checksum = hashlib.md5(header, usedforsecurity=False)
    checksum.update(np.ascontiguousarray(array).data)
    return checksum.hexdigest()
