"""``striate kernels``: the machine code that computes an operation, or each node of a network."""

from typing import Annotated

import typer

from striate.architectures import ARCHITECTURES
from striate.cli.classifier import open_network
from striate.cli.output import say, say_table
from striate.errors import ArgumentError
from striate.ops.operation import OPERATIONS
from striate.runtime import settings


def kernels(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL|ARCH]", help="Model file or name, or an architecture.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Batch size.")] = 1,
) -> None:
    """List every operation and where its kernels are, or the kernels of a network's prediction."""
    if settings().executor != "native":
        raise ArgumentError("kernels: kernels need the package llvmlite. Install it: pip install llvmlite.")
    if model is None:
        _list_operations()
    else:
        _list_kernels(model, batch)


def _list_operations() -> None:
    from striate.kernels import LOWERINGS, POINTWISE

    rows = []
    for name in sorted(OPERATIONS):
        where = LOWERINGS[name].__module__.replace(".", "/") + ".py" if name in LOWERINGS else "none: reference"
        rows.append((name, where, "yes" if name in POINTWISE else ""))
    say_table(("Operation", "Kernels", "Fused"), rows, left=3)
    say(f"\n{len(LOWERINGS.keys() & OPERATIONS.keys())} of {len(OPERATIONS)} operations have kernels.")


def _list_kernels(model: str, batch: int) -> None:
    from striate.kernels.plan import Launch
    from striate.runtime.native import NativeExecutor

    network = ARCHITECTURES[model].build() if model in ARCHITECTURES else open_network(model)
    executor = NativeExecutor(network.traced(batch), exact=settings().exact, hoist=True)
    rows = []
    for when, parts in (("once", executor.plan.preparation), ("each run", executor.plan.schedule)):
        for part in parts:
            name, shape = (part.node.name, str(part.node.output.shape)) if part.node else ("", "")
            kernel = part.kernel.name if isinstance(part, Launch) else "none: reference"
            rows.append((name, shape, kernel, when))
    say_table(("Operation", "Output", "Kernel", "When"), rows, left=4)
    say(
        f"\n{len(executor.plan.launches)} kernels, {len(executor.without_kernel)} operations on the reference, "
        f"{executor.arena_bytes / 2**20:.1f} MiB between inputs and outputs."
    )
