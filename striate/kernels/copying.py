"""Moving numbers: copies, and operations that only give the same numbers another shape."""

from striate.codegen import Function, Pointer, kernel
from striate.graph import Node
from striate.kernels.plan import Buffer, Plan, lowers
from striate.ops.casting import CAST
from striate.ops.shape import RESHAPE

BLOCK = 16384  # numbers in one item


@kernel
def copy_numbers(f: Function, x: Pointer, y: Pointer, *, size: int) -> None:
    """y = x."""
    for item in f.items():
        start = item * BLOCK
        f.copy(y + start, x + start, f.smaller(BLOCK, size - start))


@kernel
def convert_numbers(f: Function, x: Pointer, y: Pointer, *, size: int) -> None:
    """y = x as numbers of y's type."""
    for item in f.items():
        for i in f.range(item * BLOCK, f.smaller(item * BLOCK + BLOCK, size)):
            (y + i).store(f.convert(x[i], y.element))


def copy(plan: Plan, x: Buffer, y: Buffer) -> None:
    """Copy one buffer to another of the same size."""
    how = copy_numbers if x.dtype == y.dtype else convert_numbers
    plan.launch(how, x, y, items=-(-x.size // BLOCK), size=x.size)


@lowers(RESHAPE)
def lower_reshape(plan: Plan, node: Node) -> None:
    plan.alias(node.output, plan.read(node.inputs[0]))


@lowers(CAST)
def lower_cast(plan: Plan, node: Node) -> bool | None:
    """To floats; for integers NumPy decides what NaN and too large numbers become, and `copy` handles signs."""
    if node.output.dtype.kind != "f" or node.inputs[0].dtype.kind not in "fi":
        return False
    copy(plan, plan.read(node.inputs[0]), plan.write(node.output))
    return None
