"""A folder of pictures, one sub-folder per class, as a data set."""

import math
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from striate.data.images import FORMATS, decode_image, is_picture
from striate.errors import ArgumentError, DataError

__all__ = ["ImageFolder", "epoch_order", "image_dataset_from_directory"]

Batch = tuple[NDArray[np.float32], NDArray[np.int32] | NDArray[np.float32]] | NDArray[np.float32]
LabelMode = Literal["int", "categorical", "binary"] | None
Channels = Literal[1, 3, 4]

EXAMPLES = 3  # of files that are skipped
CHANNELS: dict[str, Channels] = {"grayscale": 1, "rgb": 3, "rgba": 4}


def epoch_order(count: int, seed: int, epoch: int) -> NDArray[np.intp]:
    """Return a shuffled order of ``count`` examples: a permutation (count,) that depends on seed and epoch alone.

    It sorts raw Philox output: that stays the same in all versions of NumPy, ``Generator.permutation`` may not.
    """
    philox = np.random.Philox(key=np.array([seed, epoch], np.uint64))
    return np.argsort(philox.random_raw(count), kind="stable")


class ImageFolder:
    """Pictures on disk, decoded batch by batch: iterate over it once per epoch.

    A batch is ``(images, labels)``, or only images if there are no labels: images float32 (N, H, W, C), 0 to 255. Each
    ``iter()`` is the next epoch, with its own order if shuffled; ``batches(epoch)`` replays any of them.
    """

    def __init__(
        self,
        file_paths: Sequence[str],
        labels: NDArray[np.int32] | NDArray[np.float32] | None,
        class_names: Sequence[str],
        *,
        channels: Channels,
        batch_size: int,
        image_size: tuple[int, int],
        shuffle: bool,
        seed: int,
    ) -> None:
        """Take the files (F of them) and their labels (F, …); see ``image_dataset_from_directory``."""
        self.file_paths = list(file_paths)
        self.labels = labels
        self.class_names = list(class_names)
        self.channels = channels
        self.batch_size = batch_size
        self.image_size = image_size
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return math.ceil(len(self.file_paths) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Return the batches of the next epoch."""
        self.epoch += 1
        return self.batches(self.epoch - 1)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, counted from 0.

        Raises FormatError, naming the file, if a picture cannot be decoded.
        """
        count = len(self.file_paths)
        order = epoch_order(count, self.seed, epoch) if self.shuffle else np.arange(count)
        for start in range(0, count, self.batch_size):
            chosen = order[start : start + self.batch_size]
            images = np.stack([self._load(self.file_paths[index]) for index in chosen])
            yield images if self.labels is None else (images, self.labels[chosen])

    def _load(self, path: str) -> NDArray[np.float32]:
        from PIL import Image

        pixels = decode_image(path, channels=self.channels)
        height, width = self.image_size
        if pixels.shape[:2] != self.image_size:
            picture = Image.fromarray(pixels[:, :, 0] if self.channels == 1 else pixels)
            pixels = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
        return pixels.reshape(height, width, self.channels).astype(np.float32)


def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Literal["inferred"] | Sequence[int] | None = "inferred",
    label_mode: LabelMode = "int",
    class_names: Sequence[str] | None = None,
    color_mode: Literal["rgb", "grayscale", "rgba"] = "rgb",
    batch_size: int = 32,
    image_size: tuple[int, int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: Literal["training", "validation"] | None = None,
) -> ImageFolder:
    """Return the pictures under ``directory`` as a data set; names and meaning are those of Keras.

    ``labels``: "inferred" takes the sub-folders as classes; a sequence gives one class number per file, in the order of
    the sorted paths; None means no labels. ``label_mode``: "int" gives int32 (N,), "categorical" float32 (N, classes)
    of 0 and 1, "binary" float32 (N, 1) for two classes, None no labels. ``class_names`` fixes the classes and their
    order (default: the sub-folders, sorted). ``color_mode``: "rgb" (default), "grayscale" or "rgba". ``image_size``:
    (height, width) in pixels to which pictures are resized, bilinear, anti-aliased, aspect not kept (default
    256 × 256).
    ``shuffle`` (default True) shuffles each epoch, from ``seed`` (default: a random one, kept in ``.seed``).
    ``validation_split`` sets that fraction, 0 to 1, aside, and ``subset`` says which part to return: "training" or
    "validation"; with ``shuffle`` this needs a seed, or the parts would overlap. Hidden files and folders are skipped,
    and so are, with a warning, files that are not PNG, JPEG, GIF, BMP or WebP by their content, whatever their name.

    Raises ArgumentError for invalid arguments; DataError if there are no pictures, or if classes or labels do not match
    the folder.
    """
    _check_arguments(
        labels=labels,
        label_mode=label_mode,
        color_mode=color_mode,
        batch_size=batch_size,
        image_size=image_size,
        shuffle=shuffle,
        seed=seed,
        validation_split=validation_split,
        subset=subset,
    )
    root = Path(directory)
    if not root.is_dir():
        raise DataError(f"{_NAME}: expected a folder, got {root}.")
    skipped: list[str] = []
    names, paths, numbers = _list_files(root, labels, class_names, skipped)
    if not paths:
        raise DataError(f"{_NAME}: expected pictures ({', '.join(FORMATS)}) under {root}, got none.")
    if skipped:
        examples = ", ".join(skipped[:EXAMPLES]) + (", …" if len(skipped) > EXAMPLES else "")
        warnings.warn(f"{_NAME}: files that are not pictures are skipped: {len(skipped):,} ({examples}).", stacklevel=2)
    if seed is None:
        seed = int.from_bytes(os.urandom(7), "little")
    if validation_split is not None:
        # No epoch has this number, so the split is independent of every epoch's order.
        order = epoch_order(len(paths), seed, _SPLIT) if shuffle else np.arange(len(paths))
        kept = len(paths) - int(validation_split * len(paths))
        part = order[:kept] if subset == "training" else order[kept:]
        paths, numbers = [paths[index] for index in part], numbers[part]
        if not paths:
            raise DataError(f"{_NAME}: expected pictures in the {subset} subset, got none. Change validation_split.")
    return ImageFolder(
        paths,
        None if labels is None else _encode(numbers, label_mode, len(names)),
        names,
        channels=CHANNELS[color_mode],
        batch_size=batch_size,
        image_size=cast(tuple[int, int], tuple(image_size)),
        shuffle=shuffle,
        seed=seed,
    )


_NAME = "image_dataset_from_directory"
_SPLIT = 2**64 - 1


def _check_arguments(
    *,
    labels: object,
    label_mode: object,
    color_mode: object,
    batch_size: int,
    image_size: tuple[int, int],
    shuffle: bool,
    seed: int | None,
    validation_split: float | None,
    subset: object,
) -> None:
    def expect(condition: bool, name: str, expected: str, got: object) -> None:
        if not condition:
            raise ArgumentError(f"{_NAME}: expected {name} {expected}, got {got!r}.")

    expect(
        labels in ("inferred", None) or not isinstance(labels, str), "labels", "'inferred', a sequence or None", labels
    )
    modes = ("int", "categorical", "binary", None)
    expect(label_mode in modes, "label_mode", "'int', 'categorical', 'binary' or None", label_mode)
    expect(color_mode in CHANNELS, "color_mode", "'rgb', 'grayscale' or 'rgba'", color_mode)
    expect(batch_size >= 1, "batch_size", "of 1 or more", batch_size)
    expect(len(image_size) == 2 and min(image_size) >= 1, "image_size", "(height, width) in pixels", image_size)
    expect(seed is None or 0 <= seed < 2**64, "seed", "to be 0 to 2^64 − 1", seed)
    expect(
        validation_split is None or 0 < validation_split < 1, "validation_split", "between 0 and 1", validation_split
    )
    subsets = (None,) if validation_split is None else ("training", "validation")
    expect(subset in subsets, "subset", "'training' or 'validation' with validation_split, None without", subset)
    expect(
        validation_split is None or not shuffle or seed is not None,
        "seed",
        "to be given with validation_split and shuffle, or training and validation pictures would overlap",
        seed,
    )


def _list_files(
    root: Path,
    labels: Literal["inferred"] | Sequence[int] | None,
    class_names: Sequence[str] | None,
    skipped: list[str],
) -> tuple[list[str], list[str], NDArray[np.int32]]:
    """Class names, paths (F) and class numbers (F,); other files are added to ``skipped``."""
    if labels is None:
        paths = _pictures(root, skipped)
        return [], paths, np.zeros(len(paths), np.int32)
    if isinstance(labels, str):
        folders = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        names = folders if class_names is None else list(class_names)
        if sorted(names) != folders:
            raise DataError(f"{_NAME}: expected class_names to be the sub-folders {folders}, got {sorted(names)}.")
        by_class = [_pictures(root / name, skipped) for name in names]
        numbers = np.repeat(np.arange(len(names), dtype=np.int32), [len(group) for group in by_class])
        return names, [path for group in by_class for path in group], numbers
    paths = _pictures(root, skipped)
    given = np.asarray(labels)
    if given.dtype.kind not in "iu" or given.shape != (len(paths),):
        raise DataError(
            f"{_NAME}: expected one integer per picture as label, {len(paths)} under {root}, "
            f"got {given.dtype} of shape {given.shape}."
        )
    names = list(class_names or map(str, range(int(given.max(initial=0)) + 1)))
    if len(given) and (given.min() < 0 or given.max() >= len(names)):
        raise DataError(f"{_NAME}: expected labels 0 to {len(names) - 1}, got {given.min()} to {given.max()}.")
    return names, paths, given.astype(np.int32)


def _pictures(folder: Path, skipped: list[str]) -> list[str]:
    """Paths of the pictures under a folder, sorted; other files are added to ``skipped``."""
    found: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (os.path.join(place, name) for name in files if not name.startswith(".")):
            (found if is_picture(path) else skipped).append(path)
    return sorted(found)


def _encode(
    numbers: NDArray[np.int32], label_mode: LabelMode, classes: int
) -> NDArray[np.int32] | NDArray[np.float32] | None:
    if label_mode == "binary" and classes != 2:
        raise DataError(f"{_NAME}: expected two classes for label_mode 'binary', got {classes}.")
    if label_mode == "categorical":
        return np.eye(classes, dtype=np.float32)[numbers]
    if label_mode == "binary":
        return numbers.astype(np.float32)[:, None]
    return numbers if label_mode == "int" else None
