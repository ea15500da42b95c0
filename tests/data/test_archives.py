"""ZIP archives that lie or are damaged."""

import io
import zipfile

import pytest

from striate.data import archives
from striate.data.archives import open_archive
from striate.errors import FormatError, LimitError


def archive(members: dict[str, bytes]) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, content in members.items():
            writer.writestr(name, content)
    return file


def test_members_are_read_by_name():
    with open_archive(archive({"a": b"one", "b/c": b"two"}), "reader: x.zip", 100) as opened:
        assert list(opened) == ["a", "b/c"]
        assert opened.read("b/c") == b"two"


def test_a_member_with_other_content_than_its_checksum_says_is_an_error():
    file = archive({"a": b"content" * 20})
    damaged = bytearray(file.getvalue())
    damaged[35] ^= 0xFF
    with (
        pytest.raises(FormatError, match=r"reader: x.zip: expected an intact ZIP archive, got"),
        open_archive(io.BytesIO(damaged), "reader: x.zip", 1000) as opened,
    ):
        opened.read("a")


def test_a_member_that_is_shorter_than_announced_is_an_error():
    """The central directory may claim any size; what counts is what comes out."""
    file = archive({"a": b"x" * 50})
    lying = bytearray(file.getvalue())
    place = lying.index(b"PK\x01\x02") + 24  # the unpacked size in the central directory
    lying[place : place + 4] = (60).to_bytes(4, "little")
    with (
        pytest.raises(FormatError, match=r"reader: x.zip: expected 60 bytes in 'a', got 50"),
        open_archive(io.BytesIO(lying), "reader: x.zip", 1000) as opened,
    ):
        opened.read("a")


def test_too_many_members_are_an_error(monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    with (
        pytest.raises(LimitError, match=r"reader: x.zip: expected at most 2 members, got 3"),
        open_archive(archive({"a": b"", "b": b"", "c": b""}), "reader: x.zip", 1000),
    ):
        pass


@pytest.mark.parametrize("name", ["/a", "\\a", "C:a", "..", "../a", "a/../b", "a/..", "..\\a", "a\\..\\b"])
def test_a_name_that_leads_out_of_the_archive_is_an_error(name):
    with (
        pytest.raises(FormatError, match=r"reader: x.zip: expected members inside the archive, got .* leads out"),
        open_archive(archive({name: b""}), "reader: x.zip", 100),
    ):
        pass


@pytest.mark.parametrize("name", ["a..b", "..a/b", "a../b", "a.b/c:d", "ab:c"])
def test_names_with_dots_and_colons_are_names(name):
    with open_archive(archive({name: b"x"}), "reader: x.zip", 100) as opened:
        assert opened.read(name) == b"x"


def test_a_link_is_an_error():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as writer:
        link = zipfile.ZipInfo("a")
        link.external_attr = 0o120777 << 16
        writer.writestr(link, b"/etc/passwd")
    with (
        pytest.raises(FormatError, match=r"expected members inside the archive, got 'a', which leads outside"),
        open_archive(file, "reader: x.zip", 100),
    ):
        pass


def test_a_list_of_members_that_is_too_long_is_an_error(monkeypatch):
    monkeypatch.setattr(archives, "MAX_DIRECTORY", 100)
    with (
        pytest.raises(
            FormatError,
            match=r"reader: x.zip: expected an intact ZIP archive, got a list of members of more than 100 bytes",
        ),
        open_archive(archive({"a" * 60: b"", "b" * 60: b""}), "reader: x.zip", 1000),
    ):
        pass


def test_members_in_one_place_are_an_error():
    """A bomb may list the same bytes many times (Fifield, "A better zip bomb", 2019)."""
    content = bytearray(archive({"a": b"x" * 50, "b": b"y" * 50}).getvalue())
    second = content.rindex(b"PK\x01\x02")
    content[second + 42 : second + 46] = bytes(4)
    with (
        pytest.raises(FormatError, match=r"reader: x.zip: expected members that do not overlap, 'b' is in another"),
        open_archive(io.BytesIO(content), "reader: x.zip", 1000),
    ):
        pass


def test_a_list_of_members_of_the_largest_length_is_read(monkeypatch):
    content = archive({"a": b"12", "b": b""}).getvalue()
    end = content.rindex(b"PK\5\6")
    length = len(content) - int.from_bytes(content[end + 16 : end + 20], "little")  # from the list to the file's end
    monkeypatch.setattr(archives, "MAX_DIRECTORY", length)
    with open_archive(io.BytesIO(content), "reader: x.zip", 100) as found:
        assert found.read("a") == b"12"
