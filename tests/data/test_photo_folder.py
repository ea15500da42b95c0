"""Finding photographs: both layouts, what is left out, and what is refused."""

import os

import pytest
from PIL import Image

from striate.data.photo_folder import Photo, find_photos
from striate.errors import DataError


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def names(found, split):
    return [photo.name for photo in found.splits[split]]


def test_P7_one_folder_for_each_class(tmp_path):
    touch(tmp_path, "dogs/2.JPG", "dogs/10.jpg", "cats/deep/er/1.png", "cats/0.webp")
    found = find_photos(tmp_path)
    assert found.classes == ("cats", "dogs")
    assert found.splits == {
        "train": [
            Photo("cats/0.webp", 0),
            Photo("cats/deep/er/1.png", 0),
            Photo("dogs/10.jpg", 1),
            Photo("dogs/2.JPG", 1),
        ]
    }
    assert found.counts("train") == [2, 2]
    assert found.path(found.splits["train"][0]) == os.path.join(tmp_path, "cats/0.webp")


@pytest.mark.parametrize("validation", ["validation", "val", "valid"])
@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("training", "testing")])
def test_P7_a_folder_for_each_split(tmp_path, train, validation, test):
    touch(tmp_path, f"{train}/a/1.jpg", f"{train}/b/1.jpg", f"{validation}/b/2.jpg", f"{test}/a/3.jpg")
    found = find_photos(tmp_path)
    assert found.classes == ("a", "b")
    assert names(found, "train") == [f"{train}/a/1.jpg", f"{train}/b/1.jpg"]
    assert found.splits["validation"] == [Photo(f"{validation}/b/2.jpg", 1)]
    assert found.splits["test"] == [Photo(f"{test}/a/3.jpg", 0)]


def test_a_class_may_be_called_test(tmp_path):
    touch(tmp_path, "test/1.jpg", "control/1.jpg")
    found = find_photos(tmp_path)
    assert found.classes == ("control", "test")
    assert list(found.splits) == ["train"]


def test_hidden_and_other_files_are_noted(tmp_path):
    touch(tmp_path, "a/1.jpg", "a/.2.jpg", "a/.cache/3.jpg", "a/notes.txt", "b/1.jpg", ".git/4.jpg", "5.jpg")
    found = find_photos(tmp_path)
    assert names(found, "train") == ["a/1.jpg", "b/1.jpg"]
    assert sorted(found.hidden) == [".git", "a/.2.jpg", "a/.cache"]
    assert sorted(found.others) == ["5.jpg", "a/notes.txt"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
@pytest.mark.parametrize("name", ["1.jfif", "1.dat", "1"])
def test_what_a_picture_is_its_content_says(tmp_path, kind, name):
    touch(tmp_path, "b/1.jpg", "a/2.dat")
    Image.new("RGB", (6, 4)).save(tmp_path / "a" / name, kind)
    found = find_photos(tmp_path)
    assert names(found, "train") == [f"a/{name}", "b/1.jpg"]
    assert found.others == ["a/2.dat"]


def test_what_cannot_be_opened_is_no_picture(tmp_path):
    touch(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / "a/lost").symlink_to("nowhere")
    os.mkfifo(tmp_path / "a/pipe")
    assert find_photos(tmp_path).others == ["a/lost", "a/pipe"]


def test_hidden_files_beside_splits_are_noted_once(tmp_path):
    touch(
        tmp_path, "train/a/1.jpg", "train/b/1.jpg", ".git/x", "train/.hid/x", "readme.md", "old/a/1.jpg", "val/a/2.jpg"
    )
    found = find_photos(tmp_path)
    assert sorted(found.hidden) == [".git", "train/.hid"]
    assert found.others == ["readme.md", "old"]


def test_R1_what_is_held_out_depends_on_the_seed_alone(tmp_path):
    touch(tmp_path, *(f"a/{i}.jpg" for i in range(10)), *(f"b/{i}.jpg" for i in range(30)))

    def held(seed):
        found = find_photos(tmp_path)
        found.hold_out(0.2, seed)
        assert sorted(names(found, "train") + names(found, "validation")) == sorted(
            names(find_photos(tmp_path), "train")
        )
        assert found.counts("validation") == [2, 6]
        return names(found, "validation")

    assert held(1) == held(1)
    assert held(1) != held(2)


def test_classes_that_are_left_out_have_no_numbers(tmp_path):
    touch(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "train/c/1.jpg", "val/c/2.jpg")
    found = find_photos(tmp_path)
    found.leave_out(["b"])
    assert found.classes == ("a", "c")
    assert found.splits["train"] == [Photo("train/a/1.jpg", 0), Photo("train/c/1.jpg", 1)]
    assert found.splits["validation"] == [Photo("val/c/2.jpg", 1)]


def test_R4_nothing_there(tmp_path):
    with pytest.raises(DataError, match=r"find_photos: expected a folder, got .*nowhere\."):
        find_photos(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"expected pictures \(PNG, .*such as cats/1\.jpg and dogs/1\.jpg; got none"):
        find_photos(tmp_path)
    touch(tmp_path, "1.jpg", "a/notes.txt")
    with pytest.raises(DataError, match="got none"):
        find_photos(tmp_path)


def test_R4_a_split_with_a_class_of_its_own(tmp_path):
    touch(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "val/c/1.jpg")
    with pytest.raises(DataError, match=r"expected the classes of .*train in .*val, got c\."):
        find_photos(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_R4_folder_without_permission(tmp_path):
    touch(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / "b").chmod(0)
    try:
        with pytest.raises(PermissionError):
            find_photos(tmp_path)
    finally:
        (tmp_path / "b").chmod(0o700)
