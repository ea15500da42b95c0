"""A5, F12: the registry says of each architecture what its authors and publishers say."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import striate
from striate.architectures import ARCHITECTURES
from striate.architectures.architecture import for_size
from striate.data import PhotoPreprocessing
from striate.models import summarize

#: Another size than the published one that each takes.
OTHER_SIZES = {
    "alexnet": (64, 72),
    "alexnet_2012": (67, 72),
    "inception_v3": (96, 75),
    "vgg16": (32, 40),
    "vgg19": (40, 32),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_A5_parameters_are_the_published_ones(name):
    entry = ARCHITECTURES[name]
    assert entry.name == name
    assert getattr(striate.architectures, name) is entry.build
    assert summarize(entry.outline()).trainable_parameters == entry.parameters


@pytest.mark.parametrize(("name", "parameters"), [("googlenet", 13_004_888), ("inception_v3", 27_161_264)])
def test_A5_parameters_with_auxiliary_heads(name, parameters):
    assert sum(v.value.size for v in ARCHITECTURES[name].build(auxiliary=True).trainable_weights) == parameters


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.exhaustive if one.parameters > 20_000_000 else ())
        for name, one in ARCHITECTURES.items()
    ],
)
def test_every_architecture_builds_for_other_classes_and_sizes(name):
    size = OTHER_SIZES.get(name, (32, 24))
    model = ARCHITECTURES[name].build(classes=7, input_shape=(*size, 1))
    assert model.name == name
    assert model.outputs[0].shape == (None, 7)
    assert model.classes == ()
    assert model.preprocessing is None  # it takes no photographs: they have three channels


@pytest.mark.parametrize("name", ["resnet20", "squeezenet1_1", "mobilenet_v2", "lenet5"])
def test_an_architecture_survives_a_file(name, tmp_path):
    settings = {"partial_connections": True} if name == "lenet5" else {}
    model = ARCHITECTURES[name].build(**settings)
    model.save(tmp_path / "m.safetensors")
    again = striate.load_model(tmp_path / "m.safetensors")
    assert (again.preprocessing, again.classes) == (model.preprocessing, model.classes)
    x = np.random.default_rng(0).random((1, *model.input_specs()[0][0]), np.float32)
    assert (again.predict_on_batch(x) == model.predict_on_batch(x)).all()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_A5_torchvision_says_the_same(name):
    """Parameters, work, error and preprocessing as in the description of torchvision's first weights."""
    pytest.importorskip("torch")
    from tests.architectures.oracles import torchvision_models

    if not hasattr(torchvision_models(), name):
        pytest.skip("torchvision does not have it")
    published = torchvision_models().get_model_weights(name).IMAGENET1K_V1
    entry = ARCHITECTURES[name]
    model = entry.outline()
    summary = summarize(model)
    if name != "inception_v3":  # whose published figure counts the auxiliary head
        assert summary.trainable_parameters == published.meta["num_params"]
    assert summary.multiply_adds / 1e9 == pytest.approx(published.meta["_ops"], abs=6e-4)
    accuracy = published.meta["_metrics"]["ImageNet-1K"]
    assert entry.imagenet_error == pytest.approx((100 - accuracy["acc@1"], 100 - accuracy["acc@5"]), abs=0.0051)
    transform = published.transforms()
    assert model.preprocessing.size == tuple(transform.crop_size * 2)
    assert model.preprocessing.shorter_side == transform.resize_size[0]
    assert model.preprocessing.interpolation == transform.interpolation.value
    # when they are pretrained, these two turn what is normalized so into pixels from −1 to 1 themselves
    if name not in ("googlenet", "inception_v3"):
        assert model.preprocessing.mean == pytest.approx([255 * mean for mean in transform.mean])
        assert model.preprocessing.std == pytest.approx([255 * std for std in transform.std])
    else:
        assert (model.preprocessing.mean, model.preprocessing.std) == ((127.5,), (127.5,))
    pairs = zip(published.meta["categories"], model.classes, strict=True)
    assert sum(theirs.lower().split()[0] in ours.lower() for theirs, ours in pairs) > 990  # some it spells differently


def test_imagenet_classes_are_those_of_the_photographs():
    classes = striate.architectures.resnet18().classes
    assert len(classes) == 1000
    assert (classes[0], classes[999]) == ("tench, Tinca tinca", "toilet tissue, toilet paper, bathroom tissue")
    data = os.environ.get("STRIATE_DATA")
    if data is None:
        pytest.skip("STRIATE_DATA names no folder with real data")
    rows = list(csv.DictReader((Path(data) / "imagenet_samples_100" / "class_index.csv").read_text().splitlines()))
    assert len(rows) == 100
    for row in rows:
        word = row["file"].split("_", 1)[1].removesuffix(".JPEG").replace("_", " ")
        assert word.lower() in classes[int(row["class_index"])].lower()


def test_preprocessing_follows_the_input():
    published = ARCHITECTURES["resnet18"].preprocessing
    assert striate.architectures.resnet18(input_shape=(224, 224, 3)).preprocessing == published
    assert for_size(published, (112, 96)).size == (112, 96)
    assert for_size(published, (112, 96)).shorter_side == 128
    whole = PhotoPreprocessing((224, 224))
    assert for_size(whole, (64, 64)) == PhotoPreprocessing((64, 64))
    assert striate.architectures.resnet18(classes=7, input_shape=(64, 64, 3)).preprocessing.size == (64, 64)


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("lenet5", ("is from 1998", "never an ImageNet entry")),
        ("googlenet", ("GoogLeNet is Inception v1", "6.67 %")),
        ("inception_v3", ("GoogLeNet is Inception v1",)),
        ("alexnet", ("2012 is alexnet_2012",)),
        ("alexnet_2012", ("The winner of 2012",)),
        ("resnet50", ("ResNet v2", "is another network")),
        ("resnet20", ("not for ImageNet", "8.75 %")),
    ],
)
def test_F12_cards_say_what_is_often_told_wrong(name, facts):
    for fact in facts:
        assert fact in ARCHITECTURES[name].card
    assert ARCHITECTURES["lenet5"].year == 1998
    assert ARCHITECTURES["lenet5"].imagenet_error is None


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_card_is_filled_in(name):
    entry = ARCHITECTURES[name]
    assert all((entry.paper, entry.card, entry.year >= 1998))
    assert entry.card.endswith(".")
    if entry.imagenet_error is not None:
        assert 0 < entry.imagenet_error[1] < entry.imagenet_error[0] < 50
        assert "rror" in entry.card  # whose figure it is


def test_import_reads_no_list_of_classes():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import striate; print(striate.architectures.imagenet.imagenet_classes.cache_info().misses)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0\n"
