"""The flat vector in which the parameters of a network lie while it is trained."""

import os
import platform
import subprocess
import sys

import pytest

MOVE = """
import numpy as np
from striate.graph import Variable
from striate.training.parameters import ParameterVector

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

variables = [Variable(np.ones(2**18, np.float32), str(number), copy=False) for number in range(64)]
last = np.ones(2**18, np.float32)  # so that what lies before it is not at the end of the heap
before = resident()
vector = ParameterVector(variables)
print((resident() - before) / 2**20, float(variables[3].value.sum() + last.sum()))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc and Linux's /proc")
def test_what_variables_leave_goes_back_to_the_system():
    env = os.environ | {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
    done = subprocess.run([sys.executable, "-c", MOVE], env=env, capture_output=True, text=True, check=True)
    grown, total = map(float, done.stdout.split())
    assert total == 2 * 2**18
    assert grown < 84  # MiB: the vector and its gradients took 128, and the variables left 64
