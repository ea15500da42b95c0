"""A1: programs written for Keras run after changing only the import line, here and under Keras itself."""

import re
from pathlib import Path

import pytest

import striate

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.stem)
def test_A1_runs_after_changing_the_import(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    striate.set_seed(0)
    source = program.read_text(encoding="utf-8")
    source = re.sub(r"^import keras$", "import striate as keras", source, flags=re.MULTILINE)
    source = re.sub(r"^from keras\b", "from striate", source, flags=re.MULTILINE)
    exec(compile(source, str(program), "exec"), {"__name__": "__main__"})  # noqa: S102 (our own programs)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.stem)
@pytest.mark.filterwarnings("ignore")
def test_A1_is_an_ordinary_keras_program(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same file, unchanged, under Keras: else the test above would prove little."""
    keras = pytest.importorskip("keras", reason="needs the extra [oracles]")
    monkeypatch.setattr(keras.datasets.mnist, "load_data", striate.datasets.mnist.load_data)
    keras.utils.set_random_seed(0)
    exec(compile(program.read_text(encoding="utf-8"), str(program), "exec"), {"__name__": "__main__"})  # noqa: S102
