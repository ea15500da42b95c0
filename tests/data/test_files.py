"""Files are written whole or not at all, and nothing is left beside them."""

import os

import pytest

from striate.data.files import open_beside, write_atomically
from striate.errors import FormatError


@pytest.mark.parametrize(
    ("error", "raised"), [(KeyboardInterrupt, KeyboardInterrupt), (OSError(28, "full"), FormatError)]
)
def test_R2_what_stops_the_writing_leaves_the_old_file_alone(tmp_path, monkeypatch, error, raised):
    path = tmp_path / "log"
    write_atomically(path, b"old", "test")

    def interrupt(descriptor):
        raise error

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(raised):
        write_atomically(path, b"new", "test")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("log", b"old")]


def test_R4_no_such_folder(tmp_path):
    with pytest.raises(FormatError, match=r"test: cannot write .*log: No such file or directory\."):
        write_atomically(tmp_path / "missing" / "log", b"", "test")


@pytest.mark.parametrize("kind", ["pipe", "second name", "link"])
def test_R4_files_beside_a_model_have_one_name(tmp_path, kind):
    place = tmp_path / "weights"
    if kind == "pipe":
        os.mkfifo(place)
    else:
        (tmp_path / "other").write_bytes(b"numbers")
        (os.link if kind == "second name" else os.symlink)(tmp_path / "other", place)
    with pytest.raises(FormatError, match="which is a link" if kind == "link" else "not a regular file with a single"):
        open_beside(tmp_path, "weights")
