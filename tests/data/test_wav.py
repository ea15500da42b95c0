"""A8, R3: WAV files, real, damaged and hostile."""

import contextlib
import io
import os
import struct
import tracemalloc
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data import read_wav
from striate.errors import FormatError, LimitError, StriateError

MICROSOFT = bytes.fromhex("000000001000800000aa00389b71")


def chunk(name: bytes, content: bytes, length: int | None = None) -> bytes:
    return name + struct.pack("<I", len(content) if length is None else length) + content + bytes(len(content) % 2)


def fmt(code: int = 1, channels: int = 1, bits: int = 16, rate: int = 8000, frame: int | None = None) -> bytes:
    frame = channels * bits // 8 if frame is None else frame
    return chunk(b"fmt ", struct.pack("<HHIIHH", code, channels, rate, rate * frame, frame, bits))


def extensible(code: int = 1, channels: int = 1, bits: int = 16, ends: bytes = MICROSOFT) -> bytes:
    frame = channels * bits // 8
    valid = bits - 4  # the lower bits are 0
    begin = struct.pack("<HHIIHHHHI", 0xFFFE, channels, 8000, 8000 * frame, frame, bits, 22, valid, 4)
    return chunk(b"fmt ", begin + struct.pack("<H", code) + ends)


def riff(*chunks: bytes, size: int | None = None) -> bytes:
    content = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content) if size is None else size) + content


GOOD = riff(fmt(), chunk(b"data", bytes(6)))


@pytest.fixture
def save(tmp_path):
    def write(content: bytes) -> Path:
        path = tmp_path / "sound.wav"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize(
    ("code", "bits", "content", "expected"),
    [
        (1, 8, bytes([0, 64, 128, 255]), [-1, -0.5, 0, 127 / 128]),
        (1, 16, struct.pack("<4h", -32768, -1, 0, 32767), [-1, -1 / 32768, 0, 32767 / 32768]),
        (1, 24, bytes.fromhex("000080 ffffff 010000 ffff7f"), [-1, -(2**-23), 2**-23, 1 - 2**-23]),
        (1, 32, struct.pack("<4i", -(2**31), -(2**30), 1, 2**31 - 1), [-1, -0.5, 2**-31, 1]),
        (3, 32, struct.pack("<4f", -1, 0.25, 1, 1.5), [-1, 0.25, 1, 1.5]),
        (3, 64, struct.pack("<4d", -1, 0.25, 1, 1.5), [-1, 0.25, 1, 1.5]),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("header", [fmt, extensible])
def test_A8_wav_numbers(save, code, bits, content, expected, channels, header):
    samples, rate = read_wav(save(riff(header(code, channels, bits), chunk(b"data", content))))
    assert rate == 8000
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, np.array(expected, np.float32).reshape(-1, channels))


def test_A8_wav_other_chunks_are_left_out(save):
    content = riff(
        chunk(b"LIST", b"odd"), fmt(), chunk(b"fact", bytes(4)), chunk(b"data", b"\0\x40"), chunk(b"data", b"\0\x20")
    )
    assert read_wav(save(content)).samples.tolist() == [[0.5]]
    assert read_wav(save(content + b"behind the end")).samples.tolist() == [[0.5]]


def test_A8_wav_without_samples(save):
    assert read_wav(save(riff(fmt(channels=2), chunk(b"data", b"")))).samples.shape == (0, 2)


def test_A8_wav_longer_than_one_piece(save):
    numbers = np.random.default_rng(0).integers(-(2**15), 2**15, (700_001, 2), np.int16)
    samples = read_wav(save(riff(fmt(channels=2), chunk(b"data", numbers.tobytes())))).samples
    np.testing.assert_array_equal(samples * 32768, numbers)


@pytest.mark.skipif("STRIATE_DATA" not in os.environ, reason="STRIATE_DATA is not set: no real WAV files")
def test_A8_wav_real_files(save):
    with zipfile.ZipFile(Path(os.environ["STRIATE_DATA"]) / "fsdd" / "fsdd_subset.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".wav")]
        assert len(names) == 720
        for name in names[::60]:
            content = archive.read(name)
            samples, rate = read_wav(save(content))
            with wave.open(io.BytesIO(content)) as sound:
                expected = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
                assert (rate, len(samples)) == (sound.getframerate(), sound.getnframes()) == (8000, len(expected))
            np.testing.assert_array_equal(samples[:, 0] * 32768, expected)


@pytest.mark.parametrize(
    ("dtype", "scale", "silence"),
    [("uint8", 127, 128), ("int16", 2**15 - 1, 0), ("int32", 2**31 - 1, 0), ("float32", 1, 0), ("float64", 1, 0)],
)
def test_A8_wav_that_scipy_writes(tmp_path, dtype, scale, silence):
    wavfile = pytest.importorskip("scipy.io.wavfile")
    numbers = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    wavfile.write(tmp_path / "a.wav", 44100, (numbers * scale + silence).astype(dtype))
    samples, rate = read_wav(tmp_path / "a.wav")
    assert rate == 44100
    np.testing.assert_allclose(samples, numbers, atol=2e-2 if dtype == "uint8" else 1e-4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected RIFF, a size and WAVE, got nothing"),
        (GOOD[:11], "got 52 49 46 46"),
        (b"RIFX" + GOOD[4:], "expected RIFF, a size and WAVE, got 52 49 46 58"),
        (GOOD[:8] + b"AVI " + GOOD[12:], "41 56 49 20"),
        (GOOD[:-1], "expected 42 bytes, as the file declares, got 41: it is truncated, or the program"),
        (riff(fmt(), chunk(b"data", bytes(6)), size=0xFFFFFFFF), "expected 4,294,967,295 bytes, as the file declares"),
        (riff(fmt(), chunk(b"data", bytes(6), 0x7FFFFFFF)), "expected 2,147,483,647 bytes in the chunk 'data', got 6"),
        (riff(chunk(b"ju\x00k", b"", 9)), r"expected 9 bytes in the chunk 'ju\\x00k', got 0"),
        (riff(fmt()), "expected a chunk 'data', got the end of the file"),
        (riff(), "expected a chunk 'data', got the end of the file"),
        (riff(chunk(b"data", bytes(6)), fmt()), "expected a chunk 'fmt ' before the samples, got none"),
        (
            riff(chunk(b"fmt ", bytes(14)), chunk(b"data", bytes(40))),
            "expected at least 16 bytes in the chunk 'fmt ', got 14",
        ),
        (riff(fmt(7, bits=8)), "PCM .format 1. of 8, 16, 24 or 32 bits or floats .* got format 7 of 8 bits. Convert"),
        (riff(fmt(1, bits=12)), "got format 1 of 12 bits"),
        (riff(extensible(2)), "got format 2 of 16 bits"),
        (riff(extensible(ends=MICROSOFT[:-1] + b"x")), "expected an extensible format of 40 bytes that ends"),
        (riff(fmt(0xFFFE)), "expected an extensible format of 40 bytes"),
        (riff(fmt(channels=0)), "expected 1 to 64 channels, .* got 0 channels"),
        (riff(fmt(channels=65)), "got 65 channels, a rate of 8000 and 130 bytes"),
        (riff(fmt(rate=0)), "a rate of at least 1 .* a rate of 0"),
        (riff(fmt(channels=2, frame=2)), "and 4 bytes per sample of all channels, got .* and 2 bytes"),
        (riff(fmt(channels=2), chunk(b"data", bytes(6))), "expected samples of 4 bytes each, got 6 bytes in all"),
        (riff(fmt(3, bits=32), chunk(b"data", struct.pack("<f", np.nan))), "finite in float32, got nan"),
        (riff(fmt(3, bits=32), chunk(b"data", struct.pack("<2f", 0, -np.inf))), "finite in float32, got -inf"),
        (riff(fmt(3, bits=64), chunk(b"data", struct.pack("<d", 1e300))), "finite in float32, got inf"),
    ],
)
def test_R3_wav_damaged(save, content, message):
    with pytest.raises(FormatError, match=f"read_wav: .*sound.wav: .*{message}"):
        read_wav(save(content))


def test_R3_wav_limits(save):
    with pytest.raises(LimitError, match=r"expected at most 11 bytes as float32, the file holds 12\. Raise max_bytes"):
        read_wav(save(GOOD), max_bytes=11)
    assert len(read_wav(save(GOOD), max_bytes=12).samples) == 3
    with pytest.raises(LimitError, match="expected 'data' among the first 1,024 chunks, got other chunks only"):
        read_wav(save(riff(*[chunk(b"junk", b"")] * 1025, fmt(), chunk(b"data", b""))))


@pytest.mark.parametrize("header", [fmt(bits=8), fmt(bits=24), fmt(3, bits=64)])
def test_R3_wav_memory(save, header):
    size = 12 << 20
    path = save(riff(header, chunk(b"data", bytes(size))))
    tracemalloc.start()
    try:
        samples = read_wav(path).samples
        assert tracemalloc.get_traced_memory()[1] < samples.nbytes + (12 << 20)
    finally:
        tracemalloc.stop()


def test_R3_wav_that_becomes_shorter_while_it_is_read(save, monkeypatch):
    path = save(GOOD)
    longer = os.stat_result((*os.stat(path)[:6], len(GOOD) + 2, *os.stat(path)[7:]))
    path.write_bytes(GOOD[:40] + struct.pack("<I", 8) + GOOD[44:])
    monkeypatch.setattr(os, "fstat", lambda descriptor: longer)
    with pytest.raises(FormatError, match="expected 8 bytes of samples, the file was shortened meanwhile"):
        read_wav(path)


@given(
    st.lists(st.tuples(st.integers(0, 47), st.integers(0, 255)), max_size=6),
    st.integers(0, 60),
    st.sampled_from([GOOD, riff(extensible(bits=24), chunk(b"data", bytes(9)))]),
)
def test_R3_wav_random_bytes(tmp_path_factory, changes, length, good):
    content = bytearray(good)
    for at, value in changes:
        content[at] = value
    path = tmp_path_factory.getbasetemp() / f"sound{os.getpid()}"
    path.write_bytes(content[:length] if length < 50 else content)
    with contextlib.suppress(StriateError):
        sound = read_wav(path, max_bytes=1 << 16)
        assert sound.samples.nbytes <= 1 << 16
        assert np.isfinite(sound.samples).all()
