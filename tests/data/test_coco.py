"""A8, R3: COCO's annotations of objects, as the page on the format shows them, damaged, and hostile."""

import contextlib
import copy
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data import read_coco
from striate.errors import FormatError, LimitError, StriateError

# Ids as in COCO's own file: neither from 0, nor without gaps, nor in order. The boxes are in tenths and hundredths.
DOCUMENT = {
    "info": {"year": 2017},
    "licenses": [],
    "images": [
        {"id": 397133, "file_name": "000000397133.jpg", "width": 640, "height": 427, "license": 4},
        {"id": 37777, "file_name": "val/000000037777.jpg", "width": 352, "height": 230},
        {"id": 5, "file_name": "empty.jpg", "width": 1, "height": 1},
    ],
    "categories": [
        {"supercategory": "kitchen", "id": 44, "name": "bottle"},
        {"supercategory": "person", "id": 1, "name": "person"},
        {"supercategory": "kitchen", "id": 90, "name": "löffel"},
    ],
    "annotations": [
        {"id": 1, "image_id": 37777, "category_id": 90, "bbox": [102.5, 118, 7.9, 17.31], "segmentation": [[1, 2, 3]]},
        {"id": 2, "image_id": 397133, "category_id": 44, "bbox": [217.62, 240.5, 38.99, 57.75], "iscrowd": 0},
        {"id": 3, "image_id": 397133, "category_id": 1, "bbox": [-0.5, 0, 640, 0], "iscrowd": 1, "area": 1e3},
    ],
}


@pytest.fixture
def save(tmp_path):
    def write(content) -> Path:
        path = tmp_path / "instances.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return write


def test_A8_coco_images_classes_and_boxes(save):
    classes, images = read_coco(save(DOCUMENT))
    assert classes == ("person", "bottle", "löffel")
    assert [image.name for image in images] == ["000000397133.jpg", "val/000000037777.jpg", "empty.jpg"]
    assert [image.size for image in images] == [(427, 640), (230, 352), (1, 1)]
    assert [image.labels.tolist() for image in images] == [[1, 0], [2], []]
    assert [image.crowd.tolist() for image in images] == [[False, True], [False], []]
    np.testing.assert_array_equal(images[0].boxes, np.float32([[217.62, 240.5, 38.99, 57.75], [-0.5, 0, 640, 0]]))
    np.testing.assert_array_equal(images[1].boxes, np.float32([[102.5, 118, 7.9, 17.31]]))
    assert [image.boxes.shape for image in images] == [(2, 4), (1, 4), (0, 4)]
    assert {(image.boxes.dtype, image.labels.dtype, image.crowd.dtype) for image in images} == {
        (np.dtype("f4"), np.dtype("i8"), np.dtype(bool))
    }


def changed(*path, value: object) -> dict:
    document = copy.deepcopy(DOCUMENT)
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected strict JSON: Expecting value: .*instances.json"),
        (b'{"images": [\xff]}', "expected strict JSON: 'utf-8' codec"),
        (b'{"images": [], "images": []}', "a key is given twice"),
        (b"[" * 200 + b"]" * 200, "it is nested more than 100 deep"),
        (changed("annotations", 0, "bbox", value=[0, 0, float("nan"), 1]), "NaN is not JSON"),
        (b"[]", r"expected an object with images, categories and annotations, got \[\]: .*instances.json"),
        (b"{}", "expected a list 'images', got None in {}"),
        (changed("categories", value={}), "expected a list 'categories', got {} in"),
        (changed("annotations", 1, value=7), "expected objects in 'annotations', got 7 in"),
        (changed("images", 0, "id", value="a"), "expected an integer as id in 'images', got 'a' in {'file_name'"),
        (changed("images", 0, "id", value=True), "expected an integer as id in 'images', got True"),
        (changed("images", 0, "id", value=5), "expected unique ids in 'images', got 5"),
        (changed("categories", 0, "id", value=1), "expected unique ids in 'categories', got 1"),
        (changed("categories", 0, "name", value=""), "expected a text 'name', got ''"),
        (changed("images", 0, "file_name", value=None), "expected a text 'file_name', got None"),
        (
            changed("images", 0, "file_name", value="/a.jpg"),
            "expected a file_name inside the folder of images, got '/a",
        ),
        (changed("images", 0, "file_name", value="a/../../b"), "inside the folder of images, got 'a/../../b'"),
        (changed("images", 0, "file_name", value="C:\\a"), "inside the folder of images"),
        (changed("images", 0, "width", value=0), "expected a width from 1 to 1,048,576, got 0"),
        (changed("images", 0, "height", value=1.5), "expected a height from 1 to 1,048,576, got 1.5"),
        (changed("images", 0, "height", value=10**20), "expected a height from 1 to 1,048,576, got 1000"),
        (changed("annotations", 0, "image_id", value=6), "expected the image_id of one of the images, got 6 in"),
        (changed("annotations", 0, "image_id", value=[]), "expected the image_id of one of the images, got \\[\\] in"),
        (changed("annotations", 0, "category_id", value=2), "expected the category_id of one of the categories, got 2"),
        (changed("annotations", 0, "iscrowd", value="no"), "expected iscrowd 0 or 1, got 'no'"),
        (
            changed("annotations", 0, "bbox", value=None),
            "expected a bbox .x, y, width, height. up to .* None",
        ),
        (changed("annotations", 0, "bbox", value=[1, 2, 3]), "without negative sides, got .1, 2, 3. in"),
        (changed("annotations", 0, "bbox", value=[1, 2, -3, 4]), "without negative sides, got .1, 2, -3, 4. in"),
        (changed("annotations", 0, "bbox", value=[1, 2, "3", 4]), "a bbox .* got .1, 2, '3', 4. in"),
        (changed("annotations", 0, "bbox", value=[1, True, 3, 4]), "a bbox .* got .1, True, 3, 4. in"),
        (changed("annotations", 0, "bbox", value=[1, 1e300, 3, 4]), "a bbox .* up to 1,048,576, .* 1e.300"),
    ],
)
def test_R3_coco_damaged(save, content, message):
    with pytest.raises(FormatError, match=f"^read_coco: .*{message}"):
        read_coco(save(content))


def test_R3_coco_limits(save):
    size = len(json.dumps(DOCUMENT).encode())
    with pytest.raises(
        LimitError, match=r"read_coco: expected at most 100 bytes, got more: .*\. Raise max_bytes if you"
    ):
        read_coco(save(DOCUMENT), max_bytes=100)
    assert read_coco(save(DOCUMENT), max_bytes=size).images
    with pytest.raises(FormatError, match="it has more than 125,000 lists and objects"):
        read_coco(save(b"[" + b"[]," * 666_666 + b"0]"))  # 2,000,001 bytes


def test_A8_coco_has_more_objects_than_other_json(save):
    annotation = DOCUMENT["annotations"][1] | {"segmentation": [[0.5] * 20]}
    _, images = read_coco(save(changed("annotations", value=[annotation] * 40_000)))  # four lists and objects each
    assert len(images[0].boxes) == 40_000


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
PLACES = [
    (key, 0, name) for key in ("images", "categories", "annotations") for name in (*DOCUMENT[key][0], "iscrowd")
] + [(key,) for key in DOCUMENT]


@given(st.sampled_from(PLACES), VALUES)
def test_R3_coco_random_values(tmp_path_factory, place, value):
    path = tmp_path_factory.getbasetemp() / f"coco{os.getpid()}"
    path.write_text(json.dumps(changed(*place, value=value)))
    with contextlib.suppress(StriateError):
        coco = read_coco(path)
        assert all(np.isfinite(image.boxes).all() for image in coco.images)


@given(st.binary(max_size=20), st.integers(0, 900))
def test_R3_coco_random_bytes(tmp_path_factory, junk, at):
    content = json.dumps(DOCUMENT).encode()
    path = tmp_path_factory.getbasetemp() / f"coco{os.getpid()}"
    path.write_bytes(content[:at] + junk + content[at + len(junk) :])
    with contextlib.suppress(StriateError):
        read_coco(path)
