"""Checking every photograph of a folder before a network is trained on it."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from striate.data.files import open_regular
from striate.data.images import FORMATS, SUFFIX_OF, decode_image
from striate.data.photo_folder import SPLITS, Photo, PhotoFolder
from striate.data.workers import Note, WorkerPool
from striate.errors import DataError, StriateError

__all__ = ["Finding", "Inspection", "Seen", "check_photos", "data_hash", "left_out"]

CHUNK = 16  # photographs that a worker looks at in one go
EXAMPLES = 3
#: A largest class in "train" of more than this many times the smallest is reported.
IMBALANCE = 3
#: What may be special about a picture that can still be used.
ANIMATED, CMYK = "animated pictures", "CMYK pictures"
DEEP, TURNED = "pictures of 16 bits per channel", "pictures with an EXIF orientation"


@dataclass(frozen=True)
class Seen:
    """What is known about one photograph after it was decoded.

    Arguments:
        error: why it cannot be used; the other values are invalid then.
        digest: SHA-256 of height, width and the decoded pixels.
        height, width: in pixels, upright.
        format: what the content is, whatever the name says.
        notes: what is special about it, such as `ANIMATED`.
    """

    error: str = ""
    digest: str = ""
    height: int = 0
    width: int = 0
    format: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Something that was found in a folder of photographs.

    Arguments:
        what: one plain phrase.
        count: how often.
        examples: the first few: names of files, or of classes.
        consequence: what is done about it.
    """

    what: str
    count: int
    examples: tuple[str, ...]
    consequence: str

    def __str__(self) -> str:
        more = ", …" if self.count > len(self.examples) else ""
        return f"{self.what}: {self.count:,} ({', '.join(self.examples)}{more}); {self.consequence}"


@dataclass(frozen=True)
class Inspection:
    """Decodes photographs to tell what they are: a task for workers, whose items are lists of paths."""

    def run(self, item: Sequence[str], note: Note) -> bytes:
        seen = []
        for path in item:
            note(path)
            seen.append(asdict(inspect(path)))
        return json.dumps(seen).encode()

    def to_json(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        return cls(**values)


def inspect(path: str) -> Seen:
    """What a file is; why it is not a usable picture is part of the answer, not an error."""
    from PIL import Image

    try:
        pixels = decode_image(path)
        with open_regular(path, "inspect") as file, Image.open(file, formats=FORMATS) as image:
            frames, mode, orientation = getattr(image, "n_frames", 1), image.mode, image.getexif().get(0x0112, 1)
            kind = image.format or ""
    except StriateError as error:
        return Seen(error=str(error).removeprefix("decode_image: ").removesuffix(f": {path}."))
    except OSError as error:
        return Seen(error=error.strerror or str(error))
    height, width = pixels.shape[:2]
    hashed = hashlib.sha256(f"{height} × {width} ".encode())
    hashed.update(pixels.data)
    notes = {ANIMATED: frames > 1, CMYK: mode == "CMYK", DEEP: mode.startswith("I"), TURNED: orientation != 1}
    known = tuple(name for name, holds in notes.items() if holds)
    return Seen("", hashed.hexdigest(), height, width, kind, known)


def check_photos(
    folder: PhotoFolder,
    *,
    size: tuple[int, int],
    workers: int = 0,
    progress: Callable[[int], None] = lambda count: None,
) -> tuple[list[Finding], dict[str, Seen]]:
    """Decode every photograph, remove from ``folder`` what training must not see, and report what was found.

    Unreadable files are removed, and so are copies in "train" of photographs in "validation" or "test" (and in
    "validation" of those in "test"), because a network must not be tested on what it was trained on. A class with
    nothing left in "train" is removed too. Everything else is only reported.

    Arguments:
        folder: its ``splits`` and ``classes`` are changed.
        size: (height, width) of the network's input.
        workers: processes that decode.
        progress: called with the number of photographs done, after every few.

    Returns:
        The findings, and what is known about each photograph, by name.

    Raises:
        DataError: fewer than two classes with a usable photograph to train on, or none to validate with.
    """
    photos = [photo for split in folder.splits.values() for photo in split]
    seen: dict[str, Seen] = {}
    chunks = [photos[i : i + CHUNK] for i in range(0, len(photos), CHUNK)]
    with WorkerPool(Inspection(), workers) as pool:
        answers = pool.map([folder.path(photo) for photo in chunk] for chunk in chunks)
        for chunk, answer in zip(chunks, answers, strict=True):
            seen.update({photo.name: _seen(one) for photo, one in zip(chunk, json.loads(answer), strict=True)})
            progress(len(seen))
    findings = [
        *left_out(folder),
        *_unusable(folder, seen),
        *_unexpected(seen),
        *_copies(folder, seen),
        *_smaller(seen, size),
        *_without_pictures(folder),
        *_imbalance(folder),
    ]
    _check_enough(folder, findings)
    return findings, seen


def data_hash(folder: PhotoFolder, seen: dict[str, Seen]) -> str:
    """SHA-256 of what a network is trained and tested on: splits, names, classes and decoded pixels."""
    lines = [
        [split, photo.name, folder.classes[photo.label], seen[photo.name].digest]
        for split in sorted(folder.splits)
        for photo in folder.splits[split]
    ]
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()


def _seen(values: dict[str, Any]) -> Seen:
    return Seen(**values | {"notes": tuple(values["notes"])})


def _finding(what: str, names: Sequence[str], consequence: str) -> Iterator[Finding]:
    if names:
        yield Finding(what, len(names), tuple(names[:EXAMPLES]), consequence)


def left_out(folder: PhotoFolder) -> Iterator[Finding]:
    """What a folder holds that is left out."""
    yield from _finding("hidden files and folders", folder.hidden, "left out")
    yield from _finding("other files and folders", folder.others, "left out")


def _unusable(folder: PhotoFolder, seen: dict[str, Seen]) -> Iterator[Finding]:
    bad = [f"{name} ({one.error})" for name, one in seen.items() if one.error]
    for split, photos in folder.splits.items():
        folder.splits[split] = [photo for photo in photos if not seen[photo.name].error]
    yield from _finding("unreadable pictures", bad, "left out")


def _unexpected(seen: dict[str, Seen]) -> Iterator[Finding]:
    usable = {name: one for name, one in seen.items() if not one.error}
    mislabelled = [
        f"{name} ({one.format})"
        for name, one in usable.items()
        if Path(name).suffix.lower() not in SUFFIX_OF[one.format]
    ]
    yield from _finding("pictures whose format is not the one of their name", mislabelled, "read by content")
    for note, consequence in (
        (ANIMATED, "the first frame is used"),
        (CMYK, "converted to RGB"),
        (DEEP, "the high 8 bits are used"),
        (TURNED, "turned upright"),
    ):
        yield from _finding(note, [n for n, one in usable.items() if note in one.notes], consequence)


def _copies(folder: PhotoFolder, seen: dict[str, Seen]) -> Iterator[Finding]:
    """Photographs with the same pixels: of two classes, in two splits, twice in one split."""
    same: dict[str, list[tuple[str, Photo]]] = defaultdict(list)
    for split in SPLITS:
        for photo in folder.splits.get(split, []):
            same[seen[photo.name].digest].append((split, photo))
    contradictions, across, within = [], [], []
    for group in same.values():
        (first_split, first), *rest = group
        for split, photo in rest:
            pair = f"{photo.name} = {first.name}"
            if split != first_split:
                across.append((split, photo, pair))
            else:
                within.append(pair)
            if photo.label != first.label:
                contradictions.append(pair)
    copies = {(split, photo) for split, photo, _ in across}
    for split, photos in folder.splits.items():
        folder.splits[split] = [photo for photo in photos if (split, photo) not in copies]
    yield from _finding("the same picture in two classes", contradictions, "one of the two is wrong: please check")
    pairs = [pair for _, _, pair in across]
    yield from _finding("the same picture in two splits", pairs, "removed from train (or validation)")
    yield from _finding("the same picture twice in one split", within, "both are used")


def _smaller(seen: dict[str, Seen], size: tuple[int, int]) -> Iterator[Finding]:
    small = [
        f"{name} ({one.height} × {one.width})"
        for name, one in seen.items()
        if not one.error and (one.height < size[0] or one.width < size[1])
    ]
    yield from _finding(f"pictures smaller than the network's {size[0]} × {size[1]}", small, "scaled up")


def _without_pictures(folder: PhotoFolder) -> Iterator[Finding]:
    def empty(split: str) -> list[str]:
        return [name for name, count in zip(folder.classes, folder.counts(split), strict=True) if not count]

    without = empty("train")
    folder.leave_out(without)
    yield from _finding("classes without a usable picture to train on", without, "left out")
    for split in folder.splits:
        if split != "train":
            yield from _finding(f"classes without a usable picture in {split}", empty(split), "not tested there")


def _imbalance(folder: PhotoFolder) -> Iterator[Finding]:
    counts = dict(zip(folder.classes, folder.counts("train"), strict=True))
    if not counts:
        return
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if counts[most] > IMBALANCE * counts[least]:
        shown = tuple(f"{name}: {counts[name]:,}" for name in (most, least))
        yield Finding("classes of very different size", len(counts), shown, "accuracy alone is misleading: see recall")


def _check_enough(folder: PhotoFolder, findings: Sequence[Finding]) -> None:
    found = "; ".join(map(str, findings))
    if len(folder.classes) < 2:
        raise DataError(
            "check_photos: expected at least two classes with usable pictures to train on, got "
            f"{', '.join(folder.classes) or 'none'}. Found: {found or 'nothing else'}."
        )
    if not folder.splits.get("validation"):
        raise DataError(
            "check_photos: expected pictures to validate with, got none. Add more pictures of each class, or a folder "
            f"'validation'. Found: {found or 'nothing else'}."
        )
