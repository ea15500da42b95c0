"""``striate train mnist``: from digits to a model file."""

import tempfile
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import typer

from striate.architectures import ARCHITECTURES
from striate.cli.data import CLASSES, load_digits
from striate.cli.output import complain, say_table
from striate.cli.progress import TrainingProgress
from striate.data import Preprocessing
from striate.errors import FormatError
from striate.models.formats import writer
from striate.models.summary import readable_bytes
from striate.random import set_seed
from striate.training.optimizers import Adam
from striate.training.schedules import OneCycle


def train_digits(
    arch: str, epochs: int, batch_size: int, learning_rate: float, seed: int, out: Path, limit: int | None, verbose: int
) -> None:
    """Train on handwritten digits, and write the model; arguments as the options of ``striate train``."""
    check_writable(out)
    set_seed(seed)
    x, y = load_digits("train", limit)
    model = ARCHITECTURES[arch].build(classes=len(CLASSES), input_shape=x.shape[1:])
    steps = epochs * -(-len(x) // batch_size)
    schedule = OneCycle(learning_rate, max(steps, 2))  # a cycle goes up and down
    model.compile(Adam(schedule), "sparse_categorical_crossentropy", ["accuracy"])
    started = time.perf_counter()
    with TrainingProgress(epochs, len(x), batch_size, verbose) as progress:
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # progress looks at every loss
                model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=[progress])
        except KeyboardInterrupt:
            complain(
                f"train: stopped in epoch {progress.epoch + 1} of {epochs}, after {progress.images:,} of its "
                f"{len(x):,} images; {out} was not written."
            )
            raise typer.Exit(130) from None
    duration = timedelta(seconds=round(time.perf_counter() - started))

    model.preprocessing, model.classes = Preprocessing(), CLASSES
    x_test, y_test = load_digits("test", limit)
    loss, accuracy = model.evaluate(x_test, y_test, batch_size=256, verbose=0)
    model.save(out)
    rows = [
        ("Test accuracy", f"{accuracy:.2%} of {len(x_test):,} digits"),
        ("Test loss", f"{loss:.4f}"),
        ("Time", str(duration)),
        ("Parameters", f"{model.count_params():,}"),
        ("Seed", str(seed)),
        ("File", f"{out} ({readable_bytes(out.stat().st_size)})"),
    ]
    say_table(("", ""), rows, left=2, title=f"{model.name}, trained on {len(x):,} digits")


def check_writable(path: Path) -> None:
    """Refuse a path that the model could not be written to, before hours of training rather than after.

    Raises:
        ArgumentError: the suffix is not supported.
        FormatError: the folder does not exist or cannot be written to, or the path is not a regular file.
    """
    writer("save", path)
    try:
        if path.exists() and not path.is_file():
            raise FormatError(f"train: cannot write {path}: it is not a regular file. Give --out the path of a file.")
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise FormatError(f"train: cannot write {path}: {error.strerror}. Give --out another path.") from None
