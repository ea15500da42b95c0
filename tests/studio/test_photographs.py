"""What the server says about photographs, to a page and to anybody else."""

import io
import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import striate
from striate import layers, ops
from striate.data import PhotoPreprocessing
from striate.errors import ArgumentError, ModelError
from striate.models.facts import pixels_between
from striate.studio import create_app, network, why_no_picture
from striate.studio.keeping import Kept
from striate.studio.network import Network
from striate.studio.uploads import MAX_PICTURE_BYTES, MAX_PICTURE_PIXELS
from tests.studio.branched import CLASSES, FACTORS, SIDE, WEIGHT, branched, paper
from tests.studio.conftest import running
from tests.studio.test_server import fetch, png, unpack
from tests.studio.threads import PATIENCE, Watched, in_a_thread, one_at_a_time

RED = paper(255, 51, 0)


@pytest.fixture(scope="module")
def address():
    with running(branched()) as address:
        yield address


def look(address, picture):
    status, _, body = fetch(address, "/api/inputs/", png(picture))
    assert status == 200
    return unpack(body)[:2]


def maps(address, picture, layer, first=0, count=32):
    status, _, body = fetch(address, f"/api/inputs/{picture}/layers/{layer}?first={first}&count={count}")
    assert status == 200
    header, _, (values,) = unpack(body)
    (part,) = header["maps"]
    return part, values


def test_P3_page_for_photographs_comes_instead_of_paper(address):
    status, headers, body = fetch(address, "/")
    assert status == 200
    assert b"photographs.js" in body
    assert "script-src 'self'" in headers["Content-Security-Policy"]


def test_P3_every_layer_says_what_it_reads(address):
    network = json.loads(fetch(address, "/api/network")[2])
    assert network["classes"] == list(CLASSES)
    assert network["notes"] == []
    assert network["name"]
    reads = {layer["name"]: layer["inputs"] for layer in network["layers"]}
    assert reads["pixels"] == []
    assert reads["copies"] == reads["channels"] == ["pixels"]
    assert reads["joined"] == ["positive", "channels"]
    assert reads["deep_0"] == ["small"]
    assert [layer["shape"] for layer in network["layers"]][:2] == [[SIDE, SIDE, 3], [SIDE, SIDE, 40]]
    assert "shorter side scaled to 24, the middle 24×24 cut out" in network["layers"][0]["sentence"]


def test_P3_answer_is_the_softmax_worked_out_by_hand(address):
    header, probabilities = look(address, RED)
    # Half of the picture is black; the largest of every 2×2 window leaves it so.
    scores = WEIGHT * np.array([0.5, 0.1, 0, 0, 0, 0])
    np.testing.assert_allclose(probabilities, np.exp(scores) / np.exp(scores).sum(), rtol=1e-5)
    assert header["sure"] is True
    assert probabilities.argmax() == CLASSES.index("red")


def test_P3_some_maps_come_with_the_ends_of_the_whole_layer(address):
    picture = look(address, RED)[0]["input"]
    header, values = maps(address, picture, 1, first=32)
    assert header == {"layer": 1, "first": 32, "shape": [SIDE, SIDE, 8], "least": -5, "greatest": 34}
    np.testing.assert_allclose(values, RED[..., :1] / np.float32(255) * FACTORS[32:], rtol=1e-6)
    np.testing.assert_allclose(maps(address, picture, 0)[1], RED / np.float32(255), rtol=1e-6)


def test_P3_what_the_network_sees_is_a_picture(address):
    wide = paper(0, 0, 255, size=(SIDE, 3 * SIDE))
    picture = look(address, wide)[0]["input"]
    _, headers, body = fetch(address, f"/api/inputs/{picture}/frame.png")
    assert headers["Content-Type"] == "image/png"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(body))), wide[:, SIDE : 2 * SIDE])
    assert fetch(address, f"/api/inputs/{picture}")[2] == fetch(address, "/api/inputs/", png(wide))[2]


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("/api/inputs/nowhere", 404, "input: it is not kept any more. Open or draw it again."),
        ("/api/inputs/0123456789abcdef", 410, "input: it is not kept any more. Open or draw it again."),
        ("/api/inputs/0123456789abcdef/frame.png", 410, "not kept any more"),
        ("/api/inputs/0123456789abcdef/layers/1?first=0&count=1", 410, "not kept any more"),
        ("/api/inputs/{}/layers/99?first=0&count=1", 400, "layer: expected a number from 0 to 19, got 99"),
        ("/api/inputs/{}/layers/1?first=40&count=1", 400, "the first of them from 0 to 39 and at least one, got 40"),
        ("/api/inputs/{}/layers/1?first=0&count=0", 400, "at least one, got 0 and 0"),
        ("/api/inputs/{}/layers/1", 400, "expected first as an integer, got ''"),
        ("/api/inputs/{}/layers/1?first=-1&count=1", 400, "expected first as an integer, got '-1'"),
        ("/api/inputs/{}/layers/1?first=0&count=9999999999", 400, "expected count as an integer"),
    ],
)
def test_R4_what_is_not_there_is_refused_in_a_sentence(address, path, status, sentence):
    got, _, answer = fetch(address, path.format(look(address, RED)[0]["input"]))
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
    got, _, answer = fetch(address, "/api/inputs/", body)
    assert got == status
    assert sentence in json.loads(answer)["error"]


def test_R7_layers_of_pictures_are_kept_within_a_number_of_bytes():
    one = Network(branched()).look(RED)
    # 24 × 24 × (3 as pixels, and as float32 3 + 40 + 40 + 3 + 43), 13 times 12 × 12 × 43, 43, 6, and 6 probabilities.
    assert one.size == 24 * 24 * (3 + 4 * 129) + 4 * (13 * 12 * 12 * 43 + 43 + 6 + 6)
    model = Network(branched(), memory=2 * one.size)
    red = model.look(RED)
    green = model.look(paper(0, 255, 0))
    assert model.recall(red.key) is red  # and is now the one that was looked at last
    blue = model.look(paper(0, 0, 255))
    assert model.recall(green.key) is None
    assert model.recall(red.key) is red
    again = model.look(RED)  # in place of the first
    assert again.key == red.key
    assert model.recall(red.key) is again
    assert model.recall(blue.key) is blue
    np.testing.assert_allclose(green.output("pixels"), paper(0, 255, 0) / np.float32(255))  # nothing was written over


def test_R4_memory_must_do_for_one_picture():
    one = Network(branched()).look(RED).size
    assert Network(branched(), memory=one).look(RED).size == one
    with pytest.raises(
        ArgumentError, match=rf"^studio: expected memory for one picture's layers, {one:,} bytes .* got"
    ):
        create_app(branched(), memory=one - 1)


def test_R7_memory_does_for_one_picture_unless_something_else_is_asked(monkeypatch):
    monkeypatch.setattr(network, "MEMORY", 1)
    model = Network(branched())
    sight = model.look(RED)
    assert model.recall(sight.key) is sight
    model.look(paper(0, 255, 0))
    assert model.recall(sight.key) is None


def test_R7_what_left_is_gone_and_can_be_looked_at_again():
    one = Network(branched()).look(RED).size
    with running(branched(), memory=one) as address:
        red = look(address, RED)[0]["input"]
        look(address, paper(0, 255, 0))
        for path in (f"/api/inputs/{red}", f"/api/inputs/{red}/frame.png", f"/api/inputs/{red}/layers/1"):
            status, _, answer = fetch(address, path)
            assert (status, json.loads(answer)) == (
                410,
                {"error": "input: it is not kept any more. Open or draw it again."},
            )
        assert look(address, RED)[0]["input"] == red
        assert fetch(address, f"/api/inputs/{red}")[0] == 200


# Threads


def test_P3_the_network_sees_one_picture_at_a_time(monkeypatch):
    model = Network(branched())
    one_at_a_time(monkeypatch, model, model, "_run", [lambda: model.look(RED), lambda: model.look(paper(0, 255, 0))])


def test_P3_no_picture_is_run_while_the_network_warms_up(monkeypatch):
    model = Network(branched())
    one_at_a_time(monkeypatch, model, model, "_run", [model.warm_up, lambda: model.look(RED)])


def test_P3_what_is_kept_can_be_looked_at_while_the_network_is_at_work(monkeypatch):
    model = Network(branched())
    sight = model.look(RED)
    with model._lock:
        assert in_a_thread(lambda: model.recall(sight.key)) is sight


def test_R7_threads_take_turns_at_what_is_kept():
    kept = Kept(most=1)
    kept._lock = lock = Watched(kept._lock)
    with ThreadPoolExecutor(2) as threads:
        with lock:
            waiting = [threads.submit(kept.keep, "a", SimpleNamespace(size=1)), threads.submit(kept.get, "a")]
            for _ in waiting:
                assert lock.waiting.acquire(timeout=PATIENCE)
        for one in waiting:
            one.result(PATIENCE)
    assert kept.get("a").size == 1


def ending(activation, units=3, loss=None):
    """A network whose outputs are the numbers 2, 1, 0.5 of any picture, through an activation."""
    x = striate.Input((2, 2, 1))
    model = striate.Model(x, layers.Dense(units, activation=activation, name="end")(layers.Flatten()(x)))
    model.set_weights([np.zeros((4, units)), np.array([2.0, 1.0, 0.5])[:units]])
    if loss:
        model.compile("adam", loss)
    return Network(model)


@pytest.mark.parametrize(
    ("activation", "expected", "note"),
    [
        ("softmax", [0.6285317, 0.2312239, 0.1402444], None),
        ("sigmoid", [0.8807971, 0.7310586, 0.6224593], "The outputs are independent probabilities"),
        ("log_softmax", [0.6285317, 0.2312239, 0.1402444], None),
        (None, [0.6285317, 0.2312239, 0.1402444], "they are taken for logits, whose softmax is shown"),
    ],
)
def test_P3_outputs_are_shown_as_the_network_ends(activation, expected, note):
    studio = ending(activation)
    np.testing.assert_allclose(studio.look(np.zeros((2, 2, 1), np.uint8)).probabilities, expected, rtol=1e-6)
    said = " ".join(studio.notes)
    assert note in said if note else "output" not in said


@pytest.mark.parametrize("values", [[0.2, 0.5, 0.3], [0.1, 0.2, 0.3], [3.0, -1.0, 2.0]])
def test_P3_outputs_of_one_network_are_shown_in_one_way(values):
    """Logits that happen to lie in 0 … 1, or to sum to 1, are logits all the same."""
    model = striate.Sequential([striate.Input((1, 3, 1)), layers.Flatten(), layers.Dense(3, use_bias=False)])
    model.set_weights([np.eye(3)])
    model.facts = striate.models.Facts((0, 255), "logits")
    studio = Network(model)
    shares = studio._record(np.array(values, np.float32).reshape(1, 3, 1), None).probabilities
    np.testing.assert_allclose(shares, np.exp(values) / np.exp(values).sum(), rtol=1e-5)


def test_P3_one_sigmoid_tells_two_classes_apart():
    studio = ending("sigmoid", units=1)
    assert studio.classes == ("class 0", "class 1")
    shares = studio.look(np.zeros((2, 2, 1), np.uint8)).probabilities
    np.testing.assert_allclose(shares, [0.1192029, 0.8807971], rtol=1e-5)


@pytest.mark.parametrize(("units", "loss"), [(1, None), (3, "mse")])
def test_P3_measures_are_no_classes(units, loss):
    studio = ending(None, units, loss)
    assert studio.classes == ()
    assert f"The output, of shape {units}, is not a list of classes." in studio.notes


def test_P3_network_is_not_sure_below_its_threshold_or_one_half():
    model = branched()
    unsure = paper(255, 250, 245)
    assert not Network(model).look(unsure).sure
    model.threshold = 0.2
    assert Network(model).look(unsure).sure


def test_P3_what_a_file_does_not_say_is_named():
    model = branched()
    model.classes, model.preprocessing = (), None
    studio = Network(model)
    assert studio.notes == [
        "This file does not say how pictures become numbers; pixels from 0 to 1 are assumed. "
        "If the answers are odd, try striate open --pixels 0 255, or -1 1.",
        "The file does not name its classes; they are numbered.",
    ]
    assert studio.classes[5] == "class 5"
    np.testing.assert_allclose(studio.look(RED).output("pixels"), RED / np.float32(255))


@pytest.mark.parametrize(
    ("black", "white", "expected"), [(0, 1, [0, 0.2, 1]), (0, 255, [0, 51, 255]), (-1, 1, [-1, -0.6, 1])]
)
def test_P3_black_and_white_become_what_is_asked(black, white, expected):
    prepared = pixels_between(branched(), black, white).of_frame(np.array([[[0, 51, 255]]], np.uint8))
    np.testing.assert_allclose(prepared.ravel(), expected, rtol=1e-6)


def test_R4_black_must_be_below_white():
    with pytest.raises(ArgumentError, match="expected black below white, got 1 and 1"):
        pixels_between(branched(), 1, 1)


def test_P3_network_without_classes_still_shows_its_layers():
    x = striate.Input((8, 8, 1))
    studio = Network(striate.Model(x, layers.Conv2D(5, 3, name="edges")(x)))
    assert "The output, of shape 6×6×5, is not a list of classes." in studio.notes
    sight = studio.look(np.zeros((30, 30, 1), np.uint8))
    assert sight.probabilities.size == 0
    assert [sight.output(row.name).shape for row in studio.layers] == [(8, 8, 1), (6, 6, 5)]


def test_P3_layer_called_twice_and_operations_at_the_end_have_rows_of_their_own():
    x = striate.Input((4, 4, 1), name="x")
    twice = layers.ReLU(name="twice")
    flat = layers.Flatten(name="flat")(layers.Dropout(0.5, name="dropped")(twice(twice(x))))
    studio = Network(striate.Model(x, ops.add(flat, np.float32(1))))
    assert [(row.name, row.inputs) for row in studio.layers] == [
        ("x", ()),
        ("twice", ("x",)),
        ("twice_1", ("twice",)),
        ("dropped", ("twice_1",)),
        ("flat", ("dropped",)),
        ("output", ("flat",)),
    ]
    sight = studio.look(np.full((4, 4, 1), 255, np.uint8))
    np.testing.assert_array_equal(sight.output("output"), np.full(16, 2))
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
        (series, r"takes pictures \(height×width×1 or 3\), this one takes 100×2"),
        (lambda: striate.Model(name="nothing"), "with a static graph"),
    ],
)
def test_R4_network_that_takes_no_picture_is_named(model, reason):
    with pytest.raises(ModelError, match=f"^studio: expected a network .*{reason}"):
        create_app(model())
    assert why_no_picture(branched()) == ""


def test_R4_classes_and_preprocessing_must_fit_the_network():
    model = branched()
    model.classes = ("one", "two")
    with pytest.raises(ModelError, match=r"a name for each of 6 classes, got 2\."):
        create_app(model)
    model.classes, model.preprocessing = CLASSES, PhotoPreprocessing((9, 7))
    with pytest.raises(ModelError, match="to inputs of 24×24×3, got one to 9×7×3"):
        create_app(model)
