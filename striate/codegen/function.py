"""Writes one function of LLVM IR, line by line, while Python code runs.

A loop of the kernel is a Python loop over `Function.range`; what Python computes meanwhile is not in the kernel.

    for i in f.range(0, size, lanes):
        (y + i).store(f.maximum((x + i).load(lanes), 0.0))
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from striate.codegen.target import Target
from striate.codegen.values import BIT, FLOAT, INT, LONG, POINTER, Accumulator, Integer, Pointer, Type, Value, suffix


class Function:
    """A function ``void name(ptr arguments, i64 first, i64 last, ptr scratch)`` being written.

    ``arguments`` points to a table of addresses; the function computes items first … last − 1 of the kernel's work;
    ``scratch`` is memory of the thread's own, whose contents do not outlive the call.

    Arguments:
        name: for messages; the symbol's name is chosen by the compiler.
        target: the machine it is written for.
    """

    def __init__(self, name: str, target: Target):
        self.name, self.target = name, target
        self._declarations: set[str] = set()
        self._stack: list[str] = []
        self._lines: list[str] = []
        self._block = "entry"
        self._count = 0
        self.first, self.last = Value(self, LONG, "%first"), Value(self, LONG, "%last")
        self.scratch = Pointer(Value(self, POINTER, "%scratch"), FLOAT)

    # Writing

    def line(self, text: str) -> None:
        """Add an instruction that has no result."""
        self._lines.append(f"  {text}")

    def emit(self, type: Type, text: str) -> Value:
        """Add an instruction and name its result."""
        name = self._name()
        self._lines.append(f"  {name} = {text}")
        return Value(self, type, name)

    def declare(self, text: str) -> None:
        """Declare a function once, such as one of LLVM's intrinsics."""
        self._declarations.add(text)

    @property
    def instructions(self) -> list[str]:
        """What has been written so far, line by line."""
        return self._lines

    def text(self, symbol: str) -> str:
        """The finished function, as a module of its own."""
        body = "\n".join([*self._stack, *self._lines])
        return (
            "\n".join(sorted(self._declarations))
            + f"\ndefine void @{symbol}(ptr noalias %arguments, i64 %first, i64 %last, ptr noalias %scratch) "
            + f"nounwind {{\nentry:\n{body}\n  ret void\n}}\n"
        )

    # Arguments, constants and accumulators

    def argument(self, number: int, element: Type) -> Pointer:
        """The address at place ``number`` of the argument table."""
        table = Pointer(Value(self, POINTER, "%arguments"), POINTER)
        return Pointer(table[number], element)

    def constant(self, number: float, type: Type = FLOAT) -> Value:
        """A number, the same in every lane."""
        return Value(self, type, type.literal(number))

    def zeros(self, lanes: int) -> Value:
        """A vector of ``lanes`` floats, all 0."""
        return self.constant(0.0, FLOAT.wide(lanes))

    def lane_numbers(self, lanes: int, type: Type = INT) -> Value:
        """The vector 0, 1, 2, …"""
        return Value(self, type.wide(lanes), "<" + ", ".join(f"{type} {i}" for i in range(lanes)) + ">")

    def accumulator(self, start: Value | float, type: Type = FLOAT) -> Accumulator:
        """A register that can be assigned again; a Python number as ``start`` is of ``type``."""
        if not isinstance(start, Value):
            start = self.constant(start, type)
        name = self._name()
        self._stack.append(f"  {name} = alloca {start.type}")
        result = Accumulator(Value(self, POINTER, name), start.type)
        result.value = start
        return result

    # Flow

    def range(self, start: Integer, stop: Integer, step: int = 1, unroll: int = 1) -> Iterator[Any]:
        """``for i in f.range(start, stop, step)`` writes a loop; its body must neither break nor continue.

        A loop that is known to run once or never is not written, and i is then a Python integer.

        Arguments:
            start, stop, step: as Python's range; start and stop may be values.
            unroll: write the body this many times in a row; what is left over gets a loop of its own.
        """
        if isinstance(start, int) and isinstance(stop, int):
            count = max(0, -(-(stop - start) // step))
            whole = count // unroll * unroll
            if whole == unroll:
                yield from (start + i * step for i in range(unroll))
            elif whole:
                yield from self._loop(start, start + whole * step, step, unroll)
            if count > whole:
                yield from self.range(start + whole * step, stop, step)
        elif unroll == 1:
            yield from self._loop(start, stop, step, 1)
        else:
            middle = start + self.larger(stop - start, 0) // (unroll * step) * (unroll * step)
            yield from self._loop(start, middle, step, unroll)
            yield from self._loop(middle, stop, step, 1)

    def _loop(self, start: Integer, stop: Integer, step: int, unroll: int) -> Iterator[Value]:
        before, number = self._block, self._label()
        head, body, after = f"head{number}", f"body{number}", f"after{number}"
        self._jump(head)
        self._begin(head)
        index = Value(self, LONG, self._name())
        place = len(self._lines)
        self.line("")  # the phi, which needs the name of the block at the loop's end
        self._branch(index < stop, body, after)
        self._begin(body)
        for i in range(unroll):
            yield index + i * step
        following = index + step * unroll
        start_text = start.text if isinstance(start, Value) else str(start)
        self._lines[place] = (
            f"  {index.text} = phi i64 [ {start_text}, %{before} ], [ {following.text}, %{self._block} ]"
        )
        self._jump(head)
        self._begin(after)

    def items(self) -> Iterator[Value]:
        """The loop over the items that this call computes."""
        return self.range(self.first, self.last)

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """``with f.when(condition):`` writes code that runs only where the condition (one bit) holds."""
        number = self._label()
        self._branch(condition, f"then{number}", f"end{number}")
        self._begin(f"then{number}")
        yield
        self._jump(f"end{number}")
        self._begin(f"end{number}")

    def _name(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def _label(self) -> int:
        self._count += 1
        return self._count

    def _begin(self, label: str) -> None:
        self._lines.append(f"{label}:")
        self._block = label

    def _jump(self, label: str) -> None:
        self.line(f"br label %{label}")

    def _branch(self, condition: Value, yes: str, no: str) -> None:
        self.line(f"br i1 {condition.text}, label %{yes}, label %{no}")

    # Numbers

    def call(self, intrinsic: str, *operands: Any) -> Value:
        """One of LLVM's intrinsics whose operands and result are of one type, that of the widest operand."""
        kind, values = self._alike(operands)
        name = f"llvm.{intrinsic}.{suffix(kind)}"
        self.declare(f"declare {kind} @{name}({', '.join([str(kind)] * len(values))})")
        return self.emit(kind, f"call {kind} @{name}({', '.join(f'{kind} {v.text}' for v in values)})")

    def _alike(self, operands: Sequence[Any]) -> tuple[Type, list[Value]]:
        """The type of the widest operand, and all as values of it."""
        kind = max((o.type for o in operands if isinstance(o, Value)), key=lambda type: type.lanes)
        return kind, [self.wide(o, kind) for o in operands]

    def wide(self, value: Value | float, type: Type) -> Value:
        """A number or a scalar as a value of ``type``, the same in every lane; a value of that type as it is."""
        if not isinstance(value, Value):
            return self.constant(value, type)
        return value if value.type == type else self.splat(value, type.lanes)

    def fma(self, a: Value | float, b: Value | float, c: Value | float) -> Value:
        """a·b + c, rounded once; where the machine has no instruction for it, the product is rounded, too."""
        if self.target.fused:
            return self.call("fma", a, b, c)
        _, (a, b, c) = self._alike((a, b, c))
        return a * b + c

    def sqrt(self, x: Value) -> Value:
        return self.call("sqrt", x)

    def absolute(self, x: Value) -> Value:
        return self.call("fabs", x)

    def floor(self, x: Value) -> Value:
        return self.call("floor", x)

    def maximum(self, a: Value, b: Value | float) -> Value:
        """The larger; NaN if either is NaN."""
        b = self.wide(b, a.type)
        larger = self.select(a > b, a, b)  # b where either is NaN
        return self.select(a.is_nan(), a, larger)

    def minimum(self, a: Value, b: Value | float) -> Value:
        """The smaller; NaN if either is NaN."""
        b = self.wide(b, a.type)
        smaller = self.select(a < b, a, b)
        return self.select(a.is_nan(), a, smaller)

    def smaller(self, a: Integer, b: Integer) -> Any:
        """The smaller of two integers."""
        if isinstance(a, int) and isinstance(b, int):
            return min(a, b)
        return self.call("smin", a, b)

    def larger(self, a: Integer, b: Integer) -> Any:
        """The larger of two integers."""
        if isinstance(a, int) and isinstance(b, int):
            return max(a, b)
        return self.call("smax", a, b)

    def within(self, index: Integer, size: Integer) -> Any:
        """Whether 0 ≤ index < size: one comparison, as a negative number is a huge one without sign."""
        if isinstance(index, int) and isinstance(size, int):
            return self.constant(0 <= index < size, BIT)
        index = index if isinstance(index, Value) else self.constant(index, LONG)
        return index.compare("ult", "ult", size)

    def select(self, condition: Value, yes: Value | float, no: Value | float) -> Value:
        """``yes`` where the condition holds, else ``no``; lane by lane, or whole where the condition is one bit."""
        like = next(v for v in (yes, no) if isinstance(v, Value))
        if isinstance(yes, Value) and isinstance(no, Value) and no.type.lanes > yes.type.lanes:
            like = no
        yes, no = self.wide(yes, like.type), self.wide(no, like.type)
        return self.emit(
            like.type, f"select {condition.type} {condition.text}, {like.type} {yes.text}, {like.type} {no.text}"
        )

    def choose(self, condition: Value, yes: Pointer, no: Pointer) -> Pointer:
        """One of two addresses."""
        return Pointer(self.select(condition, yes.address(), no.address()), yes.element)

    def convert(self, value: Value, scalar: Type, signed: bool = True) -> Value:
        """The same numbers as another type; floats lose their fraction, bits become 0 and 1."""
        old, new = value.type, scalar.wide(value.type.lanes)
        if old.scalar == new.scalar:
            return value
        bits = {"i1": 1, "i8": 8, "i32": 32, "i64": 64, "i128": 128, "float": 32, "double": 64}
        signed = signed and old.scalar != "i1"
        if old.is_floating and new.is_floating:
            how = "fpext" if bits[new.scalar] > bits[old.scalar] else "fptrunc"
        elif old.is_floating:
            how = "fptosi" if signed else "fptoui"
        elif new.is_floating:
            how = "sitofp" if signed else "uitofp"
        elif bits[new.scalar] < bits[old.scalar]:
            how = "trunc"
        else:
            how = "sext" if signed else "zext"
        return self.emit(new, f"{how} {old} {value.text} to {new}")

    def bits(self, value: Value, scalar: Type) -> Value:
        """The same bits read as numbers of another type of the same size."""
        new = scalar.wide(value.type.lanes)
        return self.emit(new, f"bitcast {value.type} {value.text} to {new}")

    # Lanes

    def splat(self, value: Value, lanes: int) -> Value:
        """The same number in every lane."""
        if lanes == value.type.lanes:
            return value
        kind = value.type.wide(lanes)
        one = self.emit(kind, f"insertelement {kind} poison, {value.type} {value.text}, i64 0")
        return self.shuffle(one, one, [0] * lanes)

    def shuffle(self, a: Value, b: Value, lanes: Sequence[int]) -> Value:
        """Lanes of a and b in any order; those of b are counted on from those of a."""
        mask = f"<{len(lanes)} x i32> <{', '.join(f'i32 {lane}' for lane in lanes)}>"
        return self.emit(a.type.wide(len(lanes)), f"shufflevector {a.type} {a.text}, {b.type} {b.text}, {mask}")

    def lane(self, value: Value, number: Integer) -> Value:
        """The number in one lane."""
        if value.type.lanes == 1:
            return value
        text = number.text if isinstance(number, Value) else str(number)
        return self.emit(value.type.wide(1), f"extractelement {value.type} {value.text}, i64 {text}")

    def transpose(self, rows: Sequence[Value]) -> list[Value]:
        """The columns of a square: as many vectors as each has lanes, a power of two.

        Each round interleaves lanes of the upper half with those of the lower: the bits of (row, lane) rotate by one.
        """
        lanes, half = len(rows), len(rows) // 2
        for _ in range(lanes.bit_length() - 1):
            rows = [
                self.shuffle(above, below, [lane for i in range(first, first + half) for lane in (i, lanes + i)])
                for above, below in zip(rows[:half], rows[half:], strict=True)
                for first in (0, half)
            ]
        return list(rows)

    def pack(self, values: Sequence[Value]) -> Value:
        """A vector from scalars."""
        kind = values[0].type.wide(len(values))
        vector = Value(self, kind, "poison")
        for i, value in enumerate(values):
            vector = self.emit(kind, f"insertelement {kind} {vector.text}, {value.type} {value.text}, i64 {i}")
        return vector

    def first_lanes(self, lanes: int, count: Integer) -> Value:
        """The mask of the first ``count`` lanes."""
        if lanes == 1:
            raise TypeError(f"{self.name}: a single number cannot be masked; load or store it inside when.")
        if isinstance(count, int):
            mask = ", ".join(f"i1 {int(lane < count)}" for lane in range(lanes))
            return Value(self, BIT.wide(lanes), f"<{mask}>")
        return self.lane_numbers(lanes, LONG).compare("ult", "ult", self.splat(count, lanes))

    def fold_lanes(self, value: Value, combine: Callable[[Value, Value], Value]) -> Value:
        """All lanes as one number, halves first: a fixed order, the same on every machine."""
        while value.type.lanes > 2:
            half = value.type.lanes // 2
            value = combine(self.shuffle(value, value, range(half)), self.shuffle(value, value, range(half, 2 * half)))
        return value if value.type.lanes == 1 else combine(self.lane(value, 0), self.lane(value, 1))

    def sum_lanes(self, value: Value) -> Value:
        """The sum of all lanes, in the order of `fold_lanes`."""
        return self.fold_lanes(value, lambda a, b: a + b)

    # Memory

    def copy(self, target: Pointer, source: Pointer, count: Integer) -> None:
        """Copy ``count`` elements."""
        self.declare("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
        size = count * target.element.bytes
        text = size.text if isinstance(size, Value) else str(size)
        self.line(
            f"call void @llvm.memcpy.p0.p0.i64(ptr {target.address().text}, ptr {source.address().text}, "
            f"i64 {text}, i1 false)"
        )

    def prefetch(self, place: Pointer, to_write: bool = False) -> None:
        """Bring a cache line into the cache, to be read or written soon; any address is allowed."""
        self.declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self.line(f"call void @llvm.prefetch.p0(ptr {place.address().text}, i32 {int(to_write)}, i32 2, i32 1)")

    def clear(self, target: Pointer, count: Integer) -> None:
        """Set ``count`` elements to zero."""
        self.declare("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        size = count * target.element.bytes
        text = size.text if isinstance(size, Value) else str(size)
        self.line(f"call void @llvm.memset.p0.i64(ptr {target.address().text}, i8 0, i64 {text}, i1 false)")
