"""``striate predict``: pictures, good and bad."""

import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import striate
from striate import layers
from striate.cli.predict import as_text
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
    assert "takes other pictures; leave it out" in line


def test_R4_missing_model(refused, picture):
    assert "no file nowhere" in refused(1, "predict", picture("one"), "--model", "nowhere")


# What the model is, and what its numbers are


@pytest.fixture
def coloured(tmp_path):
    """A picture of 4 × 6 pixels, and what its pixels are."""
    path = tmp_path / "p.png"
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path, pixels.astype(np.float32)


@pytest.fixture
def network(tmp_path):
    """Save a network of pictures of 4 × 6 pixels: layers, dense units without offset, an activation; its kernel too.

    Between them a convolution changes nothing: by it, an ONNX file is known to take pictures.
    """

    def make(*first, units=2, activation="softmax", loss=None, suffix="safetensors"):
        striate.set_seed(0)
        dense = layers.Dense(units, activation=activation, use_bias=False)
        same = layers.Conv2D(3, 1, use_bias=False)
        model = striate.Sequential([striate.Input((4, 6, 3)), *first, same, layers.Flatten(), dense], name="network")
        same.kernel.assign(np.eye(3).reshape(1, 1, 3, 3))
        if loss:
            model.compile("adam", loss)
        path = tmp_path / f"network.{suffix}"
        (model.export if suffix == "onnx" else model.save)(path)
        return path, dense.kernel.numpy()

    return make


def softmax(values):
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def shares_in(result):
    (shown,) = json.loads(result.out)
    return [one["probability"] for one in sorted(shown["top"], key=lambda one: one["class"])]


@pytest.mark.parametrize("suffix", ["safetensors", "onnx"])
def test_model_before_the_pictures_is_told_by_its_content(striate_cli, network, coloured, tmp_path, suffix):
    path, _ = network(suffix=suffix)
    other = path.rename(tmp_path / "model.of_mine")
    result = striate_cli("predict", other, coloured[0], "--json")
    assert result.out == striate_cli("predict", coloured[0], "--model", other, "--json").out
    assert [one["class"] for one in json.loads(result.out)[0]["top"]] in (["0", "1"], ["1", "0"])


def test_model_that_ships_may_stand_before_the_pictures(striate_cli, picture):
    one = picture("one")
    assert striate_cli("predict", "digits", one).out == striate_cli("predict", one).out


def test_R4_models_among_the_pictures(refused, network, coloured):
    model, (image, _) = network()[0], coloured
    for arguments in ([image, model], [model, model, image], [image, model, "--model", "digits"]):
        line = refused(2, "predict", *arguments)
        assert f"expected one model, before the pictures or as --model; {model} is a model too" in line
    assert f"expected pictures after the model {model}, got none" in refused(2, "predict", model)


@pytest.mark.parametrize("command", ["summary", "evaluate", "open"])
def test_R4_picture_in_place_of_a_model(refused, coloured, command):
    assert "it is a picture (PNG), not a model" in refused(1, command, coloured[0])


def test_R4_picture_in_place_of_a_model_to_export_or_predict_with(refused, coloured, tmp_path):
    assert "it is a picture (PNG), not a model" in refused(1, "export", coloured[0], tmp_path / "m.onnx")
    assert "it is a picture (PNG), not a model" in refused(1, "predict", coloured[0], "--model", coloured[0])


@pytest.mark.parametrize("suffix", ["safetensors", "onnx"])
@pytest.mark.parametrize(
    ("layer", "scaled"),
    [
        (lambda: layers.Rescaling(1 / 255), lambda pixels: pixels / 255),
        (lambda: layers.Rescaling(1 / 127.5, -1), lambda pixels: pixels / 127.5 - 1),
        (
            lambda: layers.Normalization(mean=[124, 116, 104], variance=[58**2, 57**2, 57**2]),
            lambda pixels: (pixels - [124, 116, 104]) / [58, 57, 57],
        ),
        (lambda: layers.Rescaling(2, -1), lambda pixels: pixels / 127.5 - 1),
    ],
)
def test_pixels_are_scaled_once(striate_cli, network, coloured, layer, scaled, suffix):
    model, kernel = network(layer(), suffix=suffix)
    result = striate_cli("predict", model, coloured[0], "--json")
    assert result.err == ""
    np.testing.assert_allclose(shares_in(result), softmax(scaled(coloured[1]).reshape(-1) @ kernel), rtol=1e-4)


def test_range_that_nobody_says_is_assumed_aloud_and_may_be_stated(striate_cli, network, coloured):
    model, kernel = network()
    result = striate_cli("predict", model, coloured[0], "--json")
    np.testing.assert_allclose(shares_in(result), softmax(coloured[1].reshape(-1) / 255 @ kernel), rtol=1e-4)
    assert "does not say how pictures become numbers; pixels from 0 to 1 are assumed" in result.err
    assert "try striate predict --pixels 0 255, or -1 1" in result.err
    stated = striate_cli("predict", model, coloured[0], "--json", "--pixels", -1, 1)
    np.testing.assert_allclose(shares_in(stated), softmax((coloured[1] / 127.5 - 1).reshape(-1) @ kernel), rtol=1e-4)
    assert stated.err == ""


def test_one_sigmoid_tells_two_classes_apart(striate_cli, network, coloured):
    model, kernel = network(layers.Rescaling(1 / 255), units=1, activation="sigmoid")
    second = float(1 / (1 + np.exp(-(coloured[1].reshape(-1) / 255) @ kernel))[0])
    shares = shares_in(striate_cli("predict", model, coloured[0], "--json"))
    np.testing.assert_allclose(shares, [1 - second, second], rtol=1e-4)


@pytest.mark.parametrize(
    ("units", "loss", "said"),
    [(1, None, ["--outputs", "numbers"]), (1, None, []), (2, "mse", [])],
)
def test_network_of_measures_gives_its_numbers(striate_cli, network, coloured, units, loss, said):
    model, kernel = network(layers.Rescaling(1 / 255), units=units, activation=None, loss=loss)
    result = striate_cli("predict", model, coloured[0], "--json", *said)
    assert result.err == ""
    expected = coloured[1].reshape(-1) / 255 @ kernel
    np.testing.assert_allclose(json.loads(result.out)[0]["numbers"], expected, rtol=1e-4)
    line = striate_cli("predict", model, coloured[0], *said).lines[0]
    assert line == f"{coloured[0]}: " + ", ".join(f"{value:.6g}" for value in json.loads(result.out)[0]["numbers"])


def test_many_numbers_are_cut_short():
    assert as_text({"numbers": [1.5] * 12}) == ", ".join(["1.5"] * 10) + ", …"


def test_scale_of_the_outputs_may_be_stated(striate_cli, network, coloured, refused):
    model, kernel = network(layers.Rescaling(1 / 255), activation=None)
    logits = coloured[1].reshape(-1) / 255 @ kernel
    assumed = striate_cli("predict", model, coloured[0], "--json")
    np.testing.assert_allclose(shares_in(assumed), softmax(logits), rtol=1e-4)
    assert "does not say what its outputs are; they are taken for logits" in assumed.err
    stated = striate_cli("predict", model, coloured[0], "--json", "--outputs", "independent-logits")
    np.testing.assert_allclose(shares_in(stated), 1 / (1 + np.exp(-logits)), rtol=1e-4)
    assert stated.err == ""
    line = refused(1, "predict", model, coloured[0], "--outputs", "percent")
    assert "outputs: expected one of probabilities, independent, " in line
    assert "got 'percent'" in line
    assert "pixels: expected black below white, got 1 and 0" in refused(
        1, "predict", model, coloured[0], "--pixels", 1, 0
    )


def test_R4_network_of_maps_or_of_several_outputs_is_no_classifier(refused, tmp_path, coloured):
    path = tmp_path / "maps.safetensors"
    x = striate.Input((4, 6, 3))
    maps = layers.Conv2D(2, 1, activation="softmax")(x)
    striate.Model(x, maps, name="maps").save(path)
    assert "expected a row of numbers for each sample, maps gives 4×6×2" in refused(1, "predict", path, coloured[0])
    striate.Model(x, [maps, layers.Flatten()(x)], name="two").save(path)
    assert "expected a model of one output, two has 2" in refused(1, "predict", path, coloured[0])
