"""What a reader says when it cannot open a file."""

import os
from collections.abc import Sequence
from typing import NoReturn

from striate.errors import FormatError, LimitError

#: How many reasons a message lists.
SHOWN = 20


def refuse(path: str | os.PathLike[str], *reasons: str) -> NoReturn:
    """Raise FormatError that says why a file cannot be opened; of many reasons the first `SHOWN`, and how many more.

    Arguments:
        path: the file.
        reasons: each a clause without a full stop, such as "node 'conv1' (Foo): no operator of this name".
    """
    raise FormatError(_message(path, reasons)) from None


def refuse_size(path: str | os.PathLike[str], *reasons: str) -> NoReturn:
    """The same as a LimitError: the file asks for more memory or time than we grant it."""
    raise LimitError(_message(path, reasons)) from None


def _message(path: str | os.PathLike[str], reasons: Sequence[str]) -> str:
    shown = [*reasons[:SHOWN], *([f"and {len(reasons) - SHOWN} more"] if len(reasons) > SHOWN else [])]
    return f"open_model: cannot open {path}: {'; '.join(shown)}."
