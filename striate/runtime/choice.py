"""Which executor runs graphs in this process."""

import functools
import importlib.util
import os
import struct
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, Union, cast

import numpy as np

from striate.errors import ArgumentError
from striate.graph import Graph
from striate.runtime.reference import ReferenceExecutor

if TYPE_CHECKING:
    from striate.runtime.native import NativeExecutor
    from striate.runtime.slices import PiecedExecutor, SlicedExecutor

#: What runs a whole graph at once, and what may run it in slices.
WholeExecutor: TypeAlias = Union[ReferenceExecutor, "NativeExecutor"]
Executor: TypeAlias = Union[ReferenceExecutor, "NativeExecutor", "SlicedExecutor", "PiecedExecutor"]


class Settings(NamedTuple):
    """How graphs are run.

    Arguments:
        executor: "native" or "reference".
        exact: whether the native executor uses only kernels whose error is that of direct summation.
        tuning: the file that records how convolutions are computed; None: a model of their cost decides.
    """

    executor: str
    exact: bool = False
    tuning: str | None = None


def _find_llvm() -> bool:
    try:
        return importlib.util.find_spec("llvmlite") is not None
    except ImportError:
        return False


_settings = Settings("native" if _find_llvm() else "reference")


@functools.cache
def _why_not_native() -> str:
    """Why machine code cannot run in this process, with the fix; empty if it can. This loads LLVM."""
    if struct.calcsize("P") != 8:
        return "needs a 64-bit Python. Install one from https://www.python.org."
    if not _find_llvm():
        return "needs the package llvmlite. Install it: pip install llvmlite."
    try:
        from striate.codegen import host, llvm

        llvm.binding()
        host()
    except (ImportError, OSError, RuntimeError) as error:
        return f"needs the package llvmlite, which does not load here: {error}"
    return ""


def settings() -> Settings:
    """How graphs are run from now on."""
    return _settings


def set_executor(name: str) -> None:
    """Choose the executor of networks.

    Arguments:
        name: "native", machine code written for each network, the default where llvmlite is installed; or "reference",
            NumPy, operation by operation: the definition, slower.

    Raises:
        ArgumentError: an unknown name, or "native" where llvmlite is missing or does not load.
    """
    global _settings  # noqa: PLW0603
    if name not in ("native", "reference"):
        raise ArgumentError(f"set_executor: expected 'native' or 'reference', got {name!r}.")
    if name == "native" and (reason := _why_not_native()):
        raise ArgumentError(f"set_executor: 'native' {reason}")
    _settings = _settings._replace(executor=name)


def set_exact(exact: bool) -> None:
    """Choose whether results must be as accurate as direct summation.

    Faster algorithms (Winograd, FFT) add rounding errors about four times as large, still near 10⁻⁶ of the result.

    Arguments:
        exact: True: never use them; False: use them where they are faster, the default.
    """
    global _settings  # noqa: PLW0603
    _settings = _settings._replace(exact=bool(exact))


def set_tuning(path: str | os.PathLike[str] | None) -> None:
    """Choose whether the ways to compute convolutions are chosen by measurement.

    By default they follow from shapes and CPU alone, so that the same program gives the same bits. Measuring may find a
    faster way, which may give other bits; so the ways found are recorded, and recorded ones are not measured again.

    Arguments:
        path: the file that records them, created if missing; None: do not measure, the default.
    """
    global _settings  # noqa: PLW0603
    _settings = _settings._replace(tuning=None if path is None else os.fspath(path))


def executor(graph: Graph, *, training: bool = False) -> WholeExecutor:
    """The executor of a graph, by this process's settings; a graph that computes in float64 runs on the reference.

    Arguments:
        graph: what to run.
        training: whether variables change from run to run.
    """
    if _runs_on_reference(graph):
        return ReferenceExecutor(graph)
    from striate.runtime.native import NativeExecutor

    exact, hoist, choices = _settings.exact, not training, None
    if _settings.tuning is not None:
        from striate.runtime import tuning

        choices = tuning.choices(graph, _settings.tuning, exact=exact, hoist=hoist)
    return NativeExecutor(graph, exact=exact, hoist=hoist, choices=choices)


def _runs_on_reference(graph: Graph) -> bool:
    tensors = [*graph.inputs, *graph.variables.values(), *graph.outputs]
    double = any(tensor.dtype == np.float64 for tensor in tensors) or any(
        variable.dtype != np.float32 for variable in graph.variables
    )
    return _settings.executor == "reference" or double or _falls_back()


def _falls_back() -> bool:
    """Whether machine code cannot run in this process; then this says so once, and the reference is the choice."""
    global _settings  # noqa: PLW0603
    if reason := _why_not_native():
        warnings.warn(f"Networks run on the reference executor, which is slower: 'native' {reason}", stacklevel=2)
        _settings = _settings._replace(executor="reference")
    return bool(reason)


def predicting_executor(traced: Callable[[int], Graph], samples: int, piece: Callable[[int], Any]) -> Executor:
    """The executor of a prediction, by this process's settings: a large batch is computed a part at a time.

    Arguments:
        traced: the graph for a number of samples.
        samples: how many there are.
        piece: what runs a prediction for fewer samples.
    """
    graph = traced(samples)
    if _runs_on_reference(graph):
        return executor(graph)
    from striate.runtime.slices import PiecedExecutor, SlicedExecutor, pieces, stages

    if sizes := pieces(graph):
        return PiecedExecutor(graph, [(size, piece(size)) for size in sizes])
    parts = stages(graph, traced)
    if parts == [graph]:
        return executor(graph)
    return SlicedExecutor(graph, [cast("NativeExecutor", executor(part)) for part in parts])
