"""What the server says to a page, and to anybody else."""

import io
import json
import signal
import socket
import struct
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Semaphore

import numpy as np
import pytest
from PIL import Image
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from striate.data.drawing import Preprocessing, render
from striate.errors import ArgumentError, ModelError
from striate.studio import create_app, serve, server, uploads
from striate.studio.messages import MAX_MESSAGE_BYTES, MAX_STROKES
from striate.studio.uploads import MAX_IN_FLIGHT, MAX_PICTURE_BYTES, MAX_PICTURE_PIXELS
from tests.studio.conftest import running
from tests.studio.standin import THRESHOLD, Slow, stand_in
from tests.studio.strokes import DIGITS
from tests.studio.threads import PATIENCE

ROOT = Path(__file__).parents[2]
ONE = DIGITS["1"][0]


#: All maps of all layers of the stand-in, as a page asks for them.
EVERYTHING = [[layer, 0, count] for layer, count in enumerate((1, 2, 1, 2, 10))]


def message(strokes=ONE, **fields):
    return json.dumps({"id": 7, "width": 0.08, "strokes": strokes} | fields)


def fetch(address, path, data=None, **headers):
    """Return the status, the headers and the body; header names with underscores."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://{address}{path}", data, headers)) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def draw(address, *messages, **options):
    """Send messages one after the other; return what came back for each."""
    answers = []
    with connect(f"ws://{address}/api/draw", max_size=None, **options) as websocket:
        for sent in messages:
            websocket.send(sent)
            answers.append(websocket.recv(timeout=10))
    return answers


def unpack(frame):
    """Read an answer as messages.py describes it: the header, the probabilities, and the maps."""
    (length,) = struct.unpack_from("<I", frame)
    header, values = json.loads(frame[4 : 4 + length]), np.frombuffer(frame, "<f4", offset=4 + length)
    shapes = [part["shape"] for part in header["maps"]]
    sizes = [int(np.prod(shape)) for shape in shapes]
    probabilities, *parts = np.split(values, np.cumsum([len(values) - sum(sizes), *sizes])[:-1])
    return header, probabilities, [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_P1_page_comes_whole_and_keeps_to_itself(studio):
    status, headers, body = fetch(studio, "/")
    assert status == 200
    assert b"main.js" in body
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    for path in (server_file.name for server_file in Path(server.__file__).with_name("static").iterdir()):
        status, headers, _ = fetch(studio, f"/{path}")
        assert status == 200
        assert not path.endswith(".js") or headers["Content-Type"].startswith("text/javascript")


def test_P1_model_is_described_with_every_layer(studio):
    _, headers, body = fetch(studio, "/api/network")
    model = json.loads(body)
    assert headers["Cache-Control"] == "no-store"
    assert model["classes"] == list("0123456789")
    assert [(layer["name"], layer["shape"]) for layer in model["layers"]] == [
        ("input", [28, 28, 1]),
        ("slopes", [28, 28, 2]),
        ("pooled", [4, 4, 1]),
        ("measures", [2]),
        ("softmax", [10]),
    ]


def test_P3_drawing_gets_the_numbers_of_every_layer(studio):
    """A9 as well: the studio prepares strokes exactly as everybody else does."""
    model = stand_in()
    picture = model.preprocessing.prepare(render(ONE, width=0.08))
    expected = [picture, *(output.values[0] for output in model.activations(picture[np.newaxis]))]
    header, probabilities, maps = unpack(draw(studio, message(maps=EVERYTHING))[0])
    assert (header["drawing"], header["sure"]) == (7, True)
    np.testing.assert_array_equal(probabilities, expected[-1])
    for number, (got, wanted) in enumerate(zip(maps, expected, strict=True)):
        np.testing.assert_array_equal(got, wanted)
        part = header["maps"][number]
        assert (part["layer"], part["first"]) == (number, 0)
        assert (part["least"], part["greatest"]) == (min(wanted.min(), 0), max(wanted.max(), 0))


def test_P3_drawing_gets_the_maps_that_the_page_shows(studio):
    header, _, maps = unpack(draw(studio, message(maps=[[1, 1, 5], [3, 0, 1]]))[0])
    assert [(part["layer"], part["first"], part["shape"]) for part in header["maps"]] == [
        (1, 1, [28, 28, 1]),
        (3, 0, [1]),
    ]
    _, _, everything = unpack(draw(studio, message(maps=EVERYTHING))[0])
    np.testing.assert_array_equal(maps[0], everything[1][..., 1:])
    assert unpack(draw(studio, message())[0])[2] == []


def test_P1_server_is_not_sure_below_the_threshold(studio):
    header, probabilities, _ = unpack(draw(studio, message([[(0.1, 0.5), (0.9, 0.5)]]))[0])
    assert header["sure"] is False
    assert probabilities.max() < THRESHOLD


def test_P1_only_the_newest_drawing_is_answered_when_they_come_faster_than_answers():
    with running(stand_in(preprocessing=Slow(0.05))) as address, connect(f"ws://{address}/api/draw") as websocket:
        for number in range(50):
            websocket.send(message(id=number))
        answered = []
        while not answered or answered[-1] < 49:
            answered.append(unpack(websocket.recv(timeout=10))[0]["drawing"])
    assert answered == sorted(answered)
    assert len(answered) < 10


@pytest.mark.parametrize("paper", ["dark", "bright"])
def test_P1_picture_gets_the_same_kind_of_answer(studio, paper):
    ink = render(ONE, width=0.08)
    status, _, body = fetch(studio, "/api/inputs/", png(ink if paper == "dark" else 255 - ink))
    header, probabilities, _ = unpack(body)
    assert status == 200
    assert (header["drawing"], header["sure"]) == (None, True)
    assert probabilities.argmax() == 1


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"", 400, "expected a picture"),
        (b"no picture", 400, "expected a picture"),
        (png(render(ONE, width=0.08))[:200], 400, "expected an intact picture"),
        (png(np.full((99, 99), 255, np.uint8)), 400, "no ink found"),
        (bytes(MAX_PICTURE_BYTES + 1), 413, "at most 16 MiB"),
        (png(np.zeros((8000, MAX_PICTURE_PIXELS // 8000 + 1), bool)), 413, "at most 32,000,000 pixels"),
    ],
    ids=["nothing", "text", "truncated", "blank", "too many bytes", "too many pixels"],
)
def test_R4_bad_picture_is_refused_in_a_sentence(studio, body, status, sentence):
    got, _, answer = fetch(studio, "/api/inputs/", body)
    assert got == status
    assert sentence in json.loads(answer)["error"]


class Gate(Preprocessing):
    """Prepares pictures that somebody sent once the test lets it, and drawings at once."""

    def __init__(self):
        super().__init__()
        object.__setattr__(self, "reached", Semaphore(0))
        object.__setattr__(self, "opened", Event())

    def prepare(self, image, *, ink="bright"):
        if ink == "auto":
            self.reached.release()
            assert self.opened.wait(PATIENCE)
        return super().prepare(image, ink=ink)


@contextmanager
def sending(model, count):
    """A studio's address, and the answers to pictures that are on their way to it, all of which a `Gate` holds up."""
    ink = png(render(ONE, width=0.08))
    with running(model) as address, ThreadPoolExecutor(count) as threads:
        waiting = [threads.submit(fetch, address, "/api/inputs/", ink) for _ in range(count)]
        try:
            yield address, waiting
        finally:
            model.preprocessing.opened.set()
        for answer in waiting:
            status, _, body = answer.result(PATIENCE)
            assert status == 200
            assert unpack(body)[1].argmax() == 1


def gated():
    model = stand_in()
    model.preprocessing = Gate()
    return model


def test_R3_drawings_are_answered_while_pictures_are_prepared():
    model = gated()
    with sending(model, MAX_IN_FLIGHT) as (address, waiting):
        for _ in range(uploads.THREADS):
            assert model.preprocessing.reached.acquire(timeout=PATIENCE)
        header, probabilities, _ = unpack(draw(address, message())[0])
        assert (header["drawing"], header["sure"]) == (7, True)
        assert probabilities.argmax() == 1
        assert not any(answer.done() for answer in waiting)


def test_R3_drawings_are_answered_while_pictures_are_decoded(monkeypatch):
    model = gated()
    decode = uploads.decode_image

    def held_up(*arguments, **options):
        model.preprocessing.reached.release()
        assert model.preprocessing.opened.wait(PATIENCE)
        return decode(*arguments, **options)

    monkeypatch.setattr(uploads, "decode_image", held_up)
    with sending(model, MAX_IN_FLIGHT) as (address, waiting):
        for _ in range(uploads.THREADS):
            assert model.preprocessing.reached.acquire(timeout=PATIENCE)
        assert unpack(draw(address, message())[0])[0]["drawing"] == 7
        assert not any(answer.done() for answer in waiting)


def test_R7_more_pictures_than_are_taken_in_are_refused_until_one_is_answered(monkeypatch):
    monkeypatch.setattr(uploads, "MAX_IN_FLIGHT", 2)
    model = gated()
    ink = png(render(ONE, width=0.08))
    with sending(model, 2) as (address, _):
        for _ in range(2):
            assert model.preprocessing.reached.acquire(timeout=PATIENCE)
        for body in (ink, bytes(MAX_PICTURE_BYTES)):
            status, headers, answer = fetch(address, "/api/inputs/", body)
            assert status == 503
            assert headers["Retry-After"] == "1"
            assert json.loads(answer)["error"] == (
                "picture: expected at most 2 pictures at a time, got one more. Try again in a moment."
            )
    with running(model) as address:
        for body, expected in [(ink, 200), (b"no picture", 400), (ink, 200), (bytes(MAX_PICTURE_BYTES + 1), 413)] * 2:
            assert fetch(address, "/api/inputs/", body)[0] == expected  # whatever became of the ones before


@pytest.mark.parametrize(("path", "status"), [("/api/inputs/", 405), ("/nowhere", 404), ("/../server.py", 404)])
def test_R4_other_requests_are_refused_as_json(studio, path, status):
    got, _, answer = fetch(studio, path)
    assert got == status
    assert json.loads(answer)["error"]


BAD_MESSAGES = {
    "no JSON": ("{", "expected JSON"),
    "no text": (b"\xff\xfe", "expected JSON"),
    "nested": ("[" * 100_000, "expected JSON"),
    "no object": ("[]", "expected an object with an integer id"),
    "no width": ('{"id": 1, "strokes": []}', "expected an object with an integer id"),
    "no strokes": (message(None), "expected an object with an integer id"),
    "no paper touched": (message([]), "no ink found"),
    "no list": (message([5]), "every stroke to be a list"),
    "no pairs": (message([[[0.5]]]), "expected points"),
    "no numbers": (message([[["a", "b"]]]), "expected points"),
    "giant numbers": (message([[[10**400, 0]]]), "expected points"),
    "no finite numbers": (message([[[float("nan"), 0]]]), "expected finite points"),
    "pixels": (message([[[120, 80]]]), "expected points in canvas units"),
    "no brush": (message(width=0), "expected a brush width"),
    "broom": (message(width=3), "expected a brush width"),
    "no list of maps": (message(maps=7), "expected at most 100 maps, each"),
    "no maps": (message(maps=[[1, 0]]), "expected at most 100 maps, each"),
    "maps of truth": (message(maps=[[True, 0, 1]]), "expected at most 100 maps, each"),
    "too many maps": (message(maps=[[0, 0, 1]] * 101), "expected at most 100 maps, each"),
    "no such layer": (message(maps=[[5, 0, 1]]), "layer: expected a number from 0 to 4, got 5"),
    "no such map": (message(maps=[[1, 2, 1]]), "expected the first of them from 0 to 1"),
    "too many strokes": (message([[]] * (MAX_STROKES + 1)), f"at most {MAX_STROKES:,} strokes"),
    "too many points": (message([[[0.5, 0.5]] * 20_001]), "at most 20,000 points"),
    "too many bytes": (" " * (MAX_MESSAGE_BYTES + 1), f"at most {MAX_MESSAGE_BYTES:,} bytes"),
}


@pytest.mark.parametrize(("bad", "sentence"), BAD_MESSAGES.values(), ids=BAD_MESSAGES)
def test_R4_bad_drawing_gets_a_sentence_and_the_next_one_an_answer(studio, bad, sentence):
    refusal, answer = draw(studio, bad, message())
    assert sentence in json.loads(refusal)["error"]
    assert unpack(answer)[0]["drawing"] == 7


def test_R3_only_pages_of_the_studio_itself_may_talk_to_it(studio):
    port = studio.split(":")[1]
    picture = png(render(ONE, width=0.08))
    for origin in (f"http://127.0.0.1:{port}", None):
        assert fetch(studio, "/api/inputs/", picture, **({"Origin": origin} if origin else {}))[0] == 200
    assert fetch(f"localhost:{port}", "/", Origin=f"http://localhost:{port}")[0] == 200
    assert draw(studio, message(), origin=f"http://{studio}")
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", f"https://127.0.0.1:{port}"):
        status, _, body = fetch(studio, "/api/inputs/", picture, Origin=origin)
        assert status == 403
        assert "expected a request from its own page" in json.loads(body)["error"]
        with pytest.raises(InvalidStatus, match="403") as refused:
            draw(studio, message(), origin=origin)
        assert b"expected a request from its own page" in refused.value.response.body


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example"])
def test_R3_foreign_host_names_are_refused(studio, host):
    status, _, body = fetch(studio, "/api/network", Host=host)
    assert status == 403
    assert f"expected the host {studio}" in json.loads(body)["error"]


def test_P1_serve_prints_its_address_and_ends_cleanly_on_ctrl_c():
    program = (
        "from striate.studio import serve\n"
        "from tests.studio.standin import stand_in\n"
        "serve(stand_in(), open_browser=False)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        line = process.stdout.readline()
        address = line.split("http://")[1].split("/")[0]
        with connect(f"ws://{address}/api/draw") as websocket:  # an open page must not hold the server back
            websocket.send(message())
            websocket.recv(timeout=10)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=10) == 0
        assert process.stdout.read() == ""
        assert process.stderr.read() == ""


def test_R4_port_in_use_is_named():
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ArgumentError, match=r"cannot listen on port \d+ .*Use port 0"),
    ):
        serve(stand_in(), port=taken.getsockname()[1])


def test_P1_browser_is_opened_only_where_there_is_a_screen(monkeypatch):
    started = []
    monkeypatch.setattr(server.sys, "platform", "linux")
    monkeypatch.setattr(server.subprocess, "Popen", lambda command, **_: started.append(command))
    monkeypatch.setattr(server.webbrowser, "get", lambda: None)
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    server._open_browser("http://here/")
    assert started == []
    monkeypatch.setenv("DISPLAY", ":0")
    server._open_browser("http://here/")
    assert started == [[sys.executable, "-m", "webbrowser", "http://here/"]]

    def no_browser():
        raise server.webbrowser.Error("no browser")

    monkeypatch.setattr(server.webbrowser, "get", no_browser)
    server._open_browser("http://here/")
    assert len(started) == 1


def test_R4_classes_of_a_model_of_drawings_must_fit():
    model = stand_in()
    model.classes = ("one", "two")
    with pytest.raises(ModelError, match=r"a name for each of 10 classes, got 2\. Set the model's classes"):
        create_app(model)


def test_R4_networks_of_pictures_take_no_drawings():
    model = stand_in()
    model.preprocessing = None
    with running(model) as address:
        (refusal,) = draw(address, message())
    assert json.loads(refusal)["error"].startswith("drawing: this network takes pictures. Send it one, or")
