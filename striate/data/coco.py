"""COCO's annotations of objects: images, categories and boxes in one JSON file, the format of most detection data.

    {"images": [{"id": 42, "file_name": "a.jpg", "width": 640, "height": 480}, …],
     "categories": [{"id": 18, "name": "dog"}, …],
     "annotations": [{"image_id": 42, "category_id": 18, "bbox": [x, y, width, height], "iscrowd": 0}, …]}

Outlines (``segmentation``) and everything else are ignored.

Source: https://cocodataset.org/#format-data
"""

import os
import reprlib
from typing import Any, NamedTuple, NoReturn, TypeGuard

import numpy as np
from numpy.typing import NDArray

from striate.data import strict_json
from striate.data.files import open_regular, read_at_most
from striate.errors import FormatError, LimitError

__all__ = ["Coco", "CocoImage", "read_coco"]

#: The official file of the 5,000 images for validation has 20 million.
MAX_BYTES = 32 << 20
#: Bytes of text for each list and object, at least; official files have a hundred.
CONTAINER = 16
#: Pixels; also of a box, which may begin outside its image.
MAX_SIDE = 1 << 20


class CocoImage(NamedTuple):
    """One image and the objects on it.

    Arguments:
        name: the name of its file, below the folder of images.
        size: (H, W) in pixels.
        boxes: (N, 4), float32: x and y of the upper left corner, width, height, in pixels.
        labels: (N,), int64: the number of each box's class in `Coco.classes`.
        crowd: (N,), bool: the box surrounds a group of objects: none has to be detected, any number may be.
    """

    name: str
    size: tuple[int, int]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]


class Coco(NamedTuple):
    """What a file of annotations holds.

    Arguments:
        classes: names of the categories in the order of their ids, which in COCO have gaps: 80 between 1 and 90.
        images: in the order of the file, including those without boxes.
    """

    classes: tuple[str, ...]
    images: tuple[CocoImage, ...]


def read_coco(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Coco:
    """Return the images, classes and boxes of a COCO file of annotations (``instances_….json``).

    Arguments:
        path: the file.
        max_bytes: the longest file that is read (default 32 MiB); Python's objects take some ten times its length.

    Raises:
        FormatError: the file is not JSON or not COCO: something is missing, of the wrong type, given twice, or refers
            to something missing; a file name leads outside its folder; a box has a negative side.
        LimitError: the file is longer than ``max_bytes``.
        FileNotFoundError: there is no such file.
    """
    with open_regular(path, "read_coco") as file:
        content = read_at_most(file, max_bytes + 1)
    if len(content) > max_bytes:
        raise LimitError(
            f"read_coco: expected at most {max_bytes:,} bytes, got more: {path}. Raise max_bytes if you trust the file."
        )
    try:
        containers = max(strict_json.MAX_CONTAINERS, len(content) // CONTAINER)
        document = strict_json.parse(content, max_bytes, containers)
    except ValueError as error:
        raise FormatError(f"read_coco: expected strict JSON: {error}: {path}.") from error
    try:
        return _coco(document)
    except ValueError as error:
        raise FormatError(f"read_coco: {error}: {path}.") from error


def _coco(document: Any) -> Coco:
    if not isinstance(document, dict):
        _expected("an object with images, categories and annotations", document)
    images = _by_id(document, "images")
    categories = _by_id(document, "categories")
    classes = {key: (number, _text(categories[key], "name")) for number, key in enumerate(sorted(categories))}
    boxes: dict[int, list[tuple[list[float], int, bool]]] = {key: [] for key in images}
    for annotation in _objects(document, "annotations"):
        image, category = annotation.get("image_id"), annotation.get("category_id")
        if not _whole(image) or image not in images:
            _expected("the image_id of one of the images", image, annotation)
        if not _whole(category) or category not in classes:
            _expected("the category_id of one of the categories", category, annotation)
        crowd = annotation.get("iscrowd", 0)
        if crowd not in (0, 1):
            _expected("iscrowd 0 or 1", crowd, annotation)
        boxes[image].append((_box(annotation), classes[category][0], bool(crowd)))
    return Coco(
        tuple(name for _, name in classes.values()), tuple(_image(images[key], found) for key, found in boxes.items())
    )


def _image(image: dict[str, Any], found: list[tuple[list[float], int, bool]]) -> CocoImage:
    from striate.data.archives import OUTSIDE

    name = _text(image, "file_name")
    if OUTSIDE.fullmatch(name):
        _expected("a file_name inside the folder of images", name, image)
    return CocoImage(
        name,
        (_side(image, "height"), _side(image, "width")),
        np.array([box for box, _, _ in found], np.float32).reshape(-1, 4),
        np.array([label for _, label, _ in found], np.int64),
        np.array([crowd for _, _, crowd in found], np.bool_),
    )


def _side(image: dict[str, Any], key: str) -> int:
    side = image.get(key)
    if not _whole(side) or not 1 <= side <= MAX_SIDE:
        _expected(f"a {key} from 1 to {MAX_SIDE:,}", side, image)
    return side


def _box(annotation: dict[str, Any]) -> list[float]:
    box = annotation.get("bbox")
    if not (
        isinstance(box, list)
        and len(box) == 4
        and all(type(number) in (int, float) and abs(number) <= MAX_SIDE for number in box)
        and min(box[2:]) >= 0
    ):
        _expected(f"a bbox [x, y, width, height] up to {MAX_SIDE:,}, without negative sides", box, annotation)
    return box


def _by_id(document: dict[str, Any], key: str) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for item in _objects(document, key):
        number = item.get("id")
        if not _whole(number):
            _expected(f"an integer as id in {key!r}", number, item)
        if number in found:
            _expected(f"unique ids in {key!r}", number, item)
        found[number] = item
    return found


def _objects(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    items = document.get(key)
    if not isinstance(items, list):
        _expected(f"a list {key!r}", items, document)
    for item in items:
        if not isinstance(item, dict):
            _expected(f"objects in {key!r}", item, items)
    return items


def _text(item: dict[str, Any], key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value:
        _expected(f"a text {key!r}", value, item)
    return value


def _whole(value: Any) -> TypeGuard[int]:
    return type(value) is int  # True and False are not numbers here


def _expected(what: str, got: Any, within: Any = None) -> NoReturn:
    place = "" if within is None else f" in {reprlib.repr(within)}"
    raise ValueError(f"expected {what}, got {reprlib.repr(got)}{place}")
