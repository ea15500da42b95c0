"""What all commands share: help, exit codes, errors in one line, output that is no terminal's."""

import os
import re
import subprocess
import sys

import pytest

from striate import __version__
from striate.architectures import ARCHITECTURES
from striate.cli import summary as summary_command
from striate.cli.output import say_json, visible
from tests.cli.conftest import run_program

COMMANDS = ["studio", "train", "evaluate", "predict", "summary", "architectures"]


def test_version(striate_cli):
    assert striate_cli("--version").out == f"striate {__version__}\n"


def test_help_lists_every_command_with_a_sentence(striate_cli):
    result = striate_cli("--help")
    assert result.code == 0
    assert [name for name in COMMANDS if re.search(rf"^  {name} +\S", result.out, re.MULTILINE)] == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_explains_every_option(striate_cli, command):
    result = striate_cli(command, "--help")
    assert result.code == 0
    options = re.findall(r"^  (--[\w-]+)( .*)?$", result.out, re.MULTILINE)
    assert options
    for _, explanation in options:
        assert re.search(r"[A-Za-z]{3,}", explanation), result.out


def test_help_loads_nothing_heavy():
    code = "import sys; from striate.cli.main import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stderr.split()}
    assert not loaded & {"rich", "starlette", "uvicorn", "websockets", "PIL", "safetensors"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["paint"], r"No such command 'paint'"),
        (["trian", "mnist"], r"Did you mean 'train'"),
        (["train"], r"expected mnist or a folder of photographs"),
        (["train", "mnist", "--epoch", "3"], r"No such option: --epoch .*--epochs"),
        (["train", "mnist", "--epochs", "0"], r"Invalid value for '--epochs'"),
        (["train", "mnist", "--epochs", "many"], r"Invalid value for '--epochs'"),
        (["train", "mnist", "--seed", "-1"], r"Invalid value for '--seed'"),
        (["train", "mnist", "--arch", "resnet"], rf"--arch: expected one of {', '.join(ARCHITECTURES)}; got 'resnet'"),
        (["train", "cifar"], r"expected mnist or a folder of photographs; got 'cifar'"),
        (["evaluate", "some.safetensors", "cifar"], r"mnist or a folder of photographs; got 'cifar'"),
        (["predict"], r"Missing argument"),
        (["predict", "some.png", "--top", "0"], r"greater than or equal to 1\. See"),
        (["predict", "some.png", "--ink", "green"], r"--ink: expected auto, dark, bright; got 'green'"),
        (["studio", "--port", "99999"], r"Invalid value for '--port'"),
        (["summary", "simple", "lenet5"], r"unexpected extra argument"),
    ],
)
def test_R4_wrong_usage_is_one_line_and_exit_code_2(refused, arguments, message):
    line = refused(2, *arguments)
    assert re.search(message, line)
    assert line.endswith("See striate --help.")


@pytest.mark.parametrize("command", ["summary", "evaluate"])
def test_R4_missing_model_is_one_line_and_exit_code_1(refused, command):
    assert "no file nowhere.safetensors" in refused(1, command, "nowhere.safetensors")


def test_R4_file_that_is_no_model_is_refused(refused, tmp_path):
    path = tmp_path / "notes.safetensors"
    path.write_text("buy milk")
    assert "it is of none of the supported formats, which are ONNX" in refused(1, "summary", path)


def test_R4_traceback_with_debug_only():
    plain, debug = (run_program(*options, "summary", "nowhere.safetensors") for options in ([], ["--debug"]))
    assert (plain.code, plain.out, plain.err.count("\n")) == (1, "", 1)
    assert debug.code == 1
    assert debug.err.startswith("Traceback")
    assert debug.err.splitlines()[-1].startswith("striate.errors.FormatError: open_model: no file")


def test_R4_mistake_of_ours_says_so(refused, monkeypatch):
    monkeypatch.setattr(summary_command, "summarize", lambda _: 1 / 0)
    line = refused(1, "summary", "simple", "--json")
    assert line == "striate: ZeroDivisionError: division by zero. Run striate --debug, and report this."


def test_R4_file_that_cannot_be_read_is_named(refused, monkeypatch):
    def no_permission(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(summary_command, "open_network", no_permission)
    assert refused(1, "summary", "a.safetensors") == "striate: a.safetensors: Permission denied"


def test_R4_full_disk_is_named_without_a_number(refused, monkeypatch):
    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(summary_command, "open_network", full)
    assert refused(1, "summary", "a.safetensors") == "striate: output: No space left on device"


def test_reader_that_has_seen_enough_is_no_error():
    with subprocess.Popen(
        [sys.executable, "-m", "striate", "summary", "simple"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize("command", [["summary", "lenet5"], ["architectures"]])
def test_output_to_an_ascii_terminal(command):
    result = run_program(*command, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert (result.code, result.err) == (0, "")
    assert "61,706" in result.out


def test_no_escape_codes_in_a_pipe_whatever_the_log_would_like():
    for command in (["--help"], ["architectures"], ["paint"]):
        result = run_program(*command, env=os.environ | {"GITHUB_ACTIONS": "true", "TERM": "xterm-256color"})
        assert "\x1b" not in result.out + result.err


def on_terminal(command, **environment):
    """What the program writes to a terminal."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "striate", *map(str, command)],
        stdout=theirs,
        stderr=theirs,
        stdin=theirs,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"} | environment,
    )
    os.close(theirs)
    pieces = []
    try:
        while piece := os.read(ours, 65536):
            pieces.append(piece)
    except OSError:  # so Linux says that the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    return b"".join(pieces).decode()


def test_NO_COLOR_is_respected(tmp_path):
    command = ["train", "mnist", "--limit", 64, "--epochs", 1, "--out", tmp_path / "m.safetensors"]
    colour = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7])[;m]")
    coloured, plain = on_terminal(command), on_terminal(command, NO_COLOR="1")
    assert colour.search(coloured)
    assert not colour.search(plain)
    for text in (coloured, plain):
        assert "images/s" in text
        assert "Test accuracy" in text


def test_control_characters_become_visible():
    assert visible("a\x1b]0;owned\x07b\u202ec\nd é ×") == "a\\x1b]0;owned\\x07b\\u202ec\\nd é ×"


def test_json_holds_no_nan():
    with pytest.raises(ValueError, match="not JSON compliant"):
        say_json(float("nan"))


@pytest.mark.parametrize("module", ["striate", "striate.cli.main"])
def test_program_starts_as_a_module_too(module):
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"striate {__version__}\n", "")
