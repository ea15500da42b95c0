"""What commands write: lines, tables and JSON, with escape codes on a terminal only, and never out of a file."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def say(text: str) -> None:
    """Write lines to stdout."""
    print("\n".join(map(visible, text.split("\n"))), flush=True)


def complain(text: str) -> None:
    """Write what went wrong to stderr, in one line."""
    print(f"striate: {visible(' '.join(text.split()))}", file=sys.stderr, flush=True)


def say_json(value: Any) -> None:
    """Write a JSON document to stdout."""
    print(json.dumps(value, indent=2, allow_nan=False), flush=True)


def visible(text: str) -> str:
    """Control characters as escapes: the name of a file or of a class in a model must not steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def console() -> "Console":
    """Stdout as a rich console; where it is not a terminal, lines are not wrapped."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 1000)


def say_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1, title: str = "") -> None:
    """Write a table to stdout.

    Arguments:
        header: over each column; all empty: no header.
        rows: cells.
        left: how many columns are aligned to the left; the others, numbers, to the right.
        title: a line over the table.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, show_header=any(header))
    for number, name in enumerate(header):
        table.add_column(Text(visible(name)), justify="left" if number < left else "right")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    if title:
        say(f"\n{title}\n")
    wide = console()
    with wide.capture() as drawn:
        wide.print(table)
    print("\n".join(line.rstrip() for line in drawn.get().splitlines()), flush=True)
