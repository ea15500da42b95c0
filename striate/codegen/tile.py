"""The heart of convolution: a small product of matrices whose sums stay in registers."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext

from striate.codegen.function import Function
from striate.codegen.target import Target
from striate.codegen.values import Integer, Pointer, Value


class Tile:
    """rows × columns sums, each in a lane of a vector register, to which products of matrices are added.

    Arguments:
        f: the kernel.
        rows: how many.
        columns: how many, in neighbouring lanes of ⌈columns / lanes⌉ vectors.
        lanes: numbers in a vector.
        start: where the sums start: row r begins at ``start + r · start_stride``; default zeros.
        start_stride: elements.
    """

    def __init__(
        self,
        f: Function,
        rows: int,
        columns: int,
        lanes: int,
        start: Pointer | None = None,
        start_stride: Integer = 0,
    ):
        self.f, self.rows, self.columns, self.lanes = f, rows, columns, lanes
        #: For each vector of a row: its first column, and how many of its lanes are columns.
        self.vectors = [(first, min(lanes, columns - first)) for first in range(0, columns, lanes)]
        self._sums = [
            [
                f.accumulator(f.zeros(lanes) if start is None else (start + r * start_stride + c).load(lanes, count))
                for c, count in self.vectors
            ]
            for r in range(rows)
        ]

    def multiply(
        self,
        a: Pointer,
        a_row: Integer | Sequence[int],
        a_step: Integer,
        b: Pointer,
        b_step: Integer,
        depth: Integer,
        *,
        rows: range | None = None,
        unroll: int = 4,
        padded: bool = False,
    ) -> None:
        """sum[r, c] += Σₖ a[r·a_row + k·a_step] · b[k·b_step + c] for k = 0 … depth − 1, in this order.

        Arguments:
            a, b: pointers to the matrices; all strides count elements.
            a_row, a_step: from row to row and from k to k + 1 in ``a``; as ``a_row`` also the place of each row.
            b_step: from k to k + 1 in ``b``.
            depth: how many products are added to each sum.
            rows: of the sums; default all.
            unroll: how often the loop's body is written.
            padded: whether whole vectors may be read from ``b`` also where columns end.
        """
        for k in self.f.range(0, depth, unroll=unroll):
            here, right = a + k * a_step, b + k * b_step
            columns = [(right + c).load(self.lanes, None if padded else count) for c, count in self.vectors]
            for r in range(self.rows) if rows is None else rows:
                row = a_row[r] if isinstance(a_row, Sequence) else r * a_row
                left = self.f.splat((here + row).load(), self.lanes)
                for total, column in zip(self._sums[r], columns, strict=True):
                    total.value = self.f.fma(left, column, total.value)

    def results(self) -> Iterator[tuple[int, int, int, Value]]:
        """(row, first column, lanes that are columns, sums) for each vector."""
        for r, sums in enumerate(self._sums):
            for (first, count), total in zip(self.vectors, sums, strict=True):
                yield r, first, count, total.value


def most_rows(target: Target, vectors: int) -> int:
    """How many rows of ``vectors`` vectors fit the registers, beside one row of the right matrix and one number."""
    return max(1, (target.registers - vectors - 1) // vectors)


def fit(target: Target, rows: int, columns: int, most: int = 8) -> tuple[int, int]:
    """(rows, columns) of the tile that covers a rows × columns result fastest; ``most`` vectors wide at most."""
    all_vectors = -(-columns // target.lanes)

    def cost(wide: int) -> float:
        """Steps of the whole result: multiply-adds, at least as many as their latency hides, and some of the loads."""
        tall = split(rows, most_rows(target, wide))[0][0]
        return -(-rows // tall) * -(-all_vectors // wide) * (max(tall * wide, 8) + (tall + wide) / 4)

    wide = min(range(1, min(most, all_vectors) + 1), key=cost)
    return split(rows, most_rows(target, wide))[0][0], wide * target.lanes


def pieces(f: Function, start: Integer, block: int, size: int, piece: int) -> Iterator[tuple[Integer, int]]:
    """A loop over ``size`` from ``start`` to at most ``start + block``: (first, how many) of each piece.

    The last piece may be smaller; its code is written twice. ``start`` and ``block`` are multiples of ``piece``.
    """
    whole = size // piece * piece
    yield from ((i, piece) for i in f.range(start, f.smaller(start + block, whole), piece))
    if whole < size:
        with nullcontext() if isinstance(start, int) else f.when(start + block > whole):
            yield whole, size - whole


def split(size: int, most: int) -> list[tuple[int, int]]:
    """Cut ``size`` into nearly equal parts of at most ``most``: (part, how many of it), the larger first."""
    parts = -(-size // most)
    larger = -(-size // parts)
    of_larger = size - parts * (larger - 1)
    return [(larger, of_larger), *([(larger - 1, parts - of_larger)] if parts > of_larger else [])]
