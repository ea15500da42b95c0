"""Writing ONNX: a model becomes the file that other tools run.

**What is written** is the graph of operations that an executor would run, traced for inference, not the layers: so
every layer can be written, even a custom one, and there is one small function for each operation.
Sizes in that graph are numbers, the batch's too; so it is traced at two batch sizes, and what differs between the two
depends on the batch size, which is N in the file. Operations on weights and constants alone are computed at export.

**Names**: a node is called after its layer and operator (``conv2d/Conv``), an array after its variable
(``conv2d/kernel``), so that a viewer shows the network as its author knows it.

**Layout**: our arrays are channels-last, ONNX's operators channels-first. Each value is carried with the order of its
axes, and a Transpose is written only where an operator needs another order than its input has: none at all in a usual
CNN whose file takes N, C, H, W, which is the default. Weights are transposed once, at export, and not whenever the
file is run; so are the rows of a dense layer that follows a `Flatten`.

**Version**: operator set 17, of 2022 and IR version 8: the first with LayerNormalization, and old enough for every tool
in use. What later sets added (Gelu, Mish, GroupNormalization, AveragePool with dilation) is built from older operators.

One file for each family: `windows`, `elementwise`, `normalization`, `shapes`, `reductions`, `resampling`; `writer` is
what they write to, and `network` goes through the graph.

Source: https://onnx.ai/onnx/operators
"""

from pathlib import Path

from striate.data.files import write_atomically
from striate.errors import FormatError
from striate.models import Model

__all__ = ["write_onnx"]


def write_onnx(model: Model, filepath: str | Path, overwrite: bool = True, channels_last: bool = False) -> None:
    """Write a model as an ONNX file, atomically: operator set 17, for inference, for any batch size.

    Preprocessing, class names, threshold and facts are written as metadata (JSON under ``striate.preprocessing``,
    ``striate.classes``, ``striate.threshold`` and ``striate.facts``), which other tools ignore.

    Arguments:
        model: any model that has seen an input; its structure is traced.
        filepath: the content is ONNX whatever the suffix; ".onnx" is usual.
        overwrite: False: refuse to replace a file.
        channels_last: whether inputs and outputs of three and more axes are as in this library, (N, *size, C); default
            False: N, C, *size, as other tools expect.

    Raises:
        ModelError: the shape of its input is not known yet; or parts of it cannot be written: all reasons are listed.
        FormatError: the file cannot be written.
    """
    path = Path(filepath)
    if not overwrite and path.exists():
        raise FormatError(f"export: {path} exists already; give overwrite=True to replace it.")
    from striate.interop.onnx.export.network import as_message  # here: a start without an export needs none of this

    write_atomically(path, as_message(model, channels_last).encode(), "export")
