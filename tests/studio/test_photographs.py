"""What the server says about photographs, to a page and to anybody else."""

import io
import json
import struct

import numpy as np
import pytest
from PIL import Image

import striate
from striate import layers, ops
from striate.data import PhotoPreprocessing
from striate.errors import ArgumentError, ModelError
from striate.studio import create_app, photographs, why_no_picture
from striate.studio.photographs import Photographs, as_probabilities
from striate.studio.server import MAX_PICTURE_BYTES, MAX_PICTURE_PIXELS
from tests.studio.branched import CLASSES, FACTORS, SIDE, WEIGHT, branched, paper
from tests.studio.conftest import running
from tests.studio.test_server import fetch, png

RED = paper(255, 51, 0)


@pytest.fixture(scope="module")
def address():
    with running(branched()) as address:
        yield address


def unpack(frame):
    (length,) = struct.unpack_from("<I", frame)
    return json.loads(frame[4 : 4 + length]), np.frombuffer(frame, "<f4", offset=4 + length)


def look(address, picture):
    status, _, body = fetch(address, "/api/pictures/", png(picture))
    assert status == 200
    return unpack(body)


def maps(address, picture, layer, first=0, count=32):
    status, _, body = fetch(address, f"/api/pictures/{picture}/layers/{layer}?first={first}&count={count}")
    assert status == 200
    header, values = unpack(body)
    return header, values.reshape(header["shape"])


def test_P3_page_for_photographs_comes_instead_of_paper(address):
    status, headers, body = fetch(address, "/")
    assert status == 200
    assert b"photographs.js" in body
    assert "script-src 'self'" in headers["Content-Security-Policy"]


def test_P3_every_layer_says_what_it_reads(address):
    network = json.loads(fetch(address, "/api/model")[2])
    assert network["classes"] == list(CLASSES)
    assert network["notes"] == []
    reads = {layer["name"]: layer["inputs"] for layer in network["layers"]}
    assert reads["input"] == []
    assert reads["copies"] == reads["channels"] == ["input"]
    assert reads["joined"] == ["positive", "channels"]
    assert reads["deep_0"] == ["small"]
    assert [layer["shape"] for layer in network["layers"]][:2] == [[SIDE, SIDE, 3], [SIDE, SIDE, 40]]
    assert "shorter side scaled to 24, the middle 24×24 cut out" in network["layers"][0]["sentence"]


def test_P3_answer_is_the_softmax_worked_out_by_hand(address):
    header, probabilities = look(address, RED)
    # Half of the picture is black; the largest of every 2×2 window leaves it so.
    scores = WEIGHT * np.array([0.5, 0.1, 0, 0, 0, 0])
    np.testing.assert_allclose(probabilities, np.exp(scores) / np.exp(scores).sum(), rtol=1e-5)
    assert header["scale"] == "probabilities"
    assert header["sure"] is True
    assert probabilities.argmax() == CLASSES.index("red")


def test_P3_some_maps_come_with_the_ends_of_the_whole_layer(address):
    picture = look(address, RED)[0]["picture"]
    header, values = maps(address, picture, 1, first=32)
    assert header == {"first": 32, "shape": [SIDE, SIDE, 8], "least": -5, "greatest": 34}
    np.testing.assert_allclose(values, RED[..., :1] / np.float32(255) * FACTORS[32:], rtol=1e-6)
    np.testing.assert_allclose(maps(address, picture, 0)[1], RED / np.float32(255), rtol=1e-6)


def test_P3_what_the_network_sees_is_a_picture(address):
    wide = paper(0, 0, 255, size=(SIDE, 3 * SIDE))
    picture = look(address, wide)[0]["picture"]
    _, headers, body = fetch(address, f"/api/pictures/{picture}/frame.png")
    assert headers["Content-Type"] == "image/png"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(body))), wide[:, SIDE : 2 * SIDE])
    assert fetch(address, f"/api/pictures/{picture}")[2] == fetch(address, "/api/pictures/", png(wide))[2]


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("/api/pictures/nowhere", 404, "expected one of the last few, got one that is not kept. Open it again."),
        ("/api/pictures/nowhere/frame.png", 404, "not kept"),
        ("/api/pictures/nowhere/layers/1?first=0&count=1", 404, "not kept"),
        ("/api/pictures/{}/layers/99?first=0&count=1", 404, "layer: expected a number below 20, got 99"),
        ("/api/pictures/{}/layers/1?first=40&count=1", 400, "the first of them from 0 to 39 and at least one, got 40"),
        ("/api/pictures/{}/layers/1?first=0&count=0", 400, "at least one, got 0 and 0"),
        ("/api/pictures/{}/layers/1", 400, "expected first as a whole number, got ''"),
        ("/api/pictures/{}/layers/1?first=-1&count=1", 400, "expected first as a whole number, got '-1'"),
        ("/api/pictures/{}/layers/1?first=0&count=9999999999", 400, "expected count as a whole number"),
    ],
)
def test_R4_what_is_not_there_is_refused_in_a_sentence(address, path, status, sentence):
    got, _, answer = fetch(address, path.format(look(address, RED)[0]["picture"]))
    assert got == status
    assert sentence in json.loads(answer)["error"]


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"", 400, "expected a picture"),
        (b"no picture", 400, "expected a picture"),
        (png(RED)[:60], 400, "expected an intact picture"),
        (bytes(MAX_PICTURE_BYTES + 1), 413, "at most 16 MiB"),
        (png(np.zeros((8000, MAX_PICTURE_PIXELS // 8000 + 1), bool)), 413, "at most 32,000,000 pixels"),
    ],
    ids=["nothing", "text", "truncated", "too many bytes", "too many pixels"],
)
def test_R4_bad_photograph_is_refused_in_a_sentence(address, body, status, sentence):
    got, _, answer = fetch(address, "/api/pictures/", body)
    assert got == status
    assert sentence in json.loads(answer)["error"]


def test_P3_layers_of_the_newest_pictures_are_kept_in_bounded_memory(monkeypatch):
    model = Photographs(branched())
    first = model.recognise(RED)
    monkeypatch.setattr(photographs, "MAX_KEPT_BYTES", 2 * first.size)
    second = model.recognise(paper(0, 255, 0))
    assert model.recall(first.picture) is first
    model.recognise(RED)  # is now the newest
    third = model.recognise(paper(0, 0, 255))
    assert model.recall(second.picture) is None
    assert model.recall(first.picture) is not None
    monkeypatch.setattr(photographs, "MAX_KEPT_BYTES", 0)
    fourth = model.recognise(paper(9, 9, 9))
    assert model.recall(third.picture) is None
    assert model.recall(fourth.picture) is fourth
    np.testing.assert_allclose(third.tensors[0], paper(0, 0, 255) / np.float32(255))  # nothing was written over


@pytest.mark.parametrize(
    ("outputs", "scale", "probabilities"),
    [
        ([0.2, 0.5, 0.3], "probabilities", [0.2, 0.5, 0.3]),
        ([0.9, 0.8, 0.1], "independent", [0.9, 0.8, 0.1]),
        ([3.0, -1.0, 900.0], "scores", [0, 0, 1]),
        ([2.0, 1.0, 0.5], "scores", [0.6285317, 0.2312239, 0.1402444]),
    ],
)
def test_P3_outputs_that_are_no_probabilities_go_through_a_softmax(outputs, scale, probabilities):
    got, values = as_probabilities(np.array(outputs, np.float32))
    assert got == scale
    np.testing.assert_allclose(values, probabilities, rtol=1e-6)


def test_P3_network_is_not_sure_below_its_threshold_or_one_half():
    model = branched()
    unsure = paper(255, 250, 245)
    assert not Photographs(model).recognise(unsure).sure
    model.threshold = 0.2
    assert Photographs(model).recognise(unsure).sure


def test_P3_what_a_file_does_not_say_is_named():
    model = branched()
    model.classes, model.preprocessing = (), None
    studio = Photographs(model)
    assert studio.notes == [
        "This file does not say how pictures become numbers; pixels from 0 to 1 are assumed. "
        "If the answers are odd, try striate open --pixels 0 255, or -1 1.",
        "This file does not name its classes; they are shown by number.",
    ]
    assert studio.classes[5] == "class 5"
    np.testing.assert_allclose(studio.recognise(RED).tensors[0], RED / np.float32(255))


@pytest.mark.parametrize(
    ("black", "white", "expected"), [(0, 1, [0, 0.2, 1]), (0, 255, [0, 51, 255]), (-1, 1, [-1, -0.6, 1])]
)
def test_P3_black_and_white_become_what_is_asked(black, white, expected):
    prepared = photographs.pixels_between(branched(), black, white).of_frame(np.array([[[0, 51, 255]]], np.uint8))
    np.testing.assert_allclose(prepared.ravel(), expected, rtol=1e-6)


def test_R4_black_must_be_below_white():
    with pytest.raises(ArgumentError, match="expected black below white, got 1 and 1"):
        photographs.pixels_between(branched(), 1, 1)


def test_P3_network_without_classes_still_shows_its_layers():
    x = striate.Input((8, 8, 1))
    studio = Photographs(striate.Model(x, layers.Conv2D(5, 3, name="edges")(x)))
    assert "What comes out are no classes: its shape is 6×6×5." in studio.notes
    sight = studio.recognise(np.zeros((30, 30, 1), np.uint8))
    assert sight.scale is None
    assert [tensor.shape for tensor in sight.tensors] == [(8, 8, 1), (6, 6, 5)]


def test_P3_layer_called_twice_and_operations_at_the_end_have_rows_of_their_own():
    x = striate.Input((4, 4, 1), name="x")
    twice = layers.ReLU(name="twice")
    flat = layers.Flatten(name="flat")(layers.Dropout(0.5, name="dropped")(twice(twice(x))))
    studio = Photographs(striate.Model(x, ops.add(flat, np.float32(1))))
    assert [(row.name, row.inputs) for row in studio.layers] == [
        ("input", ()),
        ("twice", ("input",)),
        ("twice_1", ("twice",)),
        ("dropped", ("twice_1",)),
        ("flat", ("dropped",)),
        ("output", ("flat",)),
    ]
    sight = studio.recognise(np.full((4, 4, 1), 255, np.uint8))
    np.testing.assert_array_equal(sight.tensors[-1], np.full(16, 2))
    np.testing.assert_allclose(sight.probabilities, np.full(16, 1 / 16))  # of the outputs, not of the last layer


def several_inputs():
    a, b = striate.Input((4, 4, 1)), striate.Input((4, 4, 1))
    return striate.Model([a, b], layers.Add()([a, b]))


def series():
    x = striate.Input((100, 2))
    return striate.Model(x, layers.Flatten()(x))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (several_inputs, "one picture as its input, got one with 2 inputs"),
        (series, r"takes pictures \(height×width×1 or 3\), got one that takes 100×2"),
        (lambda: striate.Model(name="nothing"), "whose structure is known beforehand"),
    ],
)
def test_R4_network_that_takes_no_picture_is_named(model, reason):
    with pytest.raises(ModelError, match=f"^studio: expected a network .*{reason}"):
        create_app(model())
    assert why_no_picture(branched()) == ""


def test_R4_classes_and_preprocessing_must_fit_the_network():
    model = branched()
    model.classes = ("one", "two")
    with pytest.raises(ModelError, match=r"one output for each of the 2 classes, got 6 outputs\."):
        create_app(model)
    model.classes, model.preprocessing = CLASSES, PhotoPreprocessing((9, 7))
    with pytest.raises(ModelError, match="makes inputs of 24×24×3, got one for 9×7×3"):
        create_app(model)
