"""Functions of symbols as functions of arrays: traced and compiled once for each combination of shapes."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from striate.errors import DataError
from striate.graph import Array, Tensor, Trace
from striate.graph.tensor import map_tensors, tensors_in
from striate.random import get_seed, next_run
from striate.runtime.budget import ExecutorCache
from striate.runtime.choice import WholeExecutor, executor, settings


class Function:
    """A function of symbols, called with arrays.

    Arguments:
        function: computes with operations and layers only; takes symbols, nested like the arrays of a call, and returns
            symbols in nested lists and dictionaries.

    Variables are read at each call. Random numbers, such as those of a dropout that is always on, differ from call to
    call.
    """

    def __init__(self, function: Callable[..., Any]):
        self.function = function
        self._compiled = ExecutorCache()

    def __call__(self, *inputs: Any) -> Any:
        """The results for these arrays, in the nesting that the function returns."""
        arrays, symbols = as_arrays(inputs)
        key = (signature(symbols), settings())
        runner, result = self._compiled.get(key, lambda: self._compile(symbols))
        step = 0 if runner.graph.random is None else next_run()
        return filled(result, runner.run(arrays, get_seed(), step))

    @property
    def executors(self) -> list[WholeExecutor]:
        """The executors, one for each combination of shapes so far."""
        return [runner for runner, _ in self._compiled.values()]

    def forget(self) -> None:
        """Forget all traces: something that the function calls has changed."""
        self._compiled.clear()

    def _compile(self, symbols: Any) -> tuple[WholeExecutor, Any]:
        with Trace().recording() as scope:
            result = self.function(*symbols)
            graph = scope.graph(tensors_in(symbols), tensors_in(result))
        return executor(graph), result


def as_arrays(value: Any) -> tuple[list[Array], Any]:
    """The arrays in nested lists and dictionaries, in order, and the same nesting of symbols for them.

    Floating-point numbers are computed in float32; integers and booleans stay what they are.

    Raises:
        DataError: something other than numbers is among them.
    """
    if isinstance(value, dict):
        parts = {name: as_arrays(item) for name, item in value.items()}
        nested: Any = {name: symbols for name, (_, symbols) in parts.items()}
        return [array for arrays, _ in parts.values() for array in arrays], nested
    if isinstance(value, list | tuple) and (not value or any(hasattr(one, "shape") or _nests(one) for one in value)):
        listed = [as_arrays(item) for item in value]
        return [array for arrays, _ in listed for array in arrays], [symbols for _, symbols in listed]
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise DataError(f"expected arrays of numbers, got an array of {array.dtype}: {value!r}.")
    return [array], Tensor(array.shape, np.float32 if array.dtype.kind == "f" else array.dtype, name="x")


def _nests(value: Any) -> bool:
    """Whether a list or dictionary holds arrays; a list of numbers is an array itself."""
    return isinstance(value, dict) or (
        isinstance(value, list | tuple) and any(hasattr(one, "shape") or _nests(one) for one in value)
    )


def signature(symbols: Any) -> Hashable:
    """The key by which traces of a function are kept: nesting, shapes and types of its inputs."""
    if isinstance(symbols, dict):
        return tuple((name, signature(item)) for name, item in symbols.items())
    if isinstance(symbols, list):
        return tuple(map(signature, symbols))
    return symbols.shape, symbols.dtype


def filled(result: Any, arrays: Sequence[Array]) -> Any:
    """The nesting of a function's results with arrays in place of its symbols, which are in the same order."""
    each = iter(arrays)
    return map_tensors(result, lambda _: next(each))
