"""The binary files of CIFAR-10 and CIFAR-100: records of one or two labels and the red, green and blue planes.

    CIFAR-10    label   3 × 32 × 32             3,073 bytes
    CIFAR-100   coarse label   fine label   3 × 32 × 32    3,074 bytes

Source: Krizhevsky, Learning multiple layers of features from tiny images (2009), https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import os

import numpy as np
from numpy.typing import NDArray

from striate.data.files import read_at_most
from striate.data.packed import open_unpacked
from striate.errors import FormatError, LimitError

__all__ = ["read_cifar10", "read_cifar100"]

SIDE = 32
PIXELS = 3 * SIDE * SIDE
#: The largest official file, the training half of CIFAR-100, has 154 million.
MAX_BYTES = 256 << 20


def read_cifar10(
    path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the images, (N, 32, 32, 3), and the labels, (N,), 0 to 9, of a CIFAR-10 ``.bin`` file.

    Arguments:
        path: the file, plain or compressed with gzip or xz.
        max_bytes: the most that it may hold, unpacked (default 256 MiB).

    Raises:
        FormatError: it holds no records, an incomplete one, or an invalid label; or it is damaged.
        LimitError: it holds more than ``max_bytes``.
        FileNotFoundError: there is no such file.
    """
    images, labels = _read(path, "read_cifar10", {"label": 10}, max_bytes)
    return images, labels[:, 0]


def read_cifar100(
    path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the images, (N, 32, 32, 3), fine labels, (N,), 0 to 99, and coarse labels, 0 to 19, of CIFAR-100.

    Arguments and errors: as `read_cifar10`.
    """
    images, labels = _read(path, "read_cifar100", {"coarse label": 20, "fine label": 100}, max_bytes)
    return images, labels[:, 1], labels[:, 0]


def _read(
    path: str | os.PathLike[str], operation: str, classes: dict[str, int], max_bytes: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    with open_unpacked(path, operation) as stream:
        content = read_at_most(stream, max_bytes + 1)
    if len(content) > max_bytes:
        raise LimitError(
            f"{operation}: expected at most {max_bytes:,} bytes, got more: {path}. "
            f"Raise max_bytes if you trust the file."
        )
    record = len(classes) + PIXELS
    if not content or len(content) % record:
        raise FormatError(f"{operation}: expected records of {record:,} bytes, got {len(content):,} bytes: {path}.")
    records = np.frombuffer(content, np.uint8).reshape(-1, record)
    labels = records[:, : len(classes)].copy()
    for column, (name, count) in enumerate(classes.items()):
        if (highest := labels[:, column].max()) >= count:
            raise FormatError(f"{operation}: expected a {name} below {count} in every record, got {highest}: {path}.")
    planes = records[:, len(classes) :].reshape(-1, 3, SIDE, SIDE)  # N C H W
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels
