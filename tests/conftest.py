"""What all tests share."""

import os
import signal

import pytest

# Keras takes its backend from the environment when it is first imported; PyTorch is the one in the extra [oracles].
os.environ.setdefault("KERAS_BACKEND", "torch")

# A shell that starts pytest in the background has it ignore Ctrl-C, and so would all programs that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A process for each core where all tests are run; none for some of them, which begin sooner without."""
    return (os.cpu_count() or 1) if config.args == config.getini("testpaths") else 0
