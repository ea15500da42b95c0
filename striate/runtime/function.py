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

_FLOAT32 = np.dtype(np.float32)


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
        arrays, nested = as_arrays(inputs)
        key = (signature(nested), settings())
        runner, result = self._compiled.get(key, lambda: self._compile(symbols_for(nested)))
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
    """The arrays in nested lists and dictionaries, in order, and nested as they were.

    Raises:
        DataError: something other than numbers is among them.
    """
    arrays: list[Array] = []
    return arrays, _collect(value, arrays)


def _collect(value: Any, arrays: list[Array]) -> Any:
    if not isinstance(value, np.ndarray):
        if isinstance(value, dict):
            return {name: _collect(item, arrays) for name, item in value.items()}
        if isinstance(value, list | tuple) and (
            not value or any(hasattr(one, "shape") or _nests(one) for one in value)
        ):
            return [_collect(item, arrays) for item in value]
        value = np.asarray(value)
    if value.dtype.kind not in "fiub":
        raise DataError(f"expected arrays of numbers, got an array of {value.dtype}: {value!r}.")
    arrays.append(value)
    return value


def _nests(value: Any) -> bool:
    """Whether a list or dictionary holds arrays; a list of numbers is an array itself."""
    return isinstance(value, dict) or (
        isinstance(value, list | tuple) and any(hasattr(one, "shape") or _nests(one) for one in value)
    )


def signature(nested: Any) -> Hashable:
    """The key by which traces of a function are kept: nesting, shapes and types of its inputs."""
    if isinstance(nested, dict):
        return tuple((name, signature(item)) for name, item in nested.items())
    if isinstance(nested, list):
        return tuple(map(signature, nested))
    return nested.shape, _computed_in(nested.dtype)


def symbols_for(nested: Any) -> Any:
    """Symbols in place of arrays."""
    if isinstance(nested, dict):
        return {name: symbols_for(item) for name, item in nested.items()}
    if isinstance(nested, list):
        return list(map(symbols_for, nested))
    return Tensor(nested.shape, _computed_in(nested.dtype), name="x")


def _computed_in(dtype: Any) -> Any:
    """Floating-point numbers are computed in float32; integers and booleans stay what they are."""
    return _FLOAT32 if dtype.kind == "f" else dtype


def filled(result: Any, arrays: Sequence[Array]) -> Any:
    """The nesting of a function's results with arrays in place of its symbols, which are in the same order."""
    each = iter(arrays)
    return map_tensors(result, lambda _: next(each))
