"""A8: a folder of pictures as a data set."""

import numpy as np
import pytest
from PIL import Image

from striate.data import epoch_order, image_dataset_from_directory
from striate.errors import ArgumentError, DataError, FormatError


@pytest.fixture
def folder(tmp_path):
    """Five cats (values 0 to 4) and three dogs (100 to 102), and things to skip."""
    for name, first, count in (("cats", 0, 5), ("dogs", 100, 3)):
        (tmp_path / name / "deeper").mkdir(parents=True)
        for i in range(count):
            place = tmp_path / name / ("deeper" if i == 0 else "")
            Image.new("RGB", (6, 4), (first + i,) * 3).save(place / f"{i}.png")
    (tmp_path / "cats" / ".hidden.png").write_bytes(b"not a picture")
    (tmp_path / ".cache").mkdir()
    return tmp_path


def values(batches):
    return [int(images[i, 0, 0, 0]) for images, _ in batches for i in range(len(images))]


def test_A8_folder_in_order(folder):
    data = image_dataset_from_directory(folder, shuffle=False, batch_size=3, image_size=(4, 6))
    assert data.class_names == ["cats", "dogs"]
    assert len(data) == 3
    assert [path.replace(str(folder), "") for path in data.file_paths][:2] == ["/cats/1.png", "/cats/2.png"]
    batches = list(data)
    assert [images.shape for images, _ in batches] == [(3, 4, 6, 3), (3, 4, 6, 3), (2, 4, 6, 3)]
    assert batches[0][0].dtype == np.float32
    assert values(batches) == [1, 2, 3, 4, 0, 101, 102, 100]
    labels = np.concatenate([labels for _, labels in batches])
    assert labels.dtype == np.int32
    assert labels.tolist() == [0, 0, 0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
@pytest.mark.parametrize("name", ["picture.jfif", "picture.dat", "picture", "picture.txt"])
def test_A8_what_a_picture_is_its_content_says(folder, kind, name):
    Image.new("RGB", (6, 4), (50,) * 3).save(folder / "cats" / name, kind)
    data = image_dataset_from_directory(folder, shuffle=False, image_size=(4, 6))
    assert str(folder / "cats" / name) in data.file_paths
    assert len(values(data)) == 9


def test_A8_what_is_skipped_is_said(folder):
    for name, content in {"a.txt": b"BMW, a car", "b.json": b"{}", "c": b"", "d.jpg.part": b"RIFF\0\0\0\0WAVE"}.items():
        (folder / "dogs" / name).write_bytes(content)
    with pytest.warns(
        UserWarning, match=r"files that are not pictures are skipped: 4 \(.*dogs.*, .*, .*, …\)\.$"
    ) as said:
        data = image_dataset_from_directory(folder, labels=None)
    assert said[0].filename == __file__
    assert len(data.file_paths) == 8


def test_A8_folder_label_modes(folder):
    def labels(**options):
        return next(iter(image_dataset_from_directory(folder, shuffle=False, image_size=(2, 2), **options)))[1]

    assert labels(label_mode="categorical")[4:6].tolist() == [[1, 0], [0, 1]]
    assert labels(label_mode="binary")[4:6].tolist() == [[0], [1]]
    assert labels(class_names=["dogs", "cats"]).tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    assert labels(labels=[3, 1, 0, 0, 0, 0, 0, 2]).tolist() == [3, 1, 0, 0, 0, 0, 0, 2]
    assert labels(labels=[1] * 8, class_names=["a", "b"]).tolist() == [1] * 8


@pytest.mark.parametrize("options", [{"labels": None}, {"label_mode": None}])
def test_A8_folder_without_labels(folder, options):
    (images,) = image_dataset_from_directory(folder, image_size=(2, 2), **options)
    assert images.shape == (8, 2, 2, 3)


@pytest.mark.parametrize(("color_mode", "channels"), [("grayscale", 1), ("rgb", 3), ("rgba", 4)])
@pytest.mark.parametrize("image_size", [(4, 6), (3, 9)])
def test_A8_folder_color_modes_and_sizes(folder, color_mode, channels, image_size):
    images, _ = next(iter(image_dataset_from_directory(folder, color_mode=color_mode, image_size=image_size)))
    assert images.shape == (8, *image_size, channels)


def test_R1_folder_order_depends_on_seed_and_epoch_alone(folder):
    def epochs(seed):
        data = image_dataset_from_directory(folder, seed=seed, image_size=(1, 1), batch_size=3)
        return [values(data) for _ in range(3)], data

    first, data = epochs(7)
    assert first == epochs(7)[0]
    assert first != epochs(8)[0]
    assert len({tuple(order) for order in first}) == 3
    assert all(sorted(order) == sorted(first[0]) for order in first)
    assert values(data.batches(1)) == first[1]


def test_R1_epoch_order_is_the_same_everywhere():
    assert epoch_order(8, seed=7, epoch=2).tolist() == [6, 7, 4, 0, 1, 5, 3, 2]


@pytest.mark.parametrize("shuffle", [True, False])
def test_A8_folder_validation_split(folder, shuffle):
    parts = [
        image_dataset_from_directory(folder, seed=1, shuffle=shuffle, validation_split=0.25, subset=subset)
        for subset in ("training", "validation")
    ]
    assert [len(part.file_paths) for part in parts] == [6, 2]
    assert len({path for part in parts for path in part.file_paths}) == 8


def test_R4_folder_names_the_unreadable_file(folder):
    (folder / "dogs" / "2.png").write_bytes(b"not a picture")
    data = image_dataset_from_directory(folder)
    with pytest.raises(FormatError, match=r"got something else: .*dogs.2\.png"):
        list(data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": "guess"}, "expected labels 'inferred', a sequence or None, got 'guess'"),
        ({"label_mode": "float"}, "expected label_mode 'int', 'categorical', 'binary' or None, got 'float'"),
        ({"color_mode": "cmyk"}, "expected color_mode 'rgb', 'grayscale' or 'rgba', got 'cmyk'"),
        ({"batch_size": 0}, "expected batch_size of 1 or more, got 0"),
        ({"image_size": (0, 3)}, r"expected image_size \(height, width\) in pixels, got \(0, 3\)"),
        ({"seed": -1}, "expected seed to be 0 to 2"),
        ({"validation_split": 1.5}, "expected validation_split between 0 and 1, got 1.5"),
        ({"validation_split": 0.5, "seed": 1}, "expected subset 'training' or 'validation' with validation_split"),
        ({"subset": "training"}, "None without, got 'training'"),
        (
            {"validation_split": 0.5, "subset": "training"},
            "expected seed to be given with validation_split and shuffle",
        ),
    ],
)
def test_R4_folder_arguments(folder, options, message):
    with pytest.raises(ArgumentError, match=f"image_dataset_from_directory: {message}|{message}"):
        image_dataset_from_directory(folder, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_names": ["cats"]}, r"expected class_names to be the sub-folders \['cats', 'dogs'\], got \['cats'\]"),
        ({"labels": [0, 1]}, r"expected one integer per picture as label, 8 under .* of shape \(2,\)"),
        ({"labels": ["a"] * 8}, "expected one integer per picture as label, 8 under .*, got <U1"),
        ({"labels": [-1] + [0] * 7}, "expected labels 0 to 0, got -1 to 0"),
        ({"labels": [2] * 8, "class_names": ["a", "b"]}, "expected labels 0 to 1, got 2 to 2"),
        ({"labels": [2] * 8, "label_mode": "binary"}, "expected two classes for label_mode 'binary', got 3"),
        ({"validation_split": 0.1, "subset": "validation", "seed": 1}, "expected pictures in the validation subset"),
    ],
)
def test_R4_folder_contents(folder, options, message):
    with pytest.raises(DataError, match=message):
        image_dataset_from_directory(folder, **options)


def test_R4_folder_missing_or_empty(tmp_path):
    with pytest.raises(DataError, match="expected a folder, got"):
        image_dataset_from_directory(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"expected pictures \(PNG, .* under .*, got none"):
        image_dataset_from_directory(tmp_path)
