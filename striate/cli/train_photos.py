"""``striate train FOLDER``: from photographs to a run folder."""

import time
from datetime import datetime, timedelta
from pathlib import Path

import typer

from striate.cli.output import complain, console, say, say_table
from striate.cli.progress import TrainingProgress
from striate.data.workers import workers_wanted
from striate.errors import StriateError
from striate.runs import PhotoSettings, PhotoTraining, RunFolder, write_report
from striate.runs.folder import REPORT
from striate.runs.training import TrainedPhotos


def train_photos(
    settings: PhotoSettings, run: RunFolder | None, out: Path | None, workers: int | None, verbose: int
) -> None:
    """Check the photographs, train, and fill a run folder.

    Arguments:
        settings: of the training.
        run: the run to continue; None: a new one.
        out: folder of a new run; None: in ``runs``, named after the time.
        workers: processes that decode; None: as many as pay off.
        verbose: see `TrainingProgress`.
    """
    started = time.perf_counter()
    try:
        with console().status("checking pictures") as status:
            training = PhotoTraining(
                settings,
                workers=workers_wanted(workers),
                progress=lambda count: status.update(f"checking pictures: {count:,}"),
                resumed=run,
            )
    except KeyboardInterrupt:
        complain("train: stopped while checking the pictures; nothing was written.")
        raise typer.Exit(130) from None
    if run is None:
        run = RunFolder.create(out or new_run_path(settings), training.config())
    if verbose:
        describe_data(training)
    progress = TrainingProgress(settings.epochs, training.images, settings.batch_size, verbose)
    try:
        with progress:
            trained = training.run(run, [progress])
        write_report(training, trained, run)
    except KeyboardInterrupt:
        complain(
            f"train: stopped in epoch {progress.epoch + 1} of {settings.epochs}, after {progress.images:,} of its "
            f"{training.images:,} images. Continue with: striate train --resume {run.path}"
        )
        raise typer.Exit(130) from None
    except (StriateError, OSError):
        complain(f"train: finished epochs are kept. Continue with: striate train --resume {run.path}")
        raise
    show_result(training, trained, run, timedelta(seconds=round(time.perf_counter() - started)))


def new_run_path(settings: PhotoSettings) -> Path:
    """``runs/<date-time>-<folder>-<architecture>``."""
    return Path("runs", f"{datetime.now():%Y-%m-%d-%H%M%S}-{Path(settings.folder).resolve().name}-{settings.arch}")


def describe_data(training: PhotoTraining) -> None:
    """Say how many photographs there are, and what the checks found."""
    counts = ", ".join(f"{len(photos):,} for {use}" for use, photos in _uses(training).items())
    say(f"{len(training.photos.classes)} classes: {counts}")
    for finding in training.findings:
        say(f"  {finding}")


def _uses(training: PhotoTraining) -> dict[str, list[object]]:
    uses = {"train": "training", "validation": "validation", "test": "testing"}
    splits = training.photos.splits
    return {use: list(splits[split]) for split, use in uses.items() if splits.get(split)}


def show_result(training: PhotoTraining, trained: TrainedPhotos, run: RunFolder, duration: timedelta) -> None:
    """The table at the end."""
    scores, settings = trained.scores, training.settings
    rows = [
        (f"{trained.split.capitalize()} accuracy", f"{scores.accuracy:.2%} of {len(scores.labels):,} pictures"),
        (f"{trained.split.capitalize()} loss", f"{scores.loss:.4f}"),
        ("Calibration error", f"{scores.calibration_error:.2%}"),
        ("Time", str(duration)),
        ("Parameters", f"{trained.model.count_params():,}"),
        ("Seed", str(settings.seed)),
        ("Run", str(run.path)),
        ("Report", str(run.path / REPORT)),
    ]
    pictures = len(training.photos.splits["train"])
    say_table(("", ""), rows, left=2, title=f"{settings.arch}, trained on {pictures:,} pictures")
