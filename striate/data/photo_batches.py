"""Photographs as batches for training: decoded, augmented and mixed in worker processes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from striate.data.augmentation import Augmentation, Draw
from striate.data.images import decode_image
from striate.data.photo import PhotoPreprocessing
from striate.data.workers import Note, WorkerPool
from striate.errors import DataError
from striate.random import permutation

__all__ = ["BatchMaker", "PhotoBatches"]

NOTHING = Augmentation(names=())


@dataclass(frozen=True)
class BatchMaker:
    """Makes any batch of any epoch: a task for workers, whose items are (epoch, number of the batch).

    Arguments:
        paths: of the photographs, N of them.
        labels: their class numbers.
        classes: K, how many classes there are.
        preprocessing: how a photograph becomes an input.
        augmentation: what is done to it in training.
        batch_size: photographs in a batch.
        seed: of the order and of the augmentation.
        shuffle: whether each epoch has its own order and drops an incomplete last batch.
    """

    paths: Sequence[str]
    labels: Sequence[int]
    classes: int
    preprocessing: PhotoPreprocessing
    augmentation: Augmentation
    batch_size: int
    seed: int
    shuffle: bool

    def __len__(self) -> int:
        """Batches in an epoch."""
        count = len(self.paths) / self.batch_size
        return max(math.floor(count), 1) if self.shuffle else math.ceil(count)

    def pixels(self, epoch: int, number: int, note: Note) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Pictures (N, height, width, 3), RGB, and labels (N, K) of one batch."""
        order = np.arange(len(self.paths))
        if self.shuffle:
            order = permutation(len(self.paths), seed=self.seed, purpose="order of photos", step=epoch)
        chosen = order[number * self.batch_size : (number + 1) * self.batch_size]
        images = []
        for index in map(int, chosen):
            note(self.paths[index])
            image = decode_image(self.paths[index])
            images.append(self.augmentation.picture(image, Draw(self.seed, epoch, index), self.preprocessing))
        labels = np.eye(self.classes, dtype=np.float32)[np.asarray(self.labels)[chosen]]
        return self.augmentation.batch(np.stack(images), labels, Draw(self.seed, epoch, number))

    def run(self, item: Sequence[int], note: Note) -> bytes:
        images, labels = self.pixels(item[0], item[1], note)
        return images.tobytes() + labels.tobytes()

    def arrays(self, content: bytes) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What `run` returned as a network takes it: inputs (N, height, width, 3), normalised, and labels (N, K)."""
        height, width = self.preprocessing.size
        pixels = height * width * 3
        count = len(content) // (pixels + 4 * self.classes)
        images = np.frombuffer(content, np.uint8, count * pixels).reshape(count, height, width, 3)
        if self.preprocessing.colours == "BGR":
            images = images[..., ::-1]
        labels = np.frombuffer(content, np.float32, offset=count * pixels).reshape(count, self.classes)
        return self.preprocessing.normalized(images), labels

    def to_json(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in ("classes", "batch_size", "seed", "shuffle")}
        return values | {
            "paths": list(self.paths),
            "labels": list(self.labels),
            "preprocessing": self.preprocessing.to_json(),
            "augmentation": self.augmentation.to_json(),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        return cls(
            **values
            | {
                "preprocessing": PhotoPreprocessing.from_json(values["preprocessing"]),
                "augmentation": Augmentation.from_json(values["augmentation"]),
            }
        )


class PhotoBatches:
    """Photographs for ``fit``: each ``iter()`` gives the batches (inputs, labels) of the next epoch.

    The results are the same, bit for bit, for any number of workers. A context manager: leaving it stops them.

    Arguments:
        paths: of the photographs.
        labels: their class numbers, one each.
        classes: K.
        preprocessing: how a photograph becomes an input; its colours are RGB or BGR.
        batch_size: photographs in a batch.
        augmentation: None: the photographs as they are.
        shuffle: see `BatchMaker`.
        seed: of order and augmentation.
        workers: processes; 0: prepare here.
        epoch: number of the first epoch that ``iter()`` gives; later ones follow.

    Raises:
        DataError: there are no photographs, or not as many labels.
        ArgumentError: ``workers`` is negative.
    """

    def __init__(
        self,
        paths: Sequence[str],
        labels: Sequence[int],
        classes: int,
        preprocessing: PhotoPreprocessing,
        *,
        batch_size: int = 32,
        augmentation: Augmentation | None = None,
        shuffle: bool = False,
        seed: int = 0,
        workers: int = 0,
        epoch: int = 0,
    ):
        if not paths or len(paths) != len(labels):
            raise DataError(
                f"PhotoBatches: expected photographs with a label each, got {len(paths)} with {len(labels)} labels."
            )
        self.maker = BatchMaker(
            paths, labels, classes, preprocessing, augmentation or NOTHING, batch_size, seed, shuffle
        )
        self.epoch = epoch
        self._pool = WorkerPool(self.maker, workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.close()

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.maker)

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """The batches of the next epoch.

        Raises:
            FormatError: a photograph cannot be decoded; the message names it.
            DataError: it cannot be read, or a worker died.
        """
        self.epoch += 1
        return self.batches(self.epoch - 1)

    def batches(self, epoch: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """The batches of any epoch; errors as ``iter()``."""
        for content in self._pool.map([epoch, number] for number in range(len(self))):
            yield self.maker.arrays(content)
