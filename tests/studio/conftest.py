"""A real studio on a free port, and a real browser where there is one."""

import shutil
import socket
import threading
from contextlib import contextmanager

import pytest
import uvicorn

from striate.studio import create_app
from striate.studio.server import server_config
from tests.studio.standin import stand_in

BROWSER = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def running(model, **options):
    """Serve a model's studio in a thread; gives 127.0.0.1:port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(server_config(create_app(model, **options)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def studio():
    """The address of a studio with the stand-in model."""
    with running(stand_in()) as address:
        yield address


@pytest.fixture(scope="session")
def digits_studio():
    """The address of a studio with the model that ships."""
    import striate

    with running(striate.load_model("digits")) as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    """Chromium, or a skip that says what is missing."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no browser: install Debian's chromium to run these tests")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=BROWSER)
        yield chromium
        chromium.close()
