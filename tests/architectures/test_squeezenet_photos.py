"""Issue 4, 2: SqueezeNet with its authors' weights says of 100 photographs what its own framework says."""

import csv
import os
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import striate

torch = pytest.importorskip("torch")

from tests.architectures.oracles import CaffeSqueezeNet  # noqa: E402

DATA = os.environ.get("STRIATE_DATA")
pytestmark = pytest.mark.skipif(DATA is None, reason="STRIATE_DATA names no folder with real data")


def photographs():
    """Each photograph (H, W, 3), and the number of its class."""
    folder = Path(DATA) / "imagenet_samples_100"
    with zipfile.ZipFile(folder / "imagenet_samples_100.zip") as archive:
        for row in csv.DictReader((folder / "class_index.csv").read_text().splitlines()):
            yield np.asarray(Image.open(BytesIO(archive.read(row["file"]))).convert("RGB")), int(row["class_index"])


def test_A5_squeezenet_answers_as_in_its_own_framework():
    path = Path(DATA) / "weights" / "squeezenet_v1.0_imagenet" / "squeezenet_v1.0_decoded_f32.npz"
    with np.load(path) as file:
        weights = dict(file)
    model = striate.architectures.squeezenet1_0_caffe(weights=path)
    twin = CaffeSqueezeNet().eval()
    twin.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    pictures, labels = zip(*photographs(), strict=True)
    x = np.stack([model.preprocessing.prepare(picture) for picture in pictures])
    assert x.shape == (100, 227, 227, 3)
    mine = model.predict(x, batch_size=20)
    with torch.no_grad():
        theirs = twin(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).softmax(1).numpy()
    assert np.abs(mine - theirs).max() <= 1e-4
    best, expected = (np.argsort(-scores, axis=1)[:, :5] for scores in (mine, theirs))
    assert (best == expected).all()  # the same five answers in the same order
    first, five = (best[:, 0] == labels).sum(), (best == np.array(labels)[:, None]).any(1).sum()
    assert (first, five) == (61, 90)
    assert model.classes[labels[0]] == "hen"
