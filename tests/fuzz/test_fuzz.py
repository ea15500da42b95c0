"""Every reader on some thousand files, guided by coverage, the same each time; more by hand: docs/fuzzing.md."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.seeds import SEEDS

for _needed in ("atheris", "torch", "keras", "h5py"):
    pytest.importorskip(_needed)

START = [sys.executable, "-m", "tests.fuzz", "--files", "4000", "--seed", "1", "--seconds", "60"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("reader", SEEDS)
def test_nothing_but_a_model_or_our_error_comes_out(reader, tmp_path):
    run = subprocess.run(
        [*START, reader, "--findings", tmp_path],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert not list(tmp_path.iterdir())
