"""``striate evaluate``."""

import json

import numpy as np
import pytest

import striate
from striate import layers
from striate.cli.evaluate import Weakness, worst_classes


@pytest.fixture
def other_model(tmp_path):
    """Save a model with these layers, and return its path."""

    def make(*rest, shape=(28, 28, 1), classes=(), loss=None):
        path = tmp_path / "other.safetensors"
        model = striate.Sequential([striate.Input(shape), layers.Flatten(), *rest], name="other")
        model.classes = classes
        if loss:
            model.compile("adam", loss)
        model.save(path)
        return path

    return make


def test_json_adds_up(striate_cli, model_file):
    result = striate_cli("evaluate", model_file, "--json")
    assert result.code == 0
    report = json.loads(result.out)
    matrix = np.array(report["confusion"])
    images, labels = striate.datasets.mnist.load_split("test")
    predicted = striate.load_model(model_file).predict(images[..., None] / np.float32(255))
    assert report["samples"] == matrix.sum() == 10_000
    assert report["accuracy"] == np.mean(predicted.argmax(1) == labels) == matrix.trace() / 10_000
    right = predicted[np.arange(10_000), labels].astype(np.float64)
    assert report["loss"] == pytest.approx(-np.log(np.maximum(right, 1e-7)).mean(), rel=1e-3)
    np.testing.assert_array_equal(matrix.sum(axis=1), np.bincount(labels))
    assert report["classes"] == list("0123456789")
    assert len(report["worst"]) == 3
    assert report["worst"][0].keys() == {"name", "recall", "taken_for", "times"}


def test_tables_for_people(striate_cli, model_file):
    result = striate_cli("evaluate", model_file)
    assert result.code == 0
    assert "two_strokes on mnist" in result.out
    assert "% of 10,000 digits" in result.out
    for title in ("Confusion matrix", "Worst classes"):
        assert title in result.out
    row_of_0 = next(line for line in result.lines if line.startswith("0 "))
    assert sum(int(cell) for cell in row_of_0.split()[1:] if cell != "·") == 980


def test_worst_classes_by_hand():
    matrix = np.diag([10] * 10)
    matrix[3, 3], matrix[3, 5], matrix[3, 8] = 7, 2, 1
    matrix[9, 9], matrix[9, 4] = 6, 4
    matrix[1, 1], matrix[1, 7] = 9, 1
    assert worst_classes(matrix, tuple("0123456789")) == [
        Weakness("9", 0.6, "4", 4),
        Weakness("3", 0.7, "5", 2),
        Weakness("1", 0.9, "7", 1),
    ]


def test_R4_model_of_other_classes_is_refused(refused, other_model):
    path = other_model(layers.Dense(3, activation="softmax"), classes=("cat", "dog", "\x1b[2Jowl"))
    assert r"a model of the classes 0 1 2 3 4 5 6 7 8 9, got cat dog \x1b[2Jowl" in refused(1, "evaluate", path)


@pytest.mark.parametrize(
    ("units", "loss", "reason"),
    [
        (1, None, "the output of other is numbers without a softmax or sigmoid; whether they are logits is not known"),
        (10, "mse", "the outputs of other are numbers that are not probabilities"),
    ],
)
def test_R4_model_that_is_no_classifier_is_refused(striate_cli, other_model, units, loss, reason):
    result = striate_cli("evaluate", other_model(layers.Dense(units), loss=loss))
    assert (result.code, result.out) == (1, "")
    assert f"evaluate: expected a classifier; {reason}. If that is wrong, state" in result.err


def test_logits_give_the_same_report_as_their_softmax(striate_cli, other_model, tmp_path):
    """Neither the file nor the user says that they are logits: that is assumed, and said."""
    striate.set_seed(0)
    path = other_model(layers.Dense(10), classes=tuple("0123456789"))
    assumed = striate_cli("evaluate", path, "--json")
    assert "they are taken for logits, whose softmax is shown" in assumed.err
    stated = striate_cli("evaluate", path, "--json", "--outputs", "logits", "--pixels", 0, 1)
    assert stated.err == ""
    assert stated.out == assumed.out
    model = striate.load_model(path)
    model.add(layers.Softmax())
    model.save(path)
    softmax, logits = (json.loads(text) for text in (striate_cli("evaluate", path, "--json").out, stated.out))
    assert softmax["accuracy"] == logits["accuracy"]
    assert softmax["loss"] == pytest.approx(logits["loss"], rel=1e-6)


def test_network_that_rescales_itself_gets_whole_pixels(striate_cli, other_model):
    striate.set_seed(0)
    dense = layers.Dense(10, activation="softmax", kernel_initializer="glorot_normal")
    plain = other_model(dense)
    first = json.loads(striate_cli("evaluate", plain, "--json", "--pixels", 0, 1).out)
    second = json.loads(striate_cli("evaluate", other_model(layers.Rescaling(1 / 255), dense), "--json").out)
    assert first["accuracy"] == second["accuracy"]
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-4)


def test_R4_model_after_the_data(refused, model_file):
    line = refused(2, "evaluate", "mnist", model_file)
    assert f"expected the model before the data; {model_file} is a model" in line


def test_R4_model_that_says_how_it_takes_pictures_needs_no_range(refused, model_file):
    line = refused(1, "evaluate", model_file, "--pixels", 0, 255)
    assert "two_strokes has its own preprocessing; leave --pixels out" in line


def test_R4_model_with_names_for_other_outputs_is_refused(refused, other_model):
    path = other_model(layers.Dense(10, activation="softmax"), classes=("a", "b"))
    assert "a name for each of 10 classes, other has 2" in refused(1, "evaluate", path)


def test_R4_model_of_another_size_is_refused(refused, other_model):
    path = other_model(layers.Dense(10, activation="softmax"), shape=(20, 20, 1))
    assert "expected x of shape (N, 20, 20, 1), got (10000, 28, 28, 1)" in refused(1, "evaluate", path)
