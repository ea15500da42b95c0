"""``striate train``, ``evaluate`` and ``predict`` on folders of photographs."""

import json
import re
import shutil

import pytest

from tests.data.photos import photo, stripes

QUICK = ["--size", 16, "--epochs", 8, "--batch-size", 8, "--augment", "flip", "--workers", 0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    stripes(root / "train", 24)
    stripes(root / "val", 10, first=100)
    (root / "train" / "down" / "text.jpg").write_text("I am no picture")
    return root


@pytest.fixture
def trained(striate_cli, folder, tmp_path):
    result = striate_cli("train", folder, *QUICK, "--out", tmp_path / "run")
    assert (result.code, result.err) == (0, "")
    return result, tmp_path / "run"


def test_P7_from_a_folder_to_answers(striate_cli, trained, folder):
    result, run = trained
    assert result.lines[0] == "2 classes: 48 for training, 20 for validation"
    assert result.lines[1].startswith("  unreadable pictures: 1 (train/down/text.jpg (expected a picture (PNG")
    assert re.match(r"epoch 1/8  loss \d\.\d{4}  accuracy 0\.\d{4}  val_loss \d\.\d{4}  val_acc", result.lines[2])
    shown = dict(re.split(r"  +", line.strip(), maxsplit=1) for line in result.lines[-8:])
    assert re.fullmatch(r"\d+\.\d\d% of 20 pictures", shown["Validation accuracy"])
    assert shown["Report"] == str(run / "report.html")

    answer = json.loads(striate_cli("evaluate", run, folder, "--json").out)
    assert f"{answer['accuracy']:.2%} of 20 pictures" == shown["Validation accuracy"]
    assert answer["classes"] == ["across", "down"]
    table = striate_cli("evaluate", run / "model.safetensors", folder).out
    assert f"simple on {folder}" in table
    assert "a row for each picture, a column for each answer" in table

    pictures = [folder / "val" / name / "100.png" for name in ("across", "down")]
    expected = [f"{path}: {name} " for path, name in zip(pictures, ("across", "down"), strict=True)]
    for arguments in ([run, *pictures], [run / "model.safetensors", *pictures], ["--model", run, *pictures]):
        lines = striate_cli("predict", *arguments).lines
        assert [line.startswith(start) for line, start in zip(lines, expected, strict=True)] == [True, True]


def test_evaluate_takes_the_classes_there_are(striate_cli, trained, folder):
    _, run = trained
    answer = json.loads(striate_cli("evaluate", run, folder / "val", "--json").out)
    assert answer["samples"] == 20
    only = folder.parent / "only"
    photo(only / "down" / "1.png", 1)
    answer = json.loads(striate_cli("evaluate", run, only, "--json").out)
    assert answer["confusion"][0] == [0, 0]
    assert [one["name"] for one in answer["worst"]] == ["down"]


def test_evaluate_says_what_is_no_picture(striate_cli, trained, folder, tmp_path):
    _, run = trained
    other = shutil.copytree(folder, tmp_path / "copy")
    first = min((other / "val").rglob("*.png"))
    first.rename(first.with_suffix(".jfif"))
    (first.parent / "notes.txt").write_text("")
    plain, found = (striate_cli("evaluate", run, place, "--workers", 0) for place in (folder, other))
    assert plain.err == ""
    assert found.err.startswith(f"striate: {other}: other files and folders: 1 (")
    assert found.err.endswith("notes.txt); left out\n")
    assert found.out.replace(str(other), str(folder)) == plain.out


def test_resume_of_a_finished_run_writes_its_report_anew(striate_cli, trained):
    _, run = trained
    report = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    assert striate_cli("train", "--resume", run, "--workers", 0).code == 0
    assert (run / "report.html").read_bytes() == report


def test_runs_are_named_after_the_time_the_folder_and_the_architecture(striate_cli, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert striate_cli("train", folder, *QUICK[:2], "--epochs", 1, "--workers", 0, "--verbose", 0).code == 0
    (run,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d-\d{{6}}-{folder.name}-simple", run.name)


def test_R4_folders_and_models_that_do_not_fit(refused, trained, folder, model_file):
    _, run = trained
    assert "expected a folder of photographs, as simple needs; got mnist" in refused(1, "evaluate", run)
    assert "expected a model of photographs; two_strokes has no preprocessing for them" in refused(
        1, "evaluate", model_file, folder
    )
    stripes(folder.parent / "others", 1, classes=("down", "owl"))
    line = refused(1, "evaluate", run, folder.parent / "others")
    assert "expected folders named like the model's classes across, down; got owl" in line
    assert "exists already. Give --out a new folder" in refused(1, "train", folder, *QUICK, "--out", run)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["FOLDER", "--limit", 3], 2, "--limit: expected none with photographs: they are for mnist"),
        (["mnist", "--size", 32, "--depth-rate", 1], 2, "--depth-rate, --size: expected none with mnist"),
        (["--resume", "x", "--epochs", 3, "FOLDER"], 2, "data, --epochs: expected none with --resume"),
        (["--resume", "nowhere"], 1, "expected a run folder, with config.json, got nowhere"),
        (["FOLDER", "--freeze", "most"], 2, "--freeze: expected a number of layers, or all-but-head; got 'most'"),
        (["FOLDER", "--freeze", 9], 1, "expected 0 to 4 layers to freeze"),
        (["FOLDER", "--augment", "crop,zoom"], 1, "expected names among crop, flip, jitter, .*; got crop, zoom"),
        (["FOLDER", "--depth-rate", 2], 1, "expected a share above 0 and at most 1, got 2.0"),
        (
            ["FOLDER", "--weights", "nowhere"],
            1,
            "expected a file of weights or a run folder; nowhere does not exist",
        ),
        (["FOLDER/train/down"], 1, "expected pictures .* got none"),
        (["FOLDER", "--workers", -1], 2, "Invalid value for '--workers'"),
    ],
)
def test_R4_wrong_options(refused, folder, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    given = [str(one).replace("FOLDER", str(folder)) for one in arguments]
    assert re.search(message, refused(code, "train", *given))
    assert list(tmp_path.iterdir()) == []


def test_a_learning_rate_too_high_says_so(striate_cli, folder, tmp_path):
    result = striate_cli("train", folder, *QUICK, "--learning-rate", 1e30, "--out", tmp_path / "run")
    assert result.code == 1
    assert "Choose a smaller --learning-rate" in result.err
