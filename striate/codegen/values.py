"""What a kernel computes with: values, pointers and accumulators. Each operator adds one line of LLVM IR.

A value is a register that holds a number or a vector of numbers. Python's own numbers take part as constants, and where
both operands are Python integers nothing is written at all: loops whose bounds are known fold away.
"""

import struct
from typing import TYPE_CHECKING, Any, NamedTuple, Union, overload

import numpy as np

if TYPE_CHECKING:
    from striate.codegen.function import Function

#: An integer: computed when the kernel runs, or known while it is written.
Integer = Union["Value", int]


class Type(NamedTuple):
    """A scalar type of LLVM, or a vector of them.

    Arguments:
        scalar: ``float``, ``double``, ``i1``, ``i8``, ``i32``, ``i64`` or ``ptr``.
        lanes: how many; 1 is a scalar.
    """

    scalar: str
    lanes: int = 1

    def __str__(self) -> str:
        return self.scalar if self.lanes == 1 else f"<{self.lanes} x {self.scalar}>"

    @property
    def is_floating(self) -> bool:
        return self.scalar in ("float", "double")

    @property
    def bytes(self) -> int:
        """Size of one lane in memory."""
        return {"float": 4, "double": 8, "i1": 1, "i8": 1, "i32": 4, "i64": 8, "ptr": 8}[self.scalar]

    def wide(self, lanes: int) -> "Type":
        """The same numbers, ``lanes`` of them."""
        return Type(self.scalar, lanes)

    def literal(self, number: float) -> str:
        """A constant of this type; the same number in every lane."""
        if not self.is_floating:
            one = str(int(number))
        else:
            exact = float(np.float32(number)) if self.scalar == "float" else float(number)
            one = "0x" + struct.pack(">d", exact).hex().upper()  # LLVM writes a float as the double of the same value
        return one if self.lanes == 1 else f"splat ({self.scalar} {one})"


FLOAT, DOUBLE, BIT, BYTE, INT, LONG, POINTER = map(Type, ("float", "double", "i1", "i8", "i32", "i64", "ptr"))

#: What an array's numbers are in memory.
ELEMENTS = {"f4": FLOAT, "f8": DOUBLE, "b1": BYTE, "u1": BYTE, "i4": INT, "u4": INT, "i8": LONG, "u8": LONG}


def element(dtype: Any) -> Type:
    """The type of the numbers in an array of this dtype; KeyError if kernels do not know it."""
    return ELEMENTS[np.dtype(dtype).str[1:]]


class Value:
    """A register: the result of one instruction.

    ``+ - * /`` are floating or integer after the operands; ``//`` and ``%`` are for indices, which are never negative.
    ``< <= > >=`` compare as signed numbers, lane by lane; a comparison with NaN is false.
    """

    __slots__ = ("function", "text", "type")

    def __init__(self, function: "Function", type: Type, text: str):
        self.function, self.type, self.text = function, type, text

    def _operand(self, other: Any) -> str:
        if not isinstance(other, Value):
            return self.type.literal(other)
        if other.type == self.type:
            return other.text
        if other.type.lanes == 1:  # a scalar stands for a vector of itself
            return self.function.splat(other, self.type.lanes).text
        raise TypeError(f"{self.function.name}: expected an operand of type {self.type}, got {other.type}.")

    def _binary(self, integer: str, floating: str, other: Any, swapped: bool = False) -> "Value":
        if isinstance(other, Value) and self.type.lanes == 1 < other.type.lanes:
            return self.function.splat(self, other.type.lanes)._binary(integer, floating, other, swapped)
        first, second = self.text, self._operand(other)
        if swapped:
            first, second = second, first
        operation = floating if self.type.is_floating else integer
        return self.function.emit(self.type, f"{operation} {self.type} {first}, {second}")

    def __add__(self, other: Any) -> "Value":
        return self if _is_integer(other, 0) and not self.type.is_floating else self._binary("add", "fadd", other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Value":
        return self if _is_integer(other, 0) and not self.type.is_floating else self._binary("sub", "fsub", other)

    def __rsub__(self, other: Any) -> "Value":
        return self._binary("sub", "fsub", other, swapped=True)

    @overload
    def __mul__(self, other: "Value") -> "Value": ...

    @overload
    def __mul__(self, other: int) -> Any: ...

    @overload
    def __mul__(self, other: float) -> "Value": ...

    def __mul__(self, other: Any) -> Any:
        if not self.type.is_floating and (_is_integer(other, 0) or _is_integer(other, 1)):
            return self if other else 0
        return self._binary("mul", "fmul", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "Value":
        return self._binary("sdiv", "fdiv", other)

    def __rtruediv__(self, other: Any) -> "Value":
        return self._binary("sdiv", "fdiv", other, swapped=True)

    def __floordiv__(self, other: Any) -> "Value":
        return self if _is_integer(other, 1) else self._binary("udiv", "fdiv", other)

    def __mod__(self, other: Any) -> Any:
        return 0 if _is_integer(other, 1) else self._binary("urem", "frem", other)

    def __and__(self, other: Any) -> "Value":
        return self._binary("and", "and", other)

    def __or__(self, other: Any) -> "Value":
        return self._binary("or", "or", other)

    def __xor__(self, other: Any) -> "Value":
        return self._binary("xor", "xor", other)

    def __lshift__(self, other: Any) -> "Value":
        return self._binary("shl", "shl", other)

    def __rshift__(self, other: Any) -> "Value":
        """Shift right; zeros come in from the left."""
        return self._binary("lshr", "lshr", other)

    def __neg__(self) -> "Value":
        if self.type.is_floating:
            return self.function.emit(self.type, f"fneg {self.type} {self.text}")
        return 0 - self

    def compare(self, integer: str, floating: str, other: Any) -> "Value":
        """A comparison by LLVM's names for it, such as ``ult`` and ``uno``."""
        kind = f"fcmp {floating}" if self.type.is_floating else f"icmp {integer}"
        return self.function.emit(
            Type("i1", self.type.lanes), f"{kind} {self.type} {self.text}, {self._operand(other)}"
        )

    def __lt__(self, other: Any) -> "Value":
        return self.compare("slt", "olt", other)

    def __le__(self, other: Any) -> "Value":
        return self.compare("sle", "ole", other)

    def __gt__(self, other: Any) -> "Value":
        return self.compare("sgt", "ogt", other)

    def __ge__(self, other: Any) -> "Value":
        return self.compare("sge", "oge", other)

    def equals(self, other: Any) -> "Value":
        """Lane by lane equality; ``==`` would have to be a truth value."""
        return self.compare("eq", "oeq", other)

    def differs(self, other: Any) -> "Value":
        """Lane by lane inequality; NaN differs from everything."""
        return self.compare("ne", "une", other)

    def is_nan(self) -> "Value":
        return self.compare("ne", "uno", self)

    def __bool__(self) -> bool:
        raise TypeError(f"{self.function.name}: a value has no truth value while code is written; use when or select.")


class Pointer:
    """An address, and the type of what lies there. Offsets count elements, not bytes.

    Arguments:
        base: the address, a value of type ``ptr``.
        element: type of one element.
        offset: elements from there, known while the kernel is written.
    """

    __slots__ = ("base", "element", "offset")

    def __init__(self, base: Value, element: Type, offset: int = 0):
        self.base, self.element, self.offset = base, element, offset

    def __add__(self, elements: Integer) -> "Pointer":
        if isinstance(elements, int):
            return Pointer(self.base, self.element, self.offset + elements)
        text = f"getelementptr {self.element}, ptr {self.base.text}, i64 {elements.text}"
        return Pointer(self.base.function.emit(POINTER, text), self.element, self.offset)

    def address(self) -> Value:
        """The address with its offset."""
        if not self.offset:
            return self.base
        text = f"getelementptr {self.element}, ptr {self.base.text}, i64 {self.offset}"
        return self.base.function.emit(POINTER, text)

    def load(self, lanes: int = 1, count: Integer | None = None) -> Value:
        """``lanes`` neighbouring elements; from lane ``count`` on zeros, and nothing is read there."""
        function, kind = self.base.function, self.element.wide(lanes)
        address = self.address().text
        if count is None or count == lanes:
            return function.emit(kind, f"load {kind}, ptr {address}, align {self.element.bytes}")
        name, mask = f"llvm.masked.load.{suffix(kind)}.p0", function.first_lanes(lanes, count)
        function.declare(f"declare {kind} @{name}(ptr, <{lanes} x i1>, {kind})")
        arguments = f"ptr align {self.element.bytes} {address}, {mask.type} {mask.text}, {kind} zeroinitializer"
        return function.emit(kind, f"call {kind} @{name}({arguments})")

    def store(self, value: Value | float, lanes: int = 1, count: Integer | None = None) -> None:
        """Write a value, but nothing from lane ``count`` on; a Python number is written to ``lanes`` elements."""
        function = self.base.function
        if not isinstance(value, Value):
            value = function.constant(value, self.element.wide(lanes))
        kind, address = value.type, self.address().text
        if kind.scalar != self.element.scalar:
            raise TypeError(f"{function.name}: expected {self.element} to store, got {kind}.")
        if count is None or count == kind.lanes:
            function.line(f"store {kind} {value.text}, ptr {address}, align {self.element.bytes}")
            return
        name, mask = f"llvm.masked.store.{suffix(kind)}.p0", function.first_lanes(kind.lanes, count)
        function.declare(f"declare void @{name}({kind}, ptr, <{kind.lanes} x i1>)")
        arguments = f"{kind} {value.text}, ptr align {self.element.bytes} {address}, {mask.type} {mask.text}"
        function.line(f"call void @{name}({arguments})")

    def __getitem__(self, index: Integer) -> Value:
        """One element."""
        return (self + index).load()

    def view(self, element: Type) -> "Pointer":
        """The same address, read as elements of another type."""
        return Pointer(self.address(), element)


class Accumulator:
    """A register that can be assigned again. ``accumulator.value`` reads and writes it.

    It is written as memory on the stack; LLVM's first pass (SROA) turns it into registers.
    """

    __slots__ = ("_address", "_type")

    def __init__(self, address: Value, type: Type):
        self._address, self._type = address, type

    @property
    def value(self) -> Value:
        return self._address.function.emit(self._type, f"load {self._type}, ptr {self._address.text}")

    @value.setter
    def value(self, new: Value | float) -> None:
        function = self._address.function
        if not isinstance(new, Value):
            new = function.constant(new, self._type)
        function.line(f"store {self._type} {new.text}, ptr {self._address.text}")


def _is_integer(value: Any, number: int) -> bool:
    return isinstance(value, int) and value == number


def suffix(kind: Type) -> str:
    """How LLVM writes a type in the name of an intrinsic: ``v8f32``."""
    scalar = {"float": "f32", "double": "f64"}.get(kind.scalar, kind.scalar)
    return scalar if kind.lanes == 1 else f"v{kind.lanes}{scalar}"
