"""A9: training, the command line and the studio make the same bytes of the same strokes."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import striate
from striate.cli.predict import as_input
from striate.data.drawing import Preprocessing, render
from striate.studio.network import Network
from tests.studio.strokes import DIGITS

HANDS = [(digit, hand) for digit, hands in DIGITS.items() for hand in range(len(hands))]


@pytest.mark.parametrize(("digit", "hand"), HANDS)
def test_A9_one_path_from_strokes_to_bytes(digit: str, hand: int, tmp_path: Path) -> None:
    model = striate.load_model("digits")
    picture = render(DIGITS[digit][hand], width=0.08)
    Image.fromarray(picture).save(tmp_path / "drawing.png")

    in_training = Preprocessing().prepare(picture)
    in_studio = Network(model).draw(DIGITS[digit][hand], 0.08).output(model.input_names[0])
    on_the_command_line = as_input(model, tmp_path / "drawing.png", "bright")
    assert in_training.tobytes() == in_studio.tobytes() == on_the_command_line.tobytes()


def test_A9_polarity_and_preprocessing_travel_in_the_model_file(tmp_path: Path) -> None:
    model = striate.load_model("digits")
    model.preprocessing = Preprocessing(ink="dark", box=18)
    model.save(tmp_path / "m")
    again = striate.load_model(tmp_path / "m")
    picture = render(next(iter(DIGITS.values()))[0], width=0.1)
    assert again.preprocessing.prepare(picture).tobytes() == model.preprocessing.prepare(picture).tobytes()
    bright = Preprocessing(box=18).prepare(picture)
    np.testing.assert_allclose(again.preprocessing.prepare(picture), 1 - bright, atol=1e-6)
    buffer = io.BytesIO()
    Image.fromarray(255 - picture).save(buffer, "PNG")
    decoded = striate.data.decode_image(buffer.getvalue(), channels=1)
    assert Preprocessing().prepare(decoded, ink="dark").shape == (28, 28, 1)
