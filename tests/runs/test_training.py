"""From a folder to a run folder: what it learns, what it writes, and that it goes on where it was stopped."""

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

import striate
from striate.architectures import ARCHITECTURES
from striate.data import PhotoPreprocessing, decode_image
from striate.data.augmentation import AUGMENTATIONS, Augmentation
from striate.errors import ArgumentError, DataError, FormatError
from striate.runs import PhotoSettings, PhotoTraining, RunFolder, write_report
from striate.runs.fine_tuning import layers_with_weights
from striate.runs.folder import CHECKPOINT, CONFIG, LOG, MODEL, REPORT
from striate.runs.training import Recorder
from tests.data.photos import stripes

FILES = {CHECKPOINT, CONFIG, LOG, MODEL, REPORT}
QUICK = {"size": 16, "epochs": 3, "batch_size": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    stripes(root / "train", 24)
    stripes(root / "val", 10, first=100)
    return root


def train(folder, run, workers=0, **options):
    training = PhotoTraining(PhotoSettings(str(folder), **QUICK | options), workers=workers)
    run = RunFolder.create(run, training.config())
    trained = training.run(run)
    write_report(training, trained, run)
    return trained


@pytest.fixture(scope="module")
def finished(folder, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "run"
    return train(folder, run, epochs=8, augmentation=Augmentation(("flip",))), run


def test_P7_a_run_learns_and_has_all_its_files(finished):
    trained, run = finished
    assert trained.scores.accuracy > 0.9
    assert {path.name for path in run.iterdir()} == FILES
    assert (trained.split, len(trained.photos)) == ("validation", 20)


def test_the_model_in_the_run_answers_for_photographs(finished, folder):
    _, run = finished
    model = striate.load_model(run / MODEL)
    assert model.classes == ("across", "down")
    assert model.preprocessing == PhotoPreprocessing((16, 16), 16, (127.5,), (64.0,))
    picture = model.preprocessing.prepare(decode_image(folder / "val" / "down" / "100.png"))
    assert model.predict(picture[None])[0].argmax() == 1


def test_the_log_has_one_line_for_each_epoch(finished):
    _, run = finished
    lines = [json.loads(line) for line in (run / LOG).read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 9))
    assert list(lines[0]) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"]
    rates = [line["learning_rate"] for line in lines]
    assert max(rates) == pytest.approx(0.003, rel=0.05)
    assert rates[-1] < 1e-6


def test_the_config_says_everything(finished, folder):
    _, run = finished
    config = json.loads((run / CONFIG).read_text())
    assert PhotoSettings.from_json(config["settings"]) == PhotoSettings(
        str(folder), **QUICK | {"epochs": 8}, augmentation=Augmentation(("flip",))
    )
    assert config["versions"]["striate"] == striate.__version__
    assert config["data"]["pictures"] == {"validation": [10, 10], "train": [24, 24]}
    assert len(config["data"]["hash"]) == 64


def test_the_best_epoch_is_kept(finished):
    trained, run = finished
    lines = [json.loads(line) for line in (run / LOG).read_text().splitlines()]
    best = max(lines, key=lambda line: (line["val_accuracy"], -line["val_loss"]))
    assert trained.scores.accuracy == pytest.approx(best["val_accuracy"], abs=1e-6)
    assert trained.scores.loss == pytest.approx(best["val_loss"], rel=1e-4)


def test_the_model_is_written_when_it_is_better_than_ever(tmp_path):
    """By validation accuracy, then by loss; the checkpoint after each epoch."""
    striate.set_seed(0)
    model = striate.Sequential([striate.Input((2,)), striate.layers.Dense(2, activation="softmax")])
    model.compile("adam", "categorical_crossentropy", ["accuracy"])
    run = RunFolder.create(tmp_path / "run", {})
    recorder, written = Recorder(run, model), []
    for epoch, (accuracy, loss) in enumerate([(0.5, 0.7), (0.5, 0.6), (0.5, 0.6), (0.4, 0.1), (0.6, np.inf), (0.6, 9)]):
        model.fit(np.ones((4, 2)), np.eye(2)[[0, 0, 1, 0]], verbose=0)
        before = (run.path / MODEL).read_bytes() if epoch else b""
        recorder.on_epoch_begin(epoch)
        recorder.on_epoch_end(epoch, {"val_accuracy": accuracy, "val_loss": loss})
        written.append((run.path / MODEL).read_bytes() != before)
        assert Recorder(run, model).epochs == epoch + 1
    assert written == [True, True, False, False, True, True]
    assert [line["val_loss"] for line in run.log()] == [0.7, 0.6, 0.6, 0.1, None, 9]


def content(run):
    return [(run / name).read_bytes() for name in (MODEL, CHECKPOINT)]


def test_R1_same_seed_same_bits_for_any_number_of_workers(folder, tmp_path):
    options = {"augmentation": Augmentation(AUGMENTATIONS)}
    for workers in (0, 1, 2):
        train(folder, tmp_path / str(workers), workers, **options)
    train(folder, tmp_path / "other", seed=1, **options)
    assert content(tmp_path / "0") == content(tmp_path / "1") == content(tmp_path / "2")
    assert content(tmp_path / "0")[0] != content(tmp_path / "other")[0]


def test_fine_tuning_begins_with_the_weights_of_a_run(finished, folder, tmp_path):
    _, base = finished
    options = {"epochs": 1, "weights": str(base), "learning_rate": 0.001}
    tuned, nothing = (
        train(folder, tmp_path / "t", **options),
        train(folder, tmp_path / "n", **options | {"weights": None}),
    )
    assert tuned.scores.loss < nothing.scores.loss - 0.1
    train(folder, tmp_path / "f", **options, freeze="all-but-head")
    kernels = [
        striate.load_model(path / MODEL).layers[0].get_weights()[0] for path in (base, tmp_path / "f", tmp_path / "t")
    ]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])


@pytest.mark.skipif("STRIATE_DATA" not in os.environ, reason="STRIATE_DATA names no folder with real weights")
def test_P7_fine_tuning_begins_with_published_weights(folder, tmp_path):
    """All of them but the last layer's, which were for a thousand classes; photographs as its authors prepared them."""
    file = "weights/squeezenet_v1.0_imagenet/squeezenet_v1.0_decoded_f32.npz"
    path = os.path.join(os.environ["STRIATE_DATA"], file)
    options = {"arch": "squeezenet1_0_caffe", "size": 64, "epochs": 8, "learning_rate": 0.003}
    tuned = train(folder, tmp_path / "tuned", **options, weights=path, freeze="all-but-head")
    model = striate.load_model(tmp_path / "tuned" / MODEL)
    with np.load(path) as published:
        kernels = {name: array for name, array in published.items() if array.ndim == 4}
    own = [layer.get_weights()[0].transpose(3, 2, 0, 1) for layer in layers_with_weights(model)]
    *others, head = own
    assert len(own) == len(kernels) == 26
    assert all(any(np.array_equal(one, kernel) for kernel in kernels.values()) for one in others)
    assert head.shape == (2, 512, 1, 1)
    assert model.preprocessing.colours == ARCHITECTURES["squeezenet1_0_caffe"].preprocessing.colours == "BGR"
    assert model.preprocessing.mean == ARCHITECTURES["squeezenet1_0_caffe"].preprocessing.mean
    assert tuned.scores.accuracy == 1  # two kinds of stripes: what it learnt of a million photographs tells them apart


def test_a_validation_set_is_held_out_and_a_test_set_is_what_counts(folder, tmp_path):
    plain = train(folder / "train", tmp_path / "plain")
    assert (plain.split, len(plain.photos)) == ("validation", 10)
    stripes(tmp_path / "photos" / "train", 10)
    stripes(tmp_path / "photos" / "test", 4, first=50)
    tested = train(tmp_path / "photos", tmp_path / "tested")
    assert (tested.split, len(tested.photos)) == ("test", 8)


def test_names_need_not_be_text(tmp_path):
    """Files may have any bytes in their names, and on Linux some do."""
    root = tmp_path / "photos"
    stripes(root, 10, classes=("plain", os.fsdecode(b"caf\xe9")))
    next((root / "plain").iterdir()).rename(root / "plain" / os.fsdecode(b"\xff.png"))
    (root / "plain" / os.fsdecode(b"\xfe.txt")).write_text("")
    trained = train(root, tmp_path / "run", workers=1, epochs=1)
    assert trained.model.classes == (r"caf\udce9", "plain")
    assert json.loads((tmp_path / "run" / CONFIG).read_bytes())["data"]["classes"] == list(trained.model.classes)
    assert rb"caf\udce9" in (tmp_path / "run" / REPORT).read_bytes()


def command(*arguments):
    return [sys.executable, "-m", "striate", "train", *map(str, arguments)]


SETTINGS = ["--size", 16, "--epochs", 4, "--batch-size", 8, "--augment", "crop,flip,mixup"]


@pytest.mark.exhaustive
def test_R2_killed_and_resumed_at_any_moment_gives_the_same_bits(folder, tmp_path):
    done = subprocess.run(
        command(folder, *SETTINGS, "--out", tmp_path / "whole"), check=True, capture_output=True, text=True
    )
    assert done.stderr == ""
    run, kills = tmp_path / "run", 0
    arguments = command(folder, *SETTINGS, "--out", run)
    for delay in (0.0, 0.04, 0.08):
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            for line in process.stdout:
                if line.startswith("epoch"):
                    break
            try:
                process.wait(delay)
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
        arguments = command("--resume", run)
    assert kills >= 2
    subprocess.run(arguments, check=True, capture_output=True)
    assert content(run) == content(tmp_path / "whole")
    assert [json.loads(line)["epoch"] for line in (run / LOG).read_text().splitlines()] == [1, 2, 3, 4]
    without_time = [re.sub(r'"seconds": [\d.]+', "", (path / LOG).read_text()) for path in (run, tmp_path / "whole")]
    assert without_time[0] == without_time[1]


def test_ctrl_c_keeps_the_last_epoch_and_says_how_to_go_on(folder, tmp_path):
    run = tmp_path / "run"
    many = [*SETTINGS[:2], "--epochs", 1000, *SETTINGS[4:]]
    with subprocess.Popen(
        command(folder, *many, "--out", run), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            if line.startswith("epoch 2/"):
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
        assert re.fullmatch(
            rf"striate: train: stopped in epoch \d+ of 1000, after \d+ of its 48 images\. "
            rf"Continue with: striate train --resume {re.escape(str(run))}\n",
            process.stderr.read(),
        )
    assert {path.name for path in run.iterdir()} == FILES - {REPORT}
    assert striate.load_model(run / MODEL).classes == ("across", "down")


LITTLE_DISK = """
import resource, sys
from striate.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.exhaustive
def test_R4_full_disk_loses_nothing(folder, tmp_path):
    """No file may grow beyond 100 kB, which the model needs more than."""
    run = tmp_path / "run"
    arguments = ["train", folder, *SETTINGS, "--out", run]
    done = subprocess.run(
        [sys.executable, "-c", LITTLE_DISK, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    kept, reason = done.stderr.splitlines()
    assert kept == f"striate: train: finished epochs are kept. Continue with: striate train --resume {run}"
    assert reason == f"striate: save: cannot write {run / MODEL}: File too large."
    assert {path.name for path in run.iterdir()} == {CONFIG, LOG}
    subprocess.run(command("--resume", run), check=True, capture_output=True)
    assert {path.name for path in run.iterdir()} == FILES


def test_R4_changed_photographs_are_not_resumed(tmp_path):
    root = stripes(tmp_path / "photos", 10)
    train(root, tmp_path / "run", epochs=1)
    run = RunFolder(tmp_path / "run")
    settings = PhotoSettings.from_json(run.config()["settings"])
    PhotoTraining(settings, resumed=run)
    next((root / "down").iterdir()).unlink()
    with pytest.raises(
        DataError, match=r"expected the photographs that .*run was started with, got others in .*photos\."
    ):
        PhotoTraining(settings, resumed=run)


def test_R4_unknown_architecture_and_missing_weights(folder, tmp_path):
    with pytest.raises(ArgumentError, match=r"train: expected one of .*; got 'resnet'\."):
        PhotoTraining(PhotoSettings(str(folder), arch="resnet"))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FormatError, match=r"no file .*model\.safetensors"):
        PhotoTraining(PhotoSettings(str(folder), weights=str(tmp_path)))


def test_R4_run_folders_that_are_none(tmp_path):
    with pytest.raises(FormatError, match=r"train: expected a run folder, with config\.json, got .*: \[Errno 2\]"):
        RunFolder(tmp_path).config()
    (tmp_path / CONFIG).write_text("{")
    with pytest.raises(FormatError, match="expected a run folder, with config"):
        RunFolder(tmp_path).config()
    (tmp_path / CONFIG).write_text("[]")
    with pytest.raises(FormatError, match=r"expected .*config\.json to hold settings, got a list"):
        RunFolder(tmp_path).config()
    (tmp_path / LOG).write_text("{}\n{")
    with pytest.raises(FormatError, match=r"expected a line of JSON for each epoch in .*log\.jsonl"):
        RunFolder(tmp_path).log()
    with pytest.raises(FormatError, match=r"train: .* exists already\. Give --out a new folder, or --resume it"):
        RunFolder.create(tmp_path, {})
    (tmp_path / "file").write_text("")
    with pytest.raises(FormatError, match=r"train: cannot create the folder .*: Not a directory"):
        RunFolder.create(tmp_path / "file" / "run", {})
    for settings in ({}, {"folder": "x", "augmentation": {"names": ["zoom"]}}, {"x": 1, "augmentation": {}}):
        with pytest.raises(FormatError, match="train: these are not the settings of a run"):
            PhotoSettings.from_json(settings)
