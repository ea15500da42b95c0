"""A kernel: a Python function that writes machine code for one shape of the work it does."""

import functools
import hashlib
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from striate.codegen.function import Function
from striate.codegen.target import Target
from striate.codegen.values import Type

Writer = Callable[..., None]


class Code(NamedTuple):
    """A module of LLVM IR and the functions in it that others call; a kernel's module has one, named by its text."""

    symbols: tuple[str, ...]
    text: str

    @property
    def symbol(self) -> str:
        """The only function's name."""
        (symbol,) = self.symbols
        return symbol


class Kernel(NamedTuple):
    """Writes code for given settings; made by `kernel`.

    Arguments:
        name: of the function that writes.
        write: takes the `Function`, one `Pointer` for each buffer, and settings by name.
        in_place: whether a result may lie where an operand of its shape lies: each number is read before it is written.
    """

    name: str
    write: Writer
    in_place: bool = False

    def code(self, target: Target, elements: tuple[Type, ...], settings: tuple[tuple[str, Hashable], ...]) -> Code:
        """The IR for one target, element types of the buffers, and settings."""
        return _code(self, target, elements, settings)


def kernel(write: Writer) -> Kernel:
    """Make a kernel of a function ``write(f, x, y, …, *, size, …)``: buffers by position, settings by name.

    A kernel that only touches the same place of all buffers at a time is marked by `in_place` instead.

    The kernel's work is a number of items; the function writes what is done for the items of one call, usually in a
    loop over ``f.items()``. Which thread does which items, and in which order, is not known: what one item writes, no
    other item may read or write.
    """
    return Kernel(write.__name__, write)


def in_place(write: Writer) -> Kernel:
    """Make a kernel whose result may lie where an operand of its shape lies."""
    return Kernel(write.__name__, write, in_place=True)


@functools.lru_cache(256)  # a text has about 50 kB
def _code(kernel: Kernel, target: Target, elements: tuple[Type, ...], settings: Any) -> Code:
    function = Function(kernel.name, target)
    buffers = [function.argument(number, element) for number, element in enumerate(elements)]
    kernel.write(function, *buffers, **dict(settings))
    digest = hashlib.sha256(function.text("").encode()).hexdigest()[:24]
    symbol = f"striate_{kernel.name}_{digest}"
    return Code((symbol,), function.text(symbol))
