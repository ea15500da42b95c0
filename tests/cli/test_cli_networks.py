"""``striate summary`` and ``striate architectures``."""

import json

import striate
from striate.architectures import ARCHITECTURES


def test_A2_summary_of_a_file_is_the_models_own(striate_cli, model_file, capsys):
    striate.load_model(model_file).summary()
    expected = capsys.readouterr().out
    assert striate_cli("summary", model_file).out == expected


def test_A2_summary_of_an_architecture_as_json(striate_cli):
    summary = json.loads(striate_cli("summary", "lenet5", "--json").out)
    assert summary["parameters"] == summary["trainable_parameters"] == 61_706
    assert [row["kind"] for row in summary["rows"]][:2] == ["Conv2D", "AveragePooling2D"]
    assert summary["rows"][0]["output_shape"] == [None, 28, 28, 6]
    # 28·28 windows of 25 by 6 maps, 10·10 windows of 150 by 16 maps, and the three dense layers
    dense = 400 * 120 + 120 * 84 + 84 * 10
    assert summary["multiply_adds"] >= 28 * 28 * 25 * 6 + 10 * 10 * 150 * 16 + dense


def test_A2_summary_says_what_the_numbers_stand_for(striate_cli, model_file):
    assert json.loads(striate_cli("summary", model_file, "--json").out)["facts"] == {
        "file": "Striate",
        "pixels": None,
        "outputs": "probabilities",
    }
    assert striate_cli("summary", model_file).lines[-3:] == [
        "Opened from: Striate",
        "Input: the ink alone, centred by mass and scaled to 28×28",
        "Output: probabilities that sum to 1 (softmax)",
    ]


def test_A5_architectures_in_one_line_each(striate_cli):
    result = striate_cli("architectures")
    assert result.code == 0
    header, _, *rows = result.lines
    assert header.split()[:3] == ["Name", "Paper", "Year"]
    assert [row.split()[0] for row in rows] == list(ARCHITECTURES)
    (lenet5,) = [row for row in rows if row.startswith("lenet5")]
    for fact in ("LeCun", "1998", "28×28×1", "61,706", "–"):
        assert fact in lenet5
    (resnet18,) = [row for row in rows if row.startswith("resnet18")]
    assert resnet18.split()[-7:] == ["224×224×3", "11,689,512", "1,814,073,344", "30.2", "/", "10.9", "%"]
