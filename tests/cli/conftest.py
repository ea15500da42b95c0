"""The program as a user runs it: in this process where that is enough, in one of its own where it matters."""

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

import striate
from striate import layers
from striate.cli.main import main
from striate.data import Preprocessing, render

STROKES = {
    "one": [[(0.5, 0.15), (0.5, 0.85)]],
    "minus": [[(0.15, 0.5), (0.85, 0.5)]],
}


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture
def striate_cli(capsys):
    """Run a command line here; what it wrote is no terminal's, so it must hold no escape codes."""

    def run(*arguments) -> Result:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "\x1b" not in captured.out + captured.err
        return Result(code, captured.out, captured.err)

    return run


@pytest.fixture
def refused(striate_cli):
    """Run a command line that must fail: one line on stderr, which is returned, and nothing on stdout."""

    def run(code, *arguments) -> str:
        result = striate_cli(*arguments)
        assert (result.code, result.out) == (code, "")
        (line,) = result.err.splitlines()
        assert line.startswith("striate: ")
        return line

    return run


def run_program(*arguments, **options) -> Result:
    """Run the program in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "striate", *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def model_file(tmp_path):
    """A model of ten digits that tells upright ink (1) from lying ink (7), and is not sure of anything else."""
    striate.set_seed(0)
    model = striate.Sequential(
        [striate.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10, activation="softmax")], name="two_strokes"
    )
    kernel = np.zeros((28, 28, 10), np.float32)
    kernel[:, 12:16, 1] = kernel[12:16, :, 7] = 1
    model.set_weights([kernel.reshape(784, 10), np.zeros(10, np.float32)])
    model.classes, model.preprocessing, model.threshold = tuple("0123456789"), Preprocessing(), 0.9
    path = tmp_path / "two_strokes.safetensors"
    model.save(path)
    return path


@pytest.fixture
def picture(tmp_path):
    """Make the picture of a named drawing, dark on white; return its path."""

    def make(name):
        path = tmp_path / f"{name}.png"
        Image.fromarray(255 - render(STROKES[name], width=0.08, size=140)).save(path)
        return path

    return make
