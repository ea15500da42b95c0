"""``striate train``."""

import re
import signal
import subprocess
import sys

import pytest

import striate
from striate.cli import train_digits as train_command
from striate.data import Preprocessing

QUICK = ["--limit", 300, "--epochs", 2, "--batch-size", 50]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What a quick training writes to a pipe, and its file."""
    path = tmp_path_factory.mktemp("trained") / "digits.safetensors"
    command = [sys.executable, "-m", "striate", "train", "mnist", *map(str, QUICK), "--seed", "3", "--out", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True), path


def test_lines_in_a_pipe_are_one_for_each_epoch_and_a_table(trained):
    done, path = trained
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    first, second, _, title, _, *table = done.stdout.splitlines()
    for number, line in ((1, first), (2, second)):
        assert re.fullmatch(
            rf"epoch {number}/2  loss \d+\.\d{{4}}  accuracy 0\.\d{{4}}  [\d,]+ images/s  \d+:\d\d:\d\d to go", line
        )
    assert title == "simple, trained on 300 digits"
    shown = dict(re.split(r"  +", line.strip(), maxsplit=1) for line in table)
    assert re.fullmatch(r"\d+\.\d\d% of 300 digits", shown["Test accuracy"])
    assert re.fullmatch(r"\d+\.\d{4}", shown["Test loss"])
    assert re.fullmatch(r"0:\d\d:\d\d", shown["Time"])
    assert shown["Parameters"] == f"{striate.load_model(path).count_params():,}"
    assert shown["Seed"] == "3"
    assert shown["File"].startswith(f"{path} (")


def test_R1_same_seed_same_file_byte_for_byte(trained, striate_cli, tmp_path):
    def content(seed):
        path = tmp_path / f"{seed}.safetensors"
        assert striate_cli("train", "mnist", *QUICK, "--seed", seed, "--out", path).code == 0
        return path.read_bytes()

    assert content(3) == trained[1].read_bytes()
    assert content(4) != trained[1].read_bytes()


def test_A9_model_says_how_drawings_are_prepared(trained):
    model = striate.load_model(trained[1])
    assert model.preprocessing == Preprocessing()
    assert model.classes == tuple("0123456789")
    assert model.threshold == 0


@pytest.mark.parametrize("arch", ["lenet5", "ocr"])
def test_other_architectures_train_silently(striate_cli, tmp_path, arch):
    path = tmp_path / "m.safetensors"
    result = striate_cli(
        "train", "mnist", "--limit", 40, "--epochs", 1, "--arch", arch, "--verbose", 0, "--out", path
    )  # fmt: skip
    assert result.code == 0
    assert "epoch" not in result.out
    assert f"{arch}, trained on 40 digits" in result.out
    assert striate.load_model(path).name == arch


def test_existing_file_is_replaced(striate_cli, tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_text("an older model")
    assert striate_cli("train", "mnist", "--limit", 40, "--epochs", 1, "--out", path).code == 0
    assert striate.load_model(path).built
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("missing/model.safetensors", "No such file or directory. Give --out another path"),
        ("file/model.safetensors", "Not a directory"),
        ("folder", "it is not a regular file. Give --out the path of a file"),
        ("x" * 300, "name too long"),
    ],
)
def test_R4_unwritable_path_is_refused_before_training(refused, monkeypatch, tmp_path, place, reason):
    def too_late(*_):
        raise AssertionError("the data were loaded")

    monkeypatch.setattr(train_command, "load_digits", too_late)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    line = refused(1, "train", "mnist", "--out", tmp_path / place)
    assert f"train: cannot write {tmp_path / place}: " in line
    assert reason in line


def test_train_refuses_names_that_no_model_has(refused, tmp_path):
    line = refused(1, "train", "mnist", "--arch", "lenet5", "--out", tmp_path / "m.pt")
    assert "save: expected a file name that ends in .safetensors, .keras, .h5, .hdf5 or nothing" in line


def test_R4_device_is_not_replaced_by_a_model(refused):
    assert "it is not a regular file" in refused(1, "train", "mnist", "--out", "/dev/null")


def test_R4_loss_that_is_no_number_ends_the_training(striate_cli, tmp_path):
    result = striate_cli("train", "mnist", *QUICK, "--learning-rate", 1e30, "--out", tmp_path / "m.safetensors")
    assert result.code == 1
    assert re.fullmatch(
        r"striate: train: the loss is (nan|inf) in epoch \d, .*Choose a smaller --learning-rate\.\n", result.err
    )
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_says_what_was_done_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "m.safetensors"
    command = ["train", "mnist", "--limit", "500", "--epochs", "1000", "--out", str(path)]
    with subprocess.Popen(
        [sys.executable, "-m", "striate", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline().startswith("epoch 1/1000")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
        assert re.fullmatch(
            r"striate: train: stopped in epoch \d+ of 1000, after \d+ of its 500 images; \S+ was not written\.\n",
            process.stderr.read(),
        )
    assert list(tmp_path.iterdir()) == []
