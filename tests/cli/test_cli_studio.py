"""``striate`` and ``striate studio``."""

import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from striate import studio as studio_package
from striate.cli import studio as studio_command


@pytest.fixture
def served(monkeypatch):
    """What the studio is started with, in place of starting it."""
    calls = []
    monkeypatch.setattr(studio_package, "serve", lambda model, **options: calls.append((model, options)))
    monkeypatch.setattr(studio_command, "open_network", lambda name: f"the model {name}")
    return calls


def test_P1_striate_alone_opens_the_studio(striate_cli, served):
    assert striate_cli().code == 0
    assert served == [("the model digits", {"port": 0, "open_browser": True, "memory": None})]


def test_P1_options_reach_the_studio(striate_cli, served):
    assert (
        striate_cli("studio", "--model", "mine.safetensors", "--port", 8123, "--no-browser", "--memory", 64).code == 0
    )
    assert served == [("the model mine.safetensors", {"port": 8123, "open_browser": False, "memory": 64 << 20})]


def test_P1_address_is_printed_and_answers_until_ctrl_c(model_file):
    command = [sys.executable, "-m", "striate", "studio", "--model", str(model_file), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            address = line[line.index("http://127.0.0.1:") :].split()[0]
            with urllib.request.urlopen(f"{address}api/network") as response:  # noqa: S310  ours
                assert b"two_strokes" in response.read()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()


def test_R4_port_in_use_is_one_line(refused, model_file):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused(1, "studio", "--model", model_file, "--no-browser", "--port", port)
    assert f"cannot listen on port {port}" in line


def test_R4_missing_model_is_one_line(refused):
    assert "no file nowhere" in refused(1, "studio", "--model", "nowhere")
