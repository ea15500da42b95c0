"""What is found in a folder of photographs before training, and what is done about it."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from striate.data.checks import Finding, check_photos, data_hash, inspect
from striate.data.photo_folder import find_photos
from striate.errors import DataError
from tests.data.photos import photo


@pytest.fixture
def folder(tmp_path):
    """Two classes, four pictures of each to learn from, two to validate with."""
    for split, count, start in (("train", 4, 0), ("val", 2, 10)):
        for label, name in enumerate("ab"):
            for i in range(count):
                photo(tmp_path / split / name / f"{i}.png", seed=100 * label + start + i)
    return tmp_path


def check(folder, **options):
    found = find_photos(folder)
    findings, seen = check_photos(found, size=(16, 16), **options)
    return found, {one.what: one for one in findings}, seen


def names(found, split="train"):
    return [one.name for one in found.splits[split]]


def test_nothing_unusual(folder):
    found, findings, seen = check(folder)
    assert findings == {}
    assert [found.counts(split) for split in ("train", "validation")] == [[4, 4], [2, 2]]
    assert seen["train/a/0.png"].height, seen["train/a/0.png"].width == (24, 20)


def test_unreadable_pictures_are_left_out_and_say_why(folder):
    (folder / "train/a/text.jpg").write_text("I am no picture")
    whole = photo(folder / "train/a/cut.jpg", 7).read_bytes()
    (folder / "train/a/cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "train/b/empty.png").write_bytes(b"")
    os.mkfifo(folder / "train/b/pipe.png")
    (folder / "train/b/gone.png").symlink_to(folder / "nowhere.png")
    found, findings, _ = check(folder)
    finding = findings["unreadable pictures"]
    assert (finding.count, finding.consequence) == (5, "left out")
    assert len(finding.examples) == 3
    assert finding.examples[1] == (
        "train/a/text.jpg (expected a picture (PNG, JPEG, GIF, BMP, WEBP), got something else)"
    )
    assert "runcated" in finding.examples[0]
    assert found.counts("train") == [4, 4]


@pytest.mark.parametrize("reason", ["pipe or device", "No such file"])
def test_reasons_of_what_is_no_file(tmp_path, reason):
    path = tmp_path / "x.png"
    if reason.startswith("pipe"):
        os.mkfifo(path)
    assert reason in inspect(str(path)).error


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_R4_picture_without_permission_is_left_out(folder):
    (folder / "train/a/0.png").chmod(0)
    _, findings, _ = check(folder)
    assert findings["unreadable pictures"].examples == ("train/a/0.png (Permission denied)",)


def test_unusual_pictures_are_used_and_named(folder):
    plain = Image.open(photo(folder / "x.png", 3, (30, 40)))
    (folder / "x.png").unlink()
    plain.convert("CMYK").save(folder / "train/a/print.jpg")
    plain.save(folder / "train/a/png called.jpg", "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    plain.save(folder / "train/b/turned.jpg", exif=exif)
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "train/b/moving.gif", save_all=True, append_images=frames[1:])
    Image.fromarray(np.full((20, 20), 40_000, np.uint16)).save(folder / "train/b/deep.png")
    found, findings, seen = check(folder)
    assert {what: one.examples for what, one in findings.items()} == {
        "CMYK pictures": ("train/a/print.jpg",),
        "pictures whose format is not the one of their name": ("train/a/png called.jpg (PNG)",),
        "pictures with an EXIF orientation": ("train/b/turned.jpg",),
        "animated pictures": ("train/b/moving.gif",),
        "pictures of 16 bits per channel": ("train/b/deep.png",),
    }
    assert (seen["train/b/turned.jpg"].height, seen["train/b/turned.jpg"].width) == (40, 30)
    assert found.counts("train") == [6, 7]


def test_copies_in_one_split_are_used_and_listed(folder):
    shutil.copy(folder / "train/a/1.png", folder / "train/a/9.png")
    found, findings, _ = check(folder)
    assert list(findings) == ["the same picture twice in one split"]
    assert findings["the same picture twice in one split"].examples == ("train/a/9.png = train/a/1.png",)
    assert "train/a/9.png" in names(found)


def test_copies_are_told_by_pixels_not_by_bytes(folder):
    Image.open(folder / "train/a/1.png").save(folder / "train/a/9.bmp")
    assert check(folder)[1]["the same picture twice in one split"].examples == ("train/a/9.bmp = train/a/1.png",)


def test_pictures_of_other_shapes_are_no_copies(folder):
    for name, size in (("wide", (2, 8)), ("high", (8, 2))):
        Image.new("RGB", size, "red").save(folder / f"train/a/{name}.png")
    assert not any("same picture" in what for what in check(folder)[1])


def test_what_is_tested_is_not_learnt(folder):
    shutil.copy(folder / "val/a/0.png", folder / "train/a/copy.png")
    photo(folder / "test/a/x.png", 77)
    shutil.copy(folder / "test/a/x.png", folder / "val/a/copy of test.png")
    found, findings, _ = check(folder)
    finding = findings["the same picture in two splits"]
    assert sorted(finding.examples) == ["train/a/copy.png = val/a/0.png", "val/a/copy of test.png = test/a/x.png"]
    assert "train/a/copy.png" not in names(found)
    assert "val/a/copy of test.png" not in names(found, "validation")
    assert names(found, "test") == ["test/a/x.png"]


def test_one_picture_in_two_classes_is_a_contradiction(folder):
    shutil.copy(folder / "train/a/1.png", folder / "train/b/what.png")
    finding = check(folder)[1]["the same picture in two classes"]
    assert finding.examples == ("train/b/what.png = train/a/1.png",)
    assert finding.consequence == "one of the two is wrong: please check"


def test_small_pictures_empty_classes_hidden_files_and_imbalance(folder):
    photo(folder / "train/a/small.png", 5, (15, 40))
    (folder / "train/c").mkdir()
    (folder / "train/d").mkdir()
    (folder / "train/d/no.png").write_text("no")
    photo(folder / "val/d/1.png", 55)
    (folder / ".DS_Store").write_text("")
    (folder / "train/a/notes.txt").write_text("")
    for i in range(9):
        photo(folder / f"train/b/more {i}.png", 900 + i)
    found, findings, _ = check(folder)
    assert findings["pictures smaller than the network's 16 × 16"].examples == ("train/a/small.png (15 × 40)",)
    assert findings["classes without a usable picture to train on"].examples == ("c", "d")
    assert findings["hidden files and folders"].examples == (".DS_Store",)
    assert findings["other files and folders"].examples == ("train/a/notes.txt",)
    assert "classes of very different size" not in findings
    assert found.classes == ("a", "b")
    for i in range(9):
        photo(folder / f"train/b/many {i}.png", 990 + i)
    assert check(folder)[1]["classes of very different size"].examples == ("b: 22", "a: 5")


def test_a_class_that_is_not_tested_is_named(folder):
    shutil.rmtree(folder / "val/b")
    assert check(folder)[1]["classes without a usable picture in validation"].examples == ("b",)


def test_R4_one_class_or_nothing_usable(folder):
    shutil.rmtree(folder / "train/b")
    shutil.rmtree(folder / "val/b")
    with pytest.raises(
        DataError, match=r"expected at least two classes with usable pictures .*, got a\. Found: nothing"
    ):
        check(folder)
    for path in (folder / "train/a").iterdir():
        path.write_text("no")
    with pytest.raises(DataError, match=r"got none\. Found: unreadable pictures: 4 \(train/a/0\.png \(expected a pic"):
        check(folder)


def test_R4_nothing_to_validate_with(folder):
    for path in (folder / "val").glob("*/*.png"):
        path.write_text("no")
    with pytest.raises(DataError, match=r"expected pictures to validate with, got none\. Add more pictures"):
        check(folder)


def test_R1_hash_is_of_pixels_names_and_splits_and_not_of_workers(folder):
    def hashed(**options):
        found, _, seen = check(folder, **options)
        return data_hash(found, seen)

    first = hashed()
    assert len(first) == 64
    assert hashed(workers=2) == first
    (folder / "train/a/0.png").rename(folder / "train/a/00.png")
    renamed = hashed()
    assert renamed != first
    photo(folder / "train/a/00.png", 4711)
    assert hashed() not in (first, renamed)


def test_progress_is_told_and_findings_are_one_line(folder):
    told = []
    check(folder, progress=told.append)
    assert told == [12]
    shown = str(Finding("odd things", 1234, ("one", "two"), "left out"))
    assert shown == "odd things: 1,234 (one, two, …); left out"
