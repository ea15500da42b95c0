"""The model that ships: what it is, and how well it reads."""

import csv
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

import striate
from striate.data import decode_image
from striate.data.drawing import Preprocessing

DATA = os.environ.get("STRIATE_DATA")


def test_the_shipped_model_says_what_it_takes():
    model = striate.load_model("digits")
    assert model.inputs[0].shape == (None, 28, 28, 1)
    assert model.classes == tuple("0123456789")
    assert model.preprocessing == Preprocessing()
    assert 0 < model.threshold < 1
    assert model.name == "digits"


def test_at_least_993_of_1000_test_digits_are_read():
    model = striate.load_model("digits")
    images, labels = striate.datasets.mnist.load_split("test")
    found = model.predict(images[..., None].astype(np.float32) / 255, batch_size=250).argmax(axis=1)
    assert (found == labels).mean() >= 0.993


@pytest.mark.skipif(not DATA, reason="needs the photographed digits; set STRIATE_DATA")
def test_photographed_digits_of_other_hands_are_read():
    """920 photographs of pens on paper, none of them seen in training."""
    folder = Path(str(DATA)) / "handwritten62"
    model = striate.load_model("digits")
    right = total = 0
    with zipfile.ZipFile(folder / "handwritten62_png.zip") as photos:
        names = {name.rsplit("/", 1)[-1]: name for name in photos.namelist()}
        for row in csv.DictReader((folder / "labels.csv").read_text().splitlines()):
            if row["kind"] != "DIGIT" or row["duplicate_of"]:
                continue
            photo = decode_image(photos.read(names[row["file"].rsplit("/", 1)[-1]]), channels=1)
            total += 1
            try:
                x = model.preprocessing.prepare(photo, ink="dark")
            except striate.errors.DataError:  # one of them is hardly darker than its paper
                continue
            right += int(model.predict(x[None])[0].argmax()) == int(row["label"])
    assert total == 920
    assert right / total >= 0.95
