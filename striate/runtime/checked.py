"""The native executor's debug mode: every buffer between guards, and filled with NaN before anything is written."""

import ctypes
from collections.abc import Sequence

import numpy as np

from striate.codegen import compiler, host
from striate.codegen.values import element
from striate.errors import KernelError
from striate.graph import Array, Graph
from striate.kernels import Buffer, Launch, make_plan
from striate.ops.operation import known_shape
from striate.runtime.reference import check_inputs

GUARD = 128  # bytes on each side
PATTERN = 0xFF  # of guards and of what is not written yet; as a float it is NaN

_Function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)


class CheckedExecutor:
    """Runs a graph's kernels one by one and finds those that write where they must not, or read what was never written.

    Items are computed in a random order, one call for each few of them, as a team of threads might; arrays lie at
    addresses that are multiples of the size of their numbers, and of nothing larger.

    Arguments:
        graph: what to run.
        exact, fuse: see `striate.runtime.native.NativeExecutor`.
    """

    def __init__(self, graph: Graph, *, exact: bool = False, fuse: bool = True):
        self.graph = graph
        self.plan = make_plan(graph, host(), exact=exact, fuse=fuse)

    def run(self, inputs: Sequence[Array], seed: int = 0, step: int = 0) -> list[Array]:
        """The values of the graph's outputs; variables keep their values.

        Raises:
            ShapeError: the inputs do not fit.
            KernelError: a kernel wrote outside its buffers.
        """
        graph, plan = self.graph, self.plan
        check_inputs(graph, inputs)
        given: dict[str, Sequence[Array]] = {
            "input": inputs,
            "constant": plan.constants,
            "variable": [variable.array for variable in plan.variables],
            "random": [np.array([seed, step], np.uint64)],
            "output": [np.zeros(known_shape(tensor), tensor.dtype) for tensor in graph.outputs],
        }
        places: dict[object, _Guarded] = {}

        def place(buffer: Buffer) -> _Guarded:
            key = buffer if buffer.home in ("arena", "kept") else (buffer.home, buffer.number)
            if key not in places:
                places[key] = _Guarded(buffer.bytes, np.dtype(buffer.dtype).itemsize)
                if buffer.home not in ("arena", "kept", "output"):
                    array = np.ascontiguousarray(given[buffer.home][buffer.number], buffer.dtype)
                    places[key].bytes[:] = array.reshape(-1).view(np.uint8)
            return places[key]

        order = np.random.default_rng(seed)
        with np.errstate(all="ignore"):
            for part in (*plan.preparation, *plan.schedule):
                if isinstance(part, Launch):
                    _launch(part, [place(buffer) for buffer in part.buffers], order)
                else:
                    arrays = [
                        place(buffer).array(known_shape(tensor), buffer.dtype)
                        for buffer, tensor in zip(part.inputs, part.node.inputs, strict=True)
                    ]
                    result = part.node.operation.forward(*arrays, **part.node.attributes)
                    place(part.output).array(result.shape, part.output.dtype)[...] = result
        return [
            places["output", i].array(known_shape(tensor), tensor.dtype) if ("output", i) in places else array
            for i, (tensor, array) in enumerate(zip(graph.outputs, given["output"], strict=True))
        ]


class _Guarded:
    """Memory between guards, off the alignment of vectors by the size of one number."""

    def __init__(self, size: int, number: int):
        whole = np.full(size + 2 * GUARD + 64, PATTERN, np.uint8)
        start = -whole.ctypes.data % 64 + GUARD + number
        self.bytes = whole[start : start + size]
        self._guards = whole[:start], whole[start + size :]
        self.address = whole.ctypes.data + start

    def array(self, shape: tuple[int, ...], dtype: object) -> Array:
        return self.bytes.view(dtype).reshape(shape)  # type: ignore[call-overload, no-any-return]

    def is_intact(self) -> bool:
        return all(bool((guard == PATTERN).all()) for guard in self._guards)


def _launch(launch: Launch, places: list[_Guarded], order: np.random.Generator) -> None:
    code = launch.kernel.code(host(), tuple(element(b.dtype) for b in launch.buffers), launch.settings)
    loaded = compiler.addresses([code])
    function = _Function(loaded[code.symbol])
    table = np.array([place.address for place in places], np.uint64)
    scratch = _Guarded(launch.scratch, 8)
    starts = range(0, launch.items, max(launch.grain, -(-launch.items // 16)))
    for first in order.permutation(starts):
        scratch.bytes[:] = PATTERN
        last = min(int(first) + starts.step, launch.items)
        function(table.ctypes.data, int(first), last, scratch.address)
    for number, place in enumerate([*places, scratch]):
        if not place.is_intact():
            what = f"buffer {number} of {launch.buffers[number].shape}" if number < len(places) else "its scratch"
            where = f"for {launch.node}, {dict(launch.settings)}"
            raise KernelError(f"{launch.kernel.name}: wrote outside {what}, {where}.")
