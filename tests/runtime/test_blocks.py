"""Blocks: whoever runs something has one to himself, and what nobody needs goes back to the system."""

import os

import numpy as np
import pytest

from striate.runtime import blocks
from striate.runtime.blocks import PATIENCE, View, borrow, free_bytes, give_back


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.setattr(blocks, "_FREE", [])


def test_one_after_another_share_a_block():
    first = borrow(1000)
    give_back(first, 1000)
    for size in (1, 500, 1000):
        again = borrow(size)
        assert again is first
        give_back(again, size)
    larger = borrow(1001)
    assert larger is not first
    give_back(larger, 1001)
    assert free_bytes() == 1001  # the smaller one is gone


def test_two_at_once_have_a_block_each():
    one, two = borrow(100), borrow(200)
    one.array[:], two.array[:] = 1, 2
    assert (one.array == 1).all()
    assert one.address % 64 == two.address % 64 == 0
    give_back(two, 200)
    give_back(one, 100)
    assert borrow(150) is two  # not a new one for the small one that lies on top
    assert borrow(50) is one
    assert free_bytes() == 0


def test_a_block_that_is_too_large_for_long_goes_back_to_the_system():
    give_back(borrow(10_000), 10_000)
    for _ in range(PATIENCE - 1):
        give_back(borrow(100), 100)
    give_back(borrow(5000), 5000)  # half of it: it is needed
    for _ in range(PATIENCE - 1):
        give_back(borrow(100), 100)
    assert free_bytes() == 10_000
    give_back(borrow(100), 100)
    assert free_bytes() == 0


def test_views_of_a_block():
    block = borrow(1024)
    block.array[:] = 0
    view = View(64, (2, 3), np.dtype(np.float32)).on(block)
    view[...] = 1
    assert view.ctypes.data == block.address + 64
    assert (block.array.view(np.float32).nonzero()[0] == np.arange(16, 22)).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_has_a_copy():
    block = borrow(100)
    block.array[:] = 1
    child = os.fork()
    if child == 0:
        block.array[:] = 2
        os._exit(0)
    os.waitpid(child, 0)
    assert (block.array == 1).all()
