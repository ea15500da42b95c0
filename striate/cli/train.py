"""``striate train``: from digits, or from a folder of photographs, to a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.architectures import ARCHITECTURES
from striate.cli.data import is_folder

if TYPE_CHECKING:
    from striate.runs.fine_tuning import Freeze

#: Options for one kind of data only, and those that may be combined with --resume.
DIGITS_ONLY = {"limit"}
PHOTOS_ONLY = {"weights", "freeze", "depth_rate", "size", "augment", "workers"}
WHEN_RESUMING = {"resume", "workers", "verbose"}


def train(
    context: typer.Context,
    data: Annotated[
        str | None,
        typer.Argument(help="What to train on: mnist, handwritten digits; or a folder with a sub-folder per class."),
    ] = None,
    arch: Annotated[str, typer.Option(help=f"Architecture: {', '.join(ARCHITECTURES)}.")] = "simple",
    weights: Annotated[
        Path | None, typer.Option(help="Photos: fine-tune these weights, a file or a run; default: train from scratch.")
    ] = None,
    freeze: Annotated[str, typer.Option(help="Photos: how many of the first layers to freeze, or all-but-head.")] = "0",
    depth_rate: Annotated[
        float | None,
        typer.Option(
            help="Photos: learning rate of the first layer as a share of the last's; default: 1, or 0.1 with --weights."
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the data.")] = 5,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Images per step; default: 128 digits or 32 photos.")
    ] = None,
    learning_rate: Annotated[float, typer.Option(min=0, help="Peak of the one-cycle schedule.")] = 0.003,
    size: Annotated[
        int | None, typer.Option(min=1, help="Photos: side of the input in pixels; default: the architecture's own.")
    ] = None,
    augment: Annotated[
        str,
        typer.Option(help="Photos: any of crop, flip, jitter, randaugment, erasing, mixup, cutmix; or none."),
    ] = "crop,flip,jitter",
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Same seed, same file, byte for byte.")] = 0,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Photos: processes that decode; 0: none; default: one per core, at most 2."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write, default model.safetensors; for photos the run folder, default in runs."),
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Photos: continue a run that was stopped.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Digits: use only so many images, for a quick try.")] = None,
    verbose: Annotated[
        int, typer.Option(min=0, max=2, help="0: only the result; 1: also a bar, on a terminal; 2: a line per epoch.")
    ] = 1,
) -> None:
    """Train a network on digits or on photographs, and write it to a file or a run folder."""
    given = {name for name in context.params if str(context.get_parameter_source(name)) != "ParameterSource.DEFAULT"}
    if resume is not None:
        _refuse_options(given - WHEN_RESUMING, "with --resume: a run continues with its own settings")
        return _resume(resume, workers, verbose)
    if data is None:
        raise typer.BadParameter("expected mnist or a folder of photographs.", param_hint="data")
    if arch not in ARCHITECTURES:
        raise typer.BadParameter(f"expected one of {', '.join(ARCHITECTURES)}; got {arch!r}.", param_hint="--arch")
    if not is_folder(data):
        from striate.cli.train_digits import train_digits

        _refuse_options(given & PHOTOS_ONLY, "with mnist: they are for photographs")
        train_digits(
            arch, epochs, batch_size or 128, learning_rate, seed, out or Path("model.safetensors"), limit, verbose
        )
        return None
    _refuse_options(given & DIGITS_ONLY, "with photographs: they are for mnist")

    from striate.cli.train_photos import train_photos
    from striate.data.augmentation import Augmentation
    from striate.runs import PhotoSettings

    if depth_rate is None:
        depth_rate = 1.0 if weights is None else 0.1
    settings = PhotoSettings(
        folder=data,
        arch=arch,
        weights=None if weights is None else str(weights),
        freeze=_freeze(freeze),
        depth_rate=depth_rate,
        size=size,
        epochs=epochs,
        batch_size=batch_size or 32,
        learning_rate=learning_rate,
        augmentation=Augmentation(() if augment == "none" else tuple(augment.split(","))),
        seed=seed,
    )
    return train_photos(settings, None, out, workers, verbose)


def _resume(path: Path, workers: int | None, verbose: int) -> None:
    from striate.cli.train_photos import train_photos
    from striate.runs import PhotoSettings, RunFolder

    run = RunFolder(path)
    train_photos(PhotoSettings.from_json(run.config().get("settings", {})), run, None, workers, verbose)


def _refuse_options(names: set[str], why: str) -> None:
    if names:
        shown = ", ".join(f"--{name.replace('_', '-')}" if name != "data" else name for name in sorted(names))
        raise typer.BadParameter(f"expected none {why}.", param_hint=shown)


def _freeze(value: str) -> "Freeze":
    if value == "all-but-head":
        return "all-but-head"
    if not value.isdecimal():
        raise typer.BadParameter(f"expected a number of layers, or all-but-head; got {value!r}.", param_hint="--freeze")
    return int(value)
