"""A machine for pickles that can build plain data and nothing else.

A pickle is a program for a small stack machine. Python's own runs whatever function the file names. This one imports
nothing, looks no attribute up and calls nothing from the file: it knows a list of opcodes, which make numbers, texts,
bytes and containers, and a table of names (`striate.interop.pickled`), each of which stands for a function of ours.

Source: the opcodes as ``Lib/pickletools.py`` of CPython describes them, protocols 0 to 5.
"""

import codecs
import os
import re
import struct
from collections.abc import Callable
from io import BufferedIOBase
from typing import Any, TypeAlias

import numpy as np

from striate.interop.pickled import NAMES, Constructor, fill, set_state
from striate.interop.refusal import refuse

#: Steps of the machine; a checkpoint with an optimizer's state takes about forty for each tensor.
MAX_STEPS = 1 << 19
MAX_LONG = 64  # bytes of an integer
MAX_LINE = 256  # bytes of a number or name written as text
MAX_WIDE_TEXT = 64 << 20  # bytes of text in which characters may take four bytes of memory each
NARROW = 0xC3  # in UTF-8, text without a byte above this takes one byte of memory for each character
HIGHEST_PROTOCOL = 5

INTEGER = re.compile(rb"-?\d+L?")

Persistent: TypeAlias = Callable[[Any], Any]


def unpickle(
    stream: BufferedIOBase, size: int, path: str | os.PathLike[str], persistent: Persistent | None = None
) -> Any:
    """The value of the pickle at the stream's position, which afterwards is behind the pickle.

    Containers are lists, tuples and dictionaries, bytes are bytearrays; tensors and arrays are those of
    `striate.interop.pickled`. Shared and recursive containers are as in the file.

    Arguments:
        stream: where the pickle is read from.
        size: the position at which the stream ends.
        path: the file, for messages.
        persistent: makes a value from a reference to something stored outside the pickle; None: refuse those.

    Raises:
        FormatError: the pickle is damaged, too long, or does anything but build plain data.
    """
    machine = Machine(stream, size, persistent)
    try:
        return machine.run()
    except ValueError as error:
        name, _ = OPCODES.get(machine.opcode, (NO_STEPS.get(machine.opcode, machine.opcode.hex()), None))
        refuse(path, f"its pickle, at byte {machine.position:,} ({name}): {error}")


class Machine:
    """The stack machine; whatever it does not allow is a ValueError.

    Arguments: as `unpickle`.
    """

    def __init__(self, stream: BufferedIOBase, size: int, persistent: Persistent | None):
        self.opcode, self.position = b"", 0
        self._stream, self._size, self._persistent = stream, size, persistent
        self._steps = 0
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks below each mark
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Every opcode up to STOP."""
        while True:
            self.position = self._stream.tell()
            self.opcode = self._stream.read(1)
            if not self.opcode or self.position >= self._size:
                raise ValueError("it ends without STOP")
            if self.opcode == STOP:
                break
            if self.opcode not in OPCODES:
                raise ValueError("this opcode is not used by tensors and plain containers")
            self.spend(1)
            OPCODES[self.opcode][1](self)
        if self._below or len(self._stack) != 1:
            raise ValueError(f"expected one value at the end, got {len(self._stack)} and {len(self._below)} marks")
        return self._stack[0]

    def spend(self, steps: int) -> None:
        """Count steps of work."""
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise ValueError(f"expected at most {MAX_STEPS:,} steps")

    # What follows an opcode

    def take(self, count: int) -> bytearray:
        """The next bytes."""
        if count > self._size - self._stream.tell():
            raise ValueError(f"it declares {count:,} bytes, more than there are")
        content = bytearray(count)
        if self._stream.readinto(content) != count:
            raise ValueError(f"expected {count:,} bytes, got the end of the file")
        return content

    def unsigned(self, count: int) -> int:
        """An integer of ``count`` bytes."""
        return int.from_bytes(self.take(count), "little")

    def signed(self, count: int) -> int:
        """An integer of ``count`` bytes, with sign."""
        if count > MAX_LONG:
            raise ValueError(f"expected a number of at most {MAX_LONG} bytes, got {count:,}")
        return int.from_bytes(self.take(count), "little", signed=True)

    def line(self, longest: int = MAX_LINE) -> bytes:
        """The rest of the line."""
        text = self._stream.readline(longest + 1)
        if not text.endswith(b"\n"):
            raise ValueError(f"expected a line of at most {longest:,} bytes")
        return text[:-1]

    def integer(self, line: bytes) -> int:
        """An integer written as text; with INT, 00 and 01 are booleans."""
        if not INTEGER.fullmatch(line):
            raise ValueError(f"expected an integer, got {line[:40]!r}")
        return line == b"01" if line in (b"00", b"01") else int(line.removesuffix(b"L"))

    def text(self, count: int) -> str:
        """Text of ``count`` bytes in UTF-8."""
        content = self.take(count)
        if count > MAX_WIDE_TEXT and np.frombuffer(content, np.uint8).max() > NARROW:
            raise ValueError(f"expected at most {MAX_WIDE_TEXT:,} bytes of text, got {count:,}")
        return content.decode()

    def quoted(self) -> str:
        """Text as Python 2 wrote its strings, with one character for each byte."""
        line = self.line(self._size)
        if len(line) < 2 or line[:1] not in (b"'", b'"') or line[:1] != line[-1:]:
            raise ValueError("expected text in quotes")
        try:
            content, _ = codecs.escape_decode(line[1:-1])
        except Warning as warning:  # where warnings are errors
            raise ValueError(f"{warning}") from None
        return content.decode("latin-1")

    # The stack and the memo

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def pop(self) -> Any:
        """Take the top value from the stack."""
        if not self._stack:
            raise ValueError("there is no value on the stack")
        return self._stack.pop()

    def top(self, kind: type) -> Any:
        """The top value, which has to be of a kind."""
        if not self._stack or type(self._stack[-1]) is not kind:
            raise ValueError(f"expected a {kind.__name__} on the stack")
        return self._stack[-1]

    def mark(self) -> None:
        """Begin a new stack on top of this one."""
        self._below.append(self._stack)
        self._stack = []

    def pop_mark(self) -> list[Any]:
        """The values since the mark."""
        if not self._below:
            raise ValueError("there is no mark on the stack")
        values, self._stack = self._stack, self._below.pop()
        return values

    def drop(self) -> None:
        """Take the top value, or else the mark, from the stack."""
        if self._stack:
            self._stack.pop()
        else:
            self.pop_mark()

    def duplicate(self) -> None:
        """Push the top value once more."""
        value = self.pop()
        self._stack += [value, value]

    def put(self, index: int) -> None:
        """Remember the top value."""
        value = self.pop()
        if index < 0:
            raise ValueError(f"expected a place in the memo, got {index}")
        self._memo[index] = value
        self.push(value)

    def memoize(self) -> None:
        """Remember the top value at the next place."""
        self.put(len(self._memo))

    def get(self, index: int) -> None:
        """Push a value that was remembered."""
        if index not in self._memo:
            raise ValueError(f"there is nothing in the memo at {index}")
        self.push(self._memo[index])

    # Containers and names

    def tuple(self, count: int) -> None:
        """Make a tuple of the top values."""
        self.push(tuple([self.pop() for _ in range(count)][::-1]))

    def append(self, values: list[Any]) -> None:
        """Append to the list below the values."""
        self.top(list).extend(values)

    def set_items(self, values: list[Any]) -> None:
        """Add keys and values to the dictionary below them."""
        target = self.top(dict)
        if len(values) % 2:
            raise ValueError("expected a value for each key")
        fill(target, zip(values[::2], values[1::2], strict=True))

    def dictionary(self) -> None:
        """Make a dictionary of the keys and values since the mark."""
        values = self.pop_mark()
        self.push({})
        self.set_items(values)

    def name(self, module: Any, name: Any) -> None:
        """Push what a name stands for in our table."""
        if type(module) is not str or type(name) is not str:
            raise ValueError("expected a name as text")
        known = NAMES.get(f"{module}.{name}")
        if known is None:
            raise ValueError(
                f"it names {f'{module}.{name}'[:80]!r}; only tensors, arrays and plain containers are read. "
                "A whole model is code: save model.state_dict() instead"
            )
        self.push(known)

    def stack_name(self) -> None:
        """As `name`, with module and name from the stack."""
        name = self.pop()
        self.name(self.pop(), name)

    def reduce(self) -> None:
        """Have a constructor of ours make a value."""
        arguments, constructor = self.pop(), self.pop()
        if not isinstance(constructor, Constructor) or type(arguments) is not tuple:
            raise ValueError("expected one of the known names and a tuple of arguments")
        self.spend(sum(len(argument) for argument in arguments if isinstance(argument, list | tuple | dict)))
        self.push(constructor.make(arguments))

    def build(self) -> None:
        """Give the value below its state."""
        state = self.pop()
        value = self.pop()
        set_state(value, state)
        self.push(value)

    def persistent(self) -> None:
        """Push what is stored outside the pickle."""
        if self._persistent is None:
            raise ValueError("expected no references to data outside the pickle")
        self.push(self._persistent(self.pop()))

    def protocol(self) -> None:
        """Check the version."""
        if (protocol := self.unsigned(1)) > HIGHEST_PROTOCOL:
            raise ValueError(f"expected protocol 0 to {HIGHEST_PROTOCOL}, got {protocol}")

    def frame(self) -> None:
        """A hint for readers of pipes: the length of what follows."""
        if (length := self.unsigned(8)) > self._size - self._stream.tell():
            raise ValueError(f"it declares {length:,} bytes, more than there are")


STOP = b"."

OPCODES: dict[bytes, tuple[str, Callable[[Machine], Any]]] = {
    b"\x80": ("PROTO", Machine.protocol),
    b"\x95": ("FRAME", Machine.frame),
    b"N": ("NONE", lambda m: m.push(None)),
    b"\x88": ("NEWTRUE", lambda m: m.push(True)),
    b"\x89": ("NEWFALSE", lambda m: m.push(False)),
    b"I": ("INT", lambda m: m.push(m.integer(m.line()))),
    b"L": ("LONG", lambda m: m.push(m.integer(m.line()))),
    b"J": ("BININT", lambda m: m.push(m.signed(4))),
    b"K": ("BININT1", lambda m: m.push(m.unsigned(1))),
    b"M": ("BININT2", lambda m: m.push(m.unsigned(2))),
    b"\x8a": ("LONG1", lambda m: m.push(m.signed(m.unsigned(1)))),
    b"\x8b": ("LONG4", lambda m: m.push(m.signed(m.unsigned(4)))),
    b"F": ("FLOAT", lambda m: m.push(float(m.line()))),
    b"G": ("BINFLOAT", lambda m: m.push(struct.unpack(">d", m.take(8))[0])),
    b"S": ("STRING", lambda m: m.push(m.quoted())),
    b"T": ("BINSTRING", lambda m: m.push(m.take(m.unsigned(4)).decode("latin-1"))),
    b"U": ("SHORT_BINSTRING", lambda m: m.push(m.take(m.unsigned(1)).decode("latin-1"))),
    b"V": ("UNICODE", lambda m: m.push(m.line(MAX_WIDE_TEXT).decode("raw-unicode-escape"))),
    b"\x8c": ("SHORT_BINUNICODE", lambda m: m.push(m.text(m.unsigned(1)))),
    b"X": ("BINUNICODE", lambda m: m.push(m.text(m.unsigned(4)))),
    b"\x8d": ("BINUNICODE8", lambda m: m.push(m.text(m.unsigned(8)))),
    b"C": ("SHORT_BINBYTES", lambda m: m.push(m.take(m.unsigned(1)))),
    b"B": ("BINBYTES", lambda m: m.push(m.take(m.unsigned(4)))),
    b"\x8e": ("BINBYTES8", lambda m: m.push(m.take(m.unsigned(8)))),
    b"\x96": ("BYTEARRAY8", lambda m: m.push(m.take(m.unsigned(8)))),
    b"(": ("MARK", Machine.mark),
    b"0": ("POP", Machine.drop),
    b"1": ("POP_MARK", Machine.pop_mark),
    b"2": ("DUP", Machine.duplicate),
    b"p": ("PUT", lambda m: m.put(m.integer(m.line()))),
    b"q": ("BINPUT", lambda m: m.put(m.unsigned(1))),
    b"r": ("LONG_BINPUT", lambda m: m.put(m.unsigned(4))),
    b"\x94": ("MEMOIZE", Machine.memoize),
    b"g": ("GET", lambda m: m.get(m.integer(m.line()))),
    b"h": ("BINGET", lambda m: m.get(m.unsigned(1))),
    b"j": ("LONG_BINGET", lambda m: m.get(m.unsigned(4))),
    b"]": ("EMPTY_LIST", lambda m: m.push([])),
    b"l": ("LIST", lambda m: m.push(m.pop_mark())),
    b"a": ("APPEND", lambda m: m.append([m.pop()])),
    b"e": ("APPENDS", lambda m: m.append(m.pop_mark())),
    b")": ("EMPTY_TUPLE", lambda m: m.push(())),
    b"t": ("TUPLE", lambda m: m.push(tuple(m.pop_mark()))),
    b"\x85": ("TUPLE1", lambda m: m.tuple(1)),
    b"\x86": ("TUPLE2", lambda m: m.tuple(2)),
    b"\x87": ("TUPLE3", lambda m: m.tuple(3)),
    b"}": ("EMPTY_DICT", lambda m: m.push({})),
    b"d": ("DICT", Machine.dictionary),
    b"s": ("SETITEM", lambda m: m.set_items([m.pop(), m.pop()][::-1])),
    b"u": ("SETITEMS", lambda m: m.set_items(m.pop_mark())),
    b"c": ("GLOBAL", lambda m: m.name(m.line().decode(), m.line().decode())),
    b"\x93": ("STACK_GLOBAL", Machine.stack_name),
    b"R": ("REDUCE", Machine.reduce),
    b"b": ("BUILD", Machine.build),
    b"Q": ("BINPERSID", Machine.persistent),
}

#: Names for messages: the ends, and opcodes that only serve objects of classes, not tensors or plain data.
NO_STEPS = {
    STOP: "STOP", b"": "end", b"i": "INST", b"o": "OBJ", b"\x81": "NEWOBJ", b"\x92": "NEWOBJ_EX", b"\x82": "EXT1",
    b"\x83": "EXT2", b"\x84": "EXT4", b"P": "PERSID", b"\x8f": "EMPTY_SET", b"\x90": "ADDITEMS",
    b"\x91": "FROZENSET", b"\x97": "NEXT_BUFFER", b"\x98": "READONLY_BUFFER",
}  # fmt: skip
