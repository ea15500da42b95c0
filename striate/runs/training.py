"""From a folder of photographs to a run folder: checked data, a trained network, a report."""

import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np

from striate.architectures import ARCHITECTURES
from striate.architectures.architecture import for_size
from striate.data.augmentation import Augmentation
from striate.data.checks import Finding, check_photos, data_hash
from striate.data.photo import PhotoPreprocessing
from striate.data.photo_batches import PhotoBatches
from striate.data.photo_folder import Photo, PhotoFolder, find_photos
from striate.errors import ArgumentError, DataError, FormatError
from striate.models import Model, load_model
from striate.models.checkpoint import load_checkpoint, save_checkpoint
from striate.random import set_seed
from striate.runs.fine_tuning import Freeze, freeze_layers, set_depth_rates, weights_file
from striate.runs.folder import CHECKPOINT, MODEL, RunFolder
from striate.runs.scores import Scores, score
from striate.training.callbacks import Callback
from striate.training.callbacks.callback import Logs
from striate.training.optimizers import AdamW
from striate.training.schedules import OneCycle

__all__ = ["PhotoSettings", "PhotoTraining", "TrainedPhotos", "photo_scores"]

DEFAULT_SIDE = 64  # of the input of architectures without a published one for photographs
TESTED_ON = ("test", "validation")  # the results are of the first of these that there is
DISTRIBUTIONS = ("striate", "numpy", "pillow", "llvmlite")


@dataclass(frozen=True)
class PhotoSettings:
    """Everything that decides the result, besides the photographs and the initial weights.

    Arguments:
        folder: of the photographs.
        arch: name of the architecture.
        weights: file or run to fine-tune; None: train from scratch.
        freeze: how many layers to freeze; see `freeze_layers`.
        depth_rate: learning rate of the first layer as a share of the last's; see `set_depth_rates`.
        size: side of the network's input; None: the architecture's own.
        epochs, batch_size: of training.
        learning_rate: peak of the one-cycle schedule of AdamW.
        weight_decay: of AdamW.
        augmentation: of pictures in training.
        seed: of weights, order, augmentation, and the choice of validation pictures.
        validation_share: share of the pictures that is held out if there is no folder "validation".
    """

    folder: str
    arch: str = "simple"
    weights: str | None = None
    freeze: Freeze = 0
    depth_rate: float = 1.0
    size: int | None = None
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 0.003
    weight_decay: float = 0.01
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0
    validation_share: float = 0.2

    def to_json(self) -> dict[str, Any]:
        """The values as a dictionary that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The settings that `to_json` described.

        Raises:
            FormatError: names are unknown or missing.
        """
        try:
            return cls(**dict(values) | {"augmentation": Augmentation.from_json(values["augmentation"])})
        except (TypeError, KeyError, ArgumentError) as error:
            raise FormatError(f"train: these are not the settings of a run: {error}.") from None


@dataclass(frozen=True)
class TrainedPhotos:
    """The result of a training.

    Arguments:
        model: the best one.
        split: that ``scores`` were computed on, "test" or "validation".
        photos: the photographs of that split, in the order of the scores.
        scores: how good the best model is.
    """

    model: Model
    split: str
    photos: Sequence[Photo]
    scores: Scores


class PhotoTraining:
    """A network, and the checked photographs to train it on.

    Arguments:
        settings: of the training.
        workers: processes that decode and augment; the result does not depend on it.
        progress: called with the number of photographs checked so far.
        resumed: the run to continue, if any.

    Raises:
        DataError: there are no usable photographs; or, when resuming, the photographs have changed.
        FormatError: the weights or the run cannot be read.
        ArgumentError, ModelError: settings that fit neither the architecture nor the weights.
    """

    def __init__(
        self,
        settings: PhotoSettings,
        *,
        workers: int = 0,
        progress: Callable[[int], None] = lambda count: None,
        resumed: RunFolder | None = None,
    ):
        self.settings, self.workers = settings, workers
        self.photos: PhotoFolder = find_photos(settings.folder)
        if "validation" not in self.photos.splits:
            self.photos.hold_out(settings.validation_share, settings.seed)
        # Before the pictures are looked at, so that settings which do not fit are found at once.
        self.model, self.preprocessing = self._network()
        classes = self.photos.classes
        self.findings: list[Finding]
        self.findings, seen = check_photos(
            self.photos, size=self.preprocessing.size, workers=workers, progress=progress
        )
        self.hash = data_hash(self.photos, seen)
        if self.photos.classes != classes:
            self.model, self.preprocessing = self._network()
        if resumed and resumed.config().get("data", {}).get("hash") != self.hash:
            raise DataError(
                f"train: expected the photographs that {resumed.path} was started with, got others in "
                f"{settings.folder}. Restore them, or start a new run."
            )

    @property
    def images(self) -> int:
        """Photographs in an epoch: complete batches only."""
        return len(self._batches("train")) * min(self.settings.batch_size, len(self.photos.splits["train"]))

    def config(self) -> dict[str, Any]:
        """The content of config.json for this training."""
        return {
            "settings": self.settings.to_json(),
            "preprocessing": self.preprocessing.to_json(),
            "data": {
                "hash": self.hash,
                "classes": list(self.photos.classes),
                "pictures": {split: self.photos.counts(split) for split in self.photos.splits},
                "findings": [asdict(finding) for finding in self.findings],
            },
            "parameters": self.model.count_params(),
            "versions": {"python": platform.python_version(), "machine": platform.machine()}
            | {name: version(name) for name in DISTRIBUTIONS},
        }

    def run(self, run: RunFolder, callbacks: Sequence[Callback] = ()) -> TrainedPhotos:
        """Train, and fill the run folder; if it has a checkpoint, training continues after its last epoch.

        Arguments:
            run: the run folder.
            callbacks: as for `fit`.

        Raises:
            FormatError: a photograph or the checkpoint cannot be read, or the run cannot be written.
            DataError: a photograph has vanished, or a worker died.
        """
        with self._batches("train", self.workers) as train, self._batches("validation", self.workers) as validation:
            schedule = OneCycle(self.settings.learning_rate, max(self.settings.epochs * len(train), 2))
            optimizer = AdamW(schedule, weight_decay=self.settings.weight_decay)
            self.model.compile(optimizer, "categorical_crossentropy", ["accuracy"])
            recorder = Recorder(run, self.model)
            train.epoch = recorder.epochs
            with np.errstate(over="ignore", invalid="ignore"):  # callbacks look at every loss
                self.model.fit(
                    train,
                    validation_data=validation,
                    epochs=self.settings.epochs,
                    initial_epoch=recorder.epochs,
                    verbose=0,
                    callbacks=[*callbacks, recorder],
                )
        best = load_model(run.path / MODEL)
        split = next(split for split in TESTED_ON if self.photos.splits.get(split))
        with self._batches(split, self.workers) as batches:
            return TrainedPhotos(best, split, self.photos.splits[split], photo_scores(best, batches))

    def _network(self) -> tuple[Model, PhotoPreprocessing]:
        """The network before its first step, and how photographs are prepared for it."""
        settings = self.settings
        if settings.arch not in ARCHITECTURES:
            raise ArgumentError(f"train: expected one of {', '.join(ARCHITECTURES)}; got {settings.arch!r}.")
        architecture = ARCHITECTURES[settings.arch]
        file, saved = weights_file(Path(settings.weights)) if settings.weights else (None, None)
        known = saved or architecture.preprocessing
        side = settings.size or (min(known.size) if known else DEFAULT_SIDE)
        set_seed(settings.seed)
        model = architecture.build(weights=file, classes=len(self.photos.classes), input_shape=(side, side, 3))
        freeze_layers(model, settings.freeze)
        set_depth_rates(model, settings.depth_rate)
        preprocessing = for_size(saved, (side, side)) if saved else model.preprocessing
        if not isinstance(preprocessing, PhotoPreprocessing):
            preprocessing = PhotoPreprocessing((side, side), side, (127.5,), (64.0,))
        model.preprocessing, model.classes = preprocessing, self.photos.classes
        return model, preprocessing

    def _batches(self, split: str, workers: int = 0) -> PhotoBatches:
        photos = self.photos.splits[split]
        train = split == "train"
        return PhotoBatches(
            [self.photos.path(photo) for photo in photos],
            [photo.label for photo in photos],
            len(self.photos.classes),
            self.preprocessing,
            batch_size=self.settings.batch_size,
            augmentation=self.settings.augmentation if train else None,
            shuffle=train,
            seed=self.settings.seed,
            workers=workers,
        )


def photo_scores(model: Model, batches: PhotoBatches) -> Scores:
    """How good a model is on photographs; their order is that of ``batches``, which must not be shuffled."""
    probabilities = model.predict(images for images, _ in batches)
    return score(np.asarray(batches.maker.labels), probabilities)


class Recorder(Callback):
    """Writes the run folder after each epoch: the log, the model if it is the best yet, and the checkpoint, last.

    Whenever the program is stopped, the checkpoint says which epoch comes next, and it rewrites the other files.

    Arguments:
        run: the run folder; if it has a checkpoint, ``model`` is restored from it.
        model: compiled.
    """

    def __init__(self, run: RunFolder, model: Model):
        self.run = run
        self.epochs = 0  # finished
        self.best = [-math.inf, -math.inf]
        if (run.path / CHECKPOINT).exists():
            progress = load_checkpoint(model, run.path / CHECKPOINT)
            self.epochs, self.best = int(progress["epochs"]), list(progress["best"])
        self.lines = run.log()[: self.epochs]
        self._trained = model
        self._started = self._rate = 0.0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._started = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._rate = self._trained.optimizer.learning_rate

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = {name: float(value) for name, value in (logs or {}).items()}
        self.epochs = epoch + 1
        self.lines.append(
            {"epoch": self.epochs}
            | {name: value if math.isfinite(value) else None for name, value in logs.items()}
            | {
                "learning_rate": self._rate,
                "seconds": round(time.perf_counter() - self._started, 3),
            }
        )
        self.run.write_log(self.lines)
        value = [logs["val_accuracy"], -logs["val_loss"] if math.isfinite(logs["val_loss"]) else -1e30]
        if value > self.best:
            self.best = value
            self._trained.save(self.run.path / MODEL)
        save_checkpoint(self._trained, self.run.path / CHECKPOINT, {"epochs": self.epochs, "best": self.best})
