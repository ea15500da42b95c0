"""Any number of the studio, and the sum that it came from: asked of the server, and clicked in a browser."""

import json
from urllib.parse import urlencode

import numpy as np
import pytest

import striate
from striate.data.drawing import render
from striate.explain import Recording
from striate.studio.server import MOST_USES
from tests.studio.branched import branched, paper
from tests.studio.conftest import running
from tests.studio.standin import stand_in
from tests.studio.strokes import DIGITS
from tests.studio.test_server import ONE, draw, fetch, message, png, unpack

GRADIENT = "∂ "


def ask(address, key, what, place, index, **query):
    query = {"place": place, "index": ",".join(map(str, index)), **query}
    status, _, body = fetch(address, f"/api/inputs/{key}/{what}?{urlencode(query)}")
    return status, json.loads(body)


@pytest.fixture(scope="module")
def drawn(studio):
    """The key of a drawing that the studio has answered, and the same run here."""
    key = unpack(draw(studio, message())[0])[0]["input"]
    model = stand_in()
    picture = model.preprocessing.prepare(render(ONE, width=0.08))
    return key, Recording(model, picture[np.newaxis])


def assert_sum(step, recording):
    """The terms add up to the number, are the largest first, and each is where it says."""
    place, index, value = step["number"]
    assert recording.values(place)[tuple(index)] == np.float32(value)
    total = sum(term for term, _ in step["terms"]) + step["rest"]
    sizes = [abs(term) for term, _ in step["terms"]]
    assert sizes == sorted(sizes, reverse=True)
    if step["operation"]:
        assert total == pytest.approx(step["total"], rel=1e-12, abs=1e-12)
        assert total == pytest.approx(value, rel=1e-5, abs=1e-6 * max(1, *sizes))
    for _, reads in step["terms"]:
        for where, at, read in reads:
            assert recording.values(where)[tuple(at)] == np.float32(read)


@pytest.mark.parametrize("of", [None, (0, 1)])
def test_P3_every_number_of_every_layer_is_a_sum_that_can_be_asked_for(studio, drawn, of):
    key, recording = drawn
    recording = recording if of is None else recording.towards(of)
    generator = np.random.default_rng(0)
    for layer in json.loads(fetch(studio, "/api/network")[2])["layers"]:
        index = [0, *(int(generator.integers(size)) for size in layer["shape"])]
        for place in (layer["name"], GRADIENT + layer["name"]) if of else (layer["name"],):
            if place not in recording.places:
                continue  # no gradient flows there
            status, answer = ask(studio, key, "number", place, index, **({"of": "0,1"} if of else {}))
            assert status == 200
            for step in answer["steps"]:
                assert_sum(step, recording)


def test_P3_a_convolution_worked_out_by_hand(studio, drawn):
    key, recording = drawn
    pixels = recording.values("input")[0, ..., 0]
    row, column = np.argwhere(np.diff(pixels, axis=0, append=0) != 0)[0]
    _, answer = ask(studio, key, "number", "slopes", (0, row, column, 0))
    (step,) = answer["steps"]
    assert step["operation"] == "conv"
    assert step["total"] == pytest.approx(float(pixels[row + 1, column]) - float(pixels[row, column]))
    assert step["count"] == len(step["terms"]) == 4
    assert {tuple(reads[0][1][1:3]) for _, reads in step["terms"]} == {
        (row + i, column + j) for i in (0, 1) for j in (0, 1)
    }


def test_P3_who_reads_a_number(studio, drawn):
    key, _ = drawn
    _, answer = ask(studio, key, "uses", "input", (0, 5, 8, 0))
    places = [place for (place, _, _), _, _ in answer["uses"]]
    assert places.count("slopes") == 4 + 4  # 2 × 2 windows in each of 2 maps
    assert places.count("pooled") == 1
    (index,) = [index for (place, index, _), _, _ in answer["uses"] if place == "pooled"]
    assert index == [0, 0, 1, 0]
    assert not answer["more"] or len(answer["uses"]) == MOST_USES


@pytest.mark.parametrize(
    ("what", "place", "index", "query", "sentence"),
    [
        ("number", "slope", (0, 0, 0, 0), {}, "there is no place 'slope'. Did you mean 'slopes'?"),
        ("number", "slopes", (0, 0), {}, "expected an index inside of (1, 28, 28, 2), the shape of slopes; got (0, 0)"),
        ("number", "slopes", (0, 28, 0, 0), {}, "expected an index inside of (1, 28, 28, 2)"),
        ("uses", "slopes", (0, 0, 0, 2), {}, "expected an index inside of (1, 28, 28, 2)"),
        ("number", "slopes", ("x",), {}, "expected index as integers, such as 0,5,3, got 'x'"),
        (
            "number",
            "slopes",
            (0, 0, 0, 0),
            {"of": "0,10"},
            "an index inside of (1, 10), the shape of the network's output",
        ),
        ("number", "slopes", (0, 0, 0, 0), {"of": "-1"}, "expected of as integers"),
    ],
)
def test_R4_numbers_that_are_not_there_are_refused_in_a_sentence(studio, drawn, what, place, index, query, sentence):
    status, answer = ask(studio, drawn[0], what, place, index, **query)
    assert status == 400
    assert sentence in answer["error"]


def test_R4_numbers_of_an_input_that_left_are_gone(studio):
    for what in ("number", "uses"):
        status, answer = ask(studio, "0123456789abcdef", what, "slopes", (0, 0, 0, 0))
        assert (status, answer) == (410, {"error": "input: it is not kept any more. Open or draw it again."})


def test_P3_numbers_of_pictures():
    with running(branched()) as address:
        header, _, _ = unpack(fetch(address, "/api/inputs/", png(paper(255, 51, 0)))[2])
        _, answer = ask(address, header["input"], "number", "classes", (0, 0))
        assert [step["operation"] for step in answer["steps"]] == ["softmax", "add", "dense"]
        terms = answer["steps"][-1]["terms"]
        assert terms[0][0] == pytest.approx(8 * 0.5)
        (_, where, mean), (kernel, at, weight) = terms[0][1]
        assert (where, kernel, at) == ([0, 40], "classes/kernel", [40, 0])
        assert (mean, weight) == (0.5, 8)


def test_P3_large_sums_leave_out_the_smallest(monkeypatch):
    monkeypatch.setattr("striate.studio.server.MOST_TERMS", 3)
    with running(striate.load_model("digits")) as address:
        key = unpack(draw(address, message(DIGITS["5"][0]))[0])[0]["input"]
        layers = json.loads(fetch(address, "/api/network")[2])["layers"]
        last = layers[-1]["name"]
        _, answer = ask(address, key, "number", last, (0, 5))
        step = answer["steps"][-1]
        assert len(step["terms"]) == 3 < step["count"]
        assert sum(term for term, _ in step["terms"]) + step["rest"] == pytest.approx(step["total"])
