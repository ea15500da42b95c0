"""Pack the four original MNIST files into the two that ship in ``striate/datasets/files``.

    python scripts/pack_mnist.py FOLDER_WITH_THE_FOUR_GZ_FILES

The layout is described, and undone, in ``striate/datasets/mnist.py``. On the test set (7,840,000 pixels) it measured
smallest among what the standard library can decompress; bytes:

    original .gz                             1,648,877
    bzip2, pixels as they come               1,386,498
    LZMA, pixels as they come                1,350,947
    LZMA, delta to the left neighbour        1,607,167
    LZMA, one pixel position after another   1,570,203
    LZMA, sorted by label                    1,333,272
    LZMA, sorted by label, mask and values   1,310,820
"""

import lzma
import sys
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from striate.data.idx import read_idx
from striate.datasets import mnist

FILES = Path(mnist.__file__).parent / "files"
ORIGINAL: dict[Literal["train", "test"], str] = {"train": "train", "test": "t10k"}
LZMA = {
    "id": lzma.FILTER_LZMA2,
    "preset": 9 | lzma.PRESET_EXTREME,
    "dict_size": 1 << 26,  # the whole training split
    "lc": 4,  # predict a byte from the high half of the one before
    "lp": 0,
    "pb": 0,  # bytes have no alignment
}


def pack(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> bytes:
    """Return the packed form of images (N, 28, 28) and labels (N,)."""
    by_label = images[np.argsort(labels, kind="stable")]
    mask = by_label > 0
    parts = labels.tobytes() + np.packbits(mask).tobytes() + by_label[mask].tobytes()
    return lzma.compress(parts, check=lzma.CHECK_SHA256, filters=[LZMA])


def main(source: Path) -> None:
    """Write both splits, and read them back."""
    for split, name in ORIGINAL.items():
        images = read_idx(source / f"{name}-images-idx3-ubyte.gz")
        labels = read_idx(source / f"{name}-labels-idx1-ubyte.gz")
        packed = pack(images, labels)
        mnist.unpack(packed, split)  # raises unless images and labels have the published checksums
        (FILES / f"mnist-{split}.xz").write_bytes(packed)
        print(f"{split}: {len(packed):,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
