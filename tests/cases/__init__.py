"""Case grids: one module for each operation family, with its grid in ``CASES``."""

import importlib
import pkgutil

from tests.cases.case import Case


def every_case() -> list[Case]:
    """The cases of all grids: a module in this folder is registered by being here."""
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    return [case for module in modules for case in getattr(module, "CASES", ())]
