"""Folders of photographs: one sub-folder for each class, in one folder or in one for each split."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from striate.data.images import FORMATS, is_picture
from striate.errors import DataError
from striate.random import permutation

__all__ = ["SPLITS", "Photo", "PhotoFolder", "find_photos"]

#: What the folders of the three splits may be called. A picture in an earlier split is left out of later ones.
SPLITS = {
    "test": ("test", "testing"),
    "validation": ("validation", "val", "valid"),
    "train": ("train", "training"),
}


@dataclass(frozen=True)
class Photo:
    """One file of a folder of photographs.

    Arguments:
        name: its path in the folder, with forward slashes.
        label: the number of its class.
    """

    name: str
    label: int


@dataclass
class PhotoFolder:
    """What lies in a folder of photographs, before any of them was decoded.

    Arguments:
        root: the folder.
        classes: names of the classes, sorted.
        splits: the photographs of "train", and of "validation" and "test" where there are such folders.
        hidden: names of hidden files and folders, which are left out.
        others: names of files that are left out because they are not pictures, and of folders beside the splits.
    """

    root: Path
    classes: tuple[str, ...] = ()
    splits: dict[str, list[Photo]] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def path(self, photo: Photo) -> str:
        """Where the photograph's file is."""
        return os.path.join(self.root, photo.name)

    def hold_out(self, share: float, seed: int) -> None:
        """Move ``share`` of each class from "train" to "validation", chosen by the seed."""
        train = self.splits["train"]
        held: set[Photo] = set()
        for label in range(len(self.classes)):
            own = [photo for photo in train if photo.label == label]
            order = permutation(len(own), seed=seed, purpose="hold out", stream=label)
            held.update(own[i] for i in order[: round(share * len(own))])
        self.splits["train"] = [photo for photo in train if photo not in held]
        self.splits["validation"] = [photo for photo in train if photo in held]

    def leave_out(self, names: Sequence[str]) -> None:
        """Remove classes; the others are renumbered."""
        kept = [name for name in self.classes if name not in names]
        number = {self.classes.index(name): new for new, name in enumerate(kept)}
        for split, photos in self.splits.items():
            self.splits[split] = [Photo(one.name, number[one.label]) for one in photos if one.label in number]
        self.classes = tuple(kept)

    def counts(self, split: str) -> list[int]:
        """How many photographs of each class a split has."""
        labels = np.array([photo.label for photo in self.splits[split]], np.intp)
        return [int(count) for count in np.bincount(labels, minlength=len(self.classes))]


def find_photos(root: str | os.PathLike[str]) -> PhotoFolder:
    """The photos in ``root``: ``<class>/…``, or ``train/<class>/…`` beside ``validation/<class>/…`` or ``test/…``.

    Without a folder "train" everything is one split, "train". Deeper folders belong to the class above them.
    `is_picture` tells what is a picture; none is decoded.

    Raises:
        DataError: there is no such folder, it has no classes or no pictures, or a split has classes that "train" lacks.
        PermissionError: a folder cannot be read.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"find_photos: expected a folder, got {root}.")
    found = PhotoFolder(root)
    tops = {split: _folder_of(root, names) for split, names in SPLITS.items()}
    places = {split: top for split, top in tops.items() if top is not None} if tops["train"] else {"train": root}
    folders = {split: _visible_folders(place, found) for split, place in places.items()}
    if places["train"] != root:
        beside = _visible_folders(root, found)
        found.others += [name for name in beside if root / name not in places.values()]
    found.classes = tuple(folders["train"])
    for split, place in places.items():
        if unknown := [name for name in folders[split] if name not in found.classes]:
            raise DataError(
                f"find_photos: expected the classes of {places['train']} in {place}, got {', '.join(unknown)}."
            )
        found.splits[split] = [
            Photo(name, label)
            for label, folder in enumerate(found.classes)
            for name in _pictures(place / folder, found, needed=folder in folders[split])
        ]
    if not found.splits["train"]:
        raise DataError(
            f"find_photos: expected pictures ({', '.join(FORMATS)}) in a sub-folder of {places['train']} for "
            "each class, such as cats/1.jpg and dogs/1.jpg; got none."
        )
    # A folder's name may be any bytes; that of a class is text, which model files hold.
    found.classes = tuple(name.encode("utf-8", "backslashreplace").decode() for name in found.classes)
    return found


def _folder_of(root: Path, names: tuple[str, ...]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


def _visible_folders(place: Path, found: PhotoFolder) -> list[str]:
    visible = []
    for entry in sorted(place.iterdir()):
        name = entry.relative_to(found.root).as_posix()
        if entry.name.startswith("."):
            found.hidden.append(name)
        elif entry.is_dir():
            visible.append(entry.name)
        else:
            found.others.append(name)
    return visible


def _pictures(folder: Path, found: PhotoFolder, *, needed: bool) -> list[str]:
    """Names of the pictures under a class's folder."""
    if not needed:
        return []
    pictures: list[str] = []

    def refuse(error: OSError) -> None:
        raise error

    for place, folders, files in os.walk(folder, onerror=refuse):
        here = Path(place).relative_to(found.root)
        found.hidden += [(here / name).as_posix() for name in sorted(folders + files) if name.startswith(".")]
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                into = pictures if is_picture(os.path.join(place, name)) else found.others
                into.append((here / name).as_posix())
    return pictures
