"""Model files of other programs that `Model.save`, `save_weights`, `export`, `load_model` and `load_weights` support.

The format written is chosen by the file's name, and the format read is detected from its content.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from striate.errors import ArgumentError

if TYPE_CHECKING:
    from striate.models.model import Model

Write = Callable[["Model", str | Path, bool], None]

#: How the names of our own files end.
OWN = (".safetensors", "")


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Arguments:
        write, write_weights: functions of a model, a path and ``overwrite``; None: not supported.
        read, read_weights: functions of a path, and of a path and a model; None: not supported.
        beginning: the first bytes of such files, by which they are detected when read.
    """

    write: Write | None = None
    write_weights: Write | None = None
    read: "Callable[[Path], Model] | None" = None
    read_weights: "Callable[[Path, Model], None] | None" = None
    beginning: bytes = b""


#: Kinds of files by suffix. ``striate`` fills it: imports go down only, and other programs' formats lie above us.
FORMATS: dict[str, Format] = {}


def suffix_of(path: str | Path) -> str:
    """The longest suffix of a path that a format has, else its last one, such as ".safetensors"; "" for none.

    What follows the last dot is a suffix if it begins with a letter: "epoch_0.97" has none.
    """
    name = Path(path).name.lower()
    known = [suffix for suffix in FORMATS if name.endswith(suffix)]
    suffix = re.search(r"\.[a-z]\w*$", name)
    return max(known, key=len) if known else suffix[0] if suffix else ""


def writer(operation: str, path: str | Path) -> Write | None:
    """What writes a file of this name; None: it is one of our own.

    Arguments:
        operation: "save", a whole model that can be loaded again; "save_weights"; or "export", for other programs.
        path: the file's name.

    Raises:
        ArgumentError: no such file can be written under this name.
    """
    whole = {suffix: one.write for suffix, one in FORMATS.items() if one.write}
    saved = {suffix: write for suffix, write in whole.items() if FORMATS[suffix].read}
    weights = {suffix: one.write_weights for suffix, one in FORMATS.items() if one.write_weights}
    choice: dict[str, Write] = {"save": saved, "save_weights": weights, "export": whole}[operation]
    suffix, own = suffix_of(path), () if operation == "export" else OWN
    if suffix in choice:
        return choice[suffix]
    if suffix in own:
        return None
    elsewhere = next((name for name, some in (("save", (*saved, *OWN)), ("export", whole)) if suffix in some), None)
    hint = f" {suffix} is written by {elsewhere}." if elsewhere and suffix else ""
    listed = [one for one, write in choice.items() if not any(_same(one, other, choice) for other in choice)]
    endings = [*(one for one in own if one), *listed, *["nothing"] * ("" in own)]
    raise ArgumentError(
        f"{operation}: expected a file name that ends in {', '.join(endings[:-1])} or {endings[-1]}, got "
        f"{str(path)!r}.{hint}"
    )


def _same(suffix: str, other: str, choice: dict[str, Write]) -> bool:
    """Whether a suffix is a longer form of another one that means the same."""
    return suffix != other and suffix.endswith(other) and choice[suffix] is choice[other]


def reader(path: Path) -> Format | None:
    """The format detected from a file's first bytes; None: one of our own, or unknown."""
    with path.open("rb") as file:
        head = file.read(max((len(one.beginning) for one in FORMATS.values()), default=0))
    return next((one for one in FORMATS.values() if one.read and head.startswith(one.beginning)), None)
