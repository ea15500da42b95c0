"""``striate predict``: pictures, good and bad."""

import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import striate
from striate import layers
from tests.cli.conftest import run_program


@pytest.fixture
def plain_model(tmp_path):
    """Save a model that has no preprocessing, and return its path."""

    def make(shape):
        path = tmp_path / "plain.safetensors"
        striate.set_seed(0)
        rest = [layers.Flatten(), layers.Dense(2, activation="softmax")]
        model = striate.Sequential([striate.Input(shape), *rest], name="plain")
        model.classes = ("night", "day")
        model.save(path)
        return path

    return make


def bomb(path):
    """A PNG file of a few bytes that says it is 50,000 × 50,000 pixels large."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))))


def test_P1_best_classes_come_first_with_their_probabilities(striate_cli, model_file, picture):
    one, minus = picture("one"), picture("minus")
    result = striate_cli("predict", one, minus, "--model", model_file)
    assert (result.code, result.err) == (0, "")
    assert result.lines == [f"{one}: 1 100.0%, 7 0.0%, 0 0.0%", f"{minus}: 7 100.0%, 1 0.0%, 0 0.0%"]


def test_P1_json_is_one_document(striate_cli, model_file, picture):
    one = picture("one")
    result = striate_cli("predict", one, one, "--model", model_file, "--top", 10, "--json")
    first, second = json.loads(result.out)
    assert first == second
    assert first["image"] == str(one)
    assert first["sure"] is True
    assert [entry["class"] for entry in first["top"][:2]] == ["1", "7"]
    assert sum(entry["probability"] for entry in first["top"]) == pytest.approx(1, abs=1e-5)


def test_P1_not_sure_below_the_threshold(striate_cli, model_file, tmp_path):
    # A ring has as much ink in the middle column as in the middle row.
    y, x = np.mgrid[-70:70, -70:70]
    path = tmp_path / "ring.png"
    Image.fromarray(np.where(np.abs(np.hypot(x, y) - 50) < 5, 0, 255).astype(np.uint8)).save(path)
    result = striate_cli("predict", path, "--model", model_file, "--top", 1)
    assert result.code == 0
    assert result.out.startswith(f"{path}: not sure (")
    assert json.loads(striate_cli("predict", path, "--model", model_file, "--json").out)[0]["sure"] is False


def test_A9_ink_may_be_told(striate_cli, refused, model_file, picture):
    one = picture("one")
    dark, auto = (striate_cli("predict", one, "--model", model_file, "--ink", ink).out for ink in ("dark", "auto"))
    assert dark == auto
    bright = striate_cli("predict", one, "--model", model_file, "--ink", "bright")
    assert bright.out != dark


def test_R3_bad_pictures_are_named_and_the_others_still_done(model_file, picture, tmp_path):
    text, missing, blank, huge = (tmp_path / f"{name}.png" for name in ("text", "missing", "blank", "huge"))
    text.write_text("I am no picture")
    Image.new("L", (50, 50), 255).save(blank)
    bomb(huge)
    images = [text, picture("one"), missing, blank, huge, tmp_path, picture("minus")]
    result = run_program("predict", *images, "--model", model_file)
    assert result.code == 1
    assert [line.rsplit(": ", 1)[1][:8] for line in result.lines] == ["1 100.0%", "7 100.0%"]
    reasons = {
        text: "expected a picture (PNG, JPEG, GIF, BMP, WEBP), got something else",
        missing: "No such file or directory",
        blank: "no ink found",
        huge: "expected at most 40,000,000 pixels, got",
        tmp_path: "expected a regular file, got a folder",
    }
    for line, (path, reason) in zip(result.err.splitlines(), reasons.items(), strict=True):
        assert line.startswith(f"striate: {path}: ")
        assert reason in line


def test_R4_bad_picture_in_json(striate_cli, model_file, picture, tmp_path):
    result = striate_cli("predict", tmp_path / "missing.png", picture("one"), "--model", model_file, "--json")
    assert result.code == 1
    missing, one = json.loads(result.out)
    assert missing == {"image": str(tmp_path / "missing.png"), "error": "No such file or directory"}
    assert one["top"][0]["class"] == "1"


def test_R3_name_of_a_file_cannot_steer_the_terminal(striate_cli, model_file, picture, tmp_path):
    steering = picture("one").rename(tmp_path / "\x1b[31m\nred.png")
    result = striate_cli("predict", steering, "--model", model_file)
    assert result.code == 0
    (line,) = result.lines
    assert r"\x1b[31m\nred.png: 1" in line


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_model_without_preprocessing_takes_the_picture_as_it_is(striate_cli, plain_model, tmp_path, channels):
    model, path = plain_model((4, 6, channels)), tmp_path / "p.png"
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, channels), np.uint8)
    Image.fromarray(pixels.squeeze()).save(path)
    (shown,) = json.loads(striate_cli("predict", path, "--model", model, "--json").out)
    expected = striate.load_model(model).predict(pixels[None] / np.float32(255))[0]
    assert {entry["class"]: entry["probability"] for entry in shown["top"]} == pytest.approx(
        {"night": expected[0], "day": expected[1]}
    )


def test_R4_model_without_preprocessing_needs_its_own_size(refused, plain_model, picture):
    line = refused(1, "predict", picture("one"), "--model", plain_model((4, 6, 3)))
    assert "expected a picture of 4 × 6 pixels (height × width)" in line
    assert "got 140 × 140. Scale the picture first." in line


def test_R4_model_of_something_else_than_pictures(refused, plain_model, picture):
    line = refused(1, "predict", picture("one"), "--model", plain_model((100,)))
    assert "expected a model of pictures (H, W, 1, 3 or 4), plain takes (100,)" in line


def test_R4_ink_needs_preprocessing(refused, plain_model, picture):
    line = refused(1, "predict", picture("one"), "--model", plain_model((4, 6, 3)), "--ink", "dark")
    assert "takes pictures as they are, not drawings; leave --ink out" in line


def test_R4_missing_model(refused, picture):
    assert "no file nowhere" in refused(1, "predict", picture("one"), "--model", "nowhere")
