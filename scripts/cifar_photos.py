"""Write pictures of CIFAR-10 as folders of PNG files: the measured example of docs/photos.md.

    python scripts/cifar_photos.py CIFAR OUT

CIFAR holds the binary records ``data_batch_1.bin.xz``, ``data_batch_2.bin.xz`` and ``test_batch_first1000.bin.xz``. OUT
gets three folders, each of which ``striate train`` takes:

    pets     cats and dogs of the first batch to learn from, of the other two files to test with
    few      the same, but only 125 cats and 125 dogs to learn from
    others   the eight other classes of both batches

Source: Krizhevsky, "Learning multiple layers of features from tiny images" (2009).
"""

import lzma
import sys
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PETS = ("cat", "dog")
FEW = 125


def records(path: Path) -> np.ndarray:
    """Rows of a label and 3 × 32 × 32 bytes: (N, 3073)."""
    return np.frombuffer(lzma.open(path).read(), np.uint8).reshape(-1, 3073)


def write(rows: np.ndarray, name: str, folder: Path, limit: int | None = None) -> None:
    """Write the pictures of one class to ``folder/name``."""
    (folder / name).mkdir(parents=True)
    chosen = rows[rows[:, 0] == CLASSES.index(name)][:limit, 1:]
    for number, pixels in enumerate(chosen.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)):
        Image.fromarray(pixels).save(folder / name / f"{number:04d}.png")


def main(cifar: Path, out: Path) -> None:
    """Write the three folders."""
    first, second, test = (
        records(cifar / f"{name}.bin.xz") for name in ("data_batch_1", "data_batch_2", "test_batch_first1000")
    )
    for name in CLASSES:
        if name not in PETS:
            write(np.concatenate([first, second]), name, out / "others")
            continue
        for folder, limit in (("pets", None), ("few", FEW)):
            write(first, name, out / folder / "train", limit)
            write(np.concatenate([second, test]), name, out / folder / "test")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
