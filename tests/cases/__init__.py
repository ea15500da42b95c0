"""Case grids: one module for each operation family, with its grid in ``CASES``."""

import importlib
import pkgutil
from collections.abc import Sequence

import pytest

from tests.cases.case import Case


def every_case() -> list[Case]:
    """The cases of all grids: a module in this folder is registered by being here."""
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    return [case for module in modules for case in getattr(module, "CASES", ())]


def some(cases: Sequence[Case]) -> list[Case]:
    """What stands for a long grid where time is short: its corners, which come first, and each 20th of the others."""
    return [*cases[:20], *cases[20::20]]


#: Runs a test on some cases of a grid, and on the whole grid where exhaustive tests are asked for.
short_and_whole_grid = pytest.mark.parametrize(
    "grid", [pytest.param(some, id="some"), pytest.param(list, id="all", marks=pytest.mark.exhaustive)]
)
