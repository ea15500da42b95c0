"""Models: networks that can be trained, inspected and saved."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.data.drawing import Preprocessing
from striate.data.photo import PhotoPreprocessing
from striate.errors import ArgumentError
from striate.layers.layer import Layer
from striate.models import saving, summary
from striate.models.facts import Facts
from striate.models.formats import suffix_of, writer
from striate.models.reading_facts import find_facts
from striate.models.trainer import Trainer

if TYPE_CHECKING:
    from striate.explain import Explanation, LayerOutput


def _insight(name: str) -> Callable[..., Any]:
    """A function of ``striate.explain``, which is above us, and imported when it is first asked for."""
    found: Callable[..., Any] = getattr(importlib.import_module("striate.explain"), name)
    return found


class Model(Trainer):
    """A network of layers that can be trained, evaluated, inspected and saved.

    Two ways to make one: ``Model(inputs, outputs)`` from symbols that began with `Input`; or a subclass that makes
    its layers in ``__init__`` and defines ``call``.

    Arguments:
        inputs: symbols from `Input`, one or a list.
        outputs: symbols computed from them by layers and operations, one or a list.
        name: shown in summaries and files.

    Raises:
        ArgumentError: there is no input or no output, an output does not come from the inputs, or two layers were given
            the same name.
    """

    #: What was read from a file, or stated; None: what follows from the network as it is.
    _facts: Facts | None = None

    def __init__(self, inputs: Any = None, outputs: Any = None, name: str | None = None, trainable: bool = True):
        super().__init__(inputs, outputs, name, trainable)
        self.classes: tuple[str, ...] = ()
        self.preprocessing: Preprocessing | PhotoPreprocessing | None = None
        self.threshold = 0.0

    def _connect(self, inputs: Any, outputs: Any) -> None:
        super()._connect(inputs, outputs)
        self._facts = None  # what was known of another structure

    @property
    def facts(self) -> Facts:
        """The range of pixels that the network takes, and the scale of its outputs.

        They were decided when its file was opened, or follow from the network as it is. They can be set.
        """
        return self._facts or find_facts(self)

    @facts.setter
    def facts(self, value: Facts) -> None:
        self._facts = value

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        """The outputs for a list of inputs, in the order, layout and types of the file that the model was opened from.

        For a model that was not opened from another program's file, these are its own.

        Arguments:
            inputs: one array for each input.

        Raises:
            ModelError, ShapeError, DataError: the inputs do not fit.
        """
        if self.origin is not None:
            return self.origin.run(inputs)
        outputs = self.predict_on_batch(inputs[0] if len(inputs) == 1 else list(inputs))
        return list(outputs) if isinstance(outputs, list | tuple) else [outputs]

    # Looking inside

    def activations(self, x: Any) -> "list[LayerOutput]":
        """The output of every layer for this input, in order.

        Arguments:
            x: a batch of inputs, as `predict` takes.

        Raises:
            DataError, ShapeError: as `predict`.
        """
        found: list[LayerOutput] = _insight("activations")(self, x)
        return found

    def explain(self, x: Any, layer: str | Layer, index: Sequence[int]) -> "Explanation":
        """The exact sums that one number of a layer's output came from.

        Arguments:
            x: a batch of inputs, as `predict` takes.
            layer: the layer, or its name.
            index: of the number in ``activations(x)``'s values of that layer: the sample first.

        Returns:
            The layer's operations from the last one back, each with its formula, its summands, and the numbers they
            were computed from: for a convolution with ReLU, first the ReLU, then a + b, then Σ x·w. It prints as text.

        Raises:
            ArgumentError: no such layer, or an index outside of its output.
            DataError, ShapeError: as `predict`.

        Examples:
            >>> import numpy as np
            >>> import striate
            >>> model = striate.Sequential([striate.Input((2,)), striate.layers.Dense(1, name="sum")])
            >>> model.set_weights([np.array([[3.0], [4.0]]), np.array([0.5])])
            >>> print(model.explain(np.array([[1.0, 2.0]]), "sum", (0, 0)))
            sum[0, 0] = 11.5
              add[0, 0]: a + b = 11.5
                11   from a[0, 0] 11
                0.5   from b[0] 0.5
              dense[0, 0]: Σ x·w over the features = 11
                3   from x[0, 0] 1 · w[0, 0] 3
                8   from x[0, 1] 2 · w[1, 0] 4
        """
        found: Explanation = _insight("explain")(self, x, layer, index)
        return found

    def receptive_field(self, layer: str | Layer, *position: int) -> tuple[tuple[int, int], ...]:
        """The rectangle of the input that one position of a layer's output depends on.

        Arguments:
            layer: the layer, or its name.
            position: row and column; one integer for each spatial axis of the layer's output.

        Returns:
            (first, last) for each spatial axis of the input, last excluded. Changing the input outside of it leaves
            the value as it is, bit for bit.

        Raises:
            ArgumentError: no such layer, or a position outside of its output.
        """
        name = layer if isinstance(layer, str) else self.names.get(layer, layer.name)
        found: tuple[tuple[int, int], ...] = _insight("receptive_field")(self, name, position)
        return found

    def summary(self, line_length: int | None = None, print_fn: Any = print) -> None:
        """Print the layers with output shapes, parameters, multiply-adds, memory and receptive fields.

        Arguments:
            line_length: columns at most; default: as wide as the table needs.
            print_fn: called once with the whole text.
        """
        print_fn(summary.as_text(summary.summarize(self), line_length))

    # Files

    def save(self, filepath: str | Path, overwrite: bool = True) -> None:
        """Write architecture, preprocessing and weights to one file, atomically.

        What `compile` was given is written too, where it is plain data that the format supports; the optimizer's
        state is not, so a loaded model continues training with a fresh optimizer.

        Arguments:
            filepath: its suffix selects the format. ".safetensors" or none: our own, which holds everything; ".keras":
                Keras 3's; ".h5" or ".hdf5": Keras's older one.
            overwrite: False: refuse to replace a file.

        Raises:
            ArgumentError: there is no format of this suffix.
            ModelError: the architecture cannot be written as data (a subclassed model): use `save_weights`; or Keras
                has no such layer: the message lists all of them.
            FormatError: the file cannot be written.
        """
        saving.save(self, filepath, overwrite)

    def export(self, filepath: str | Path, format: str | None = None, overwrite: bool = True) -> None:
        """Write the model, as it is after training, for other programs: ``model.export("m.onnx")``.

        Arguments:
            filepath: its suffix selects the format. ".onnx": operator set 17, any batch size, and inputs and outputs of
                three and more axes channels-first, as other tools expect (`striate.interop.onnx.write_onnx` can keep
                them channels-last). ".keras", ".h5": as `save`.
            format: the suffix without its dot, such as "onnx"; it must match.
            overwrite: False: refuse to replace a file.

        Raises:
            ArgumentError: there is no format of this suffix, or ``format`` names another.
            ModelError: the shape of the model's input is not known yet, or the format cannot represent something in it.
            FormatError: the file cannot be written.
        """
        if format is not None and f".{format}" != suffix_of(filepath):
            raise ArgumentError(
                f"export: expected a file name that ends in .{format}, the format, got {str(filepath)!r}."
            )
        if write := writer("export", filepath):
            write(self, filepath, overwrite)

    def save_weights(self, filepath: str | Path, overwrite: bool = True) -> None:
        """Write the weights alone, of any model that has seen an input.

        Arguments:
            filepath: ".safetensors" or no suffix: our own format; ".weights.h5": Keras 3's; ".h5" or ".hdf5": Keras's
                older one, which identifies layers by name.
            overwrite: False: refuse to replace a file.

        Raises:
            ArgumentError: there is no format of this suffix.
            ModelError: the model's structure is Python code, and ".h5" needs named layers.
            FormatError: the file cannot be written.
        """
        saving.save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: str | Path) -> None:
        """Read weights that `save` or `save_weights` wrote, ours or Keras's; the format is detected from the content.

        Raises:
            FormatError: the file is damaged, or holds other variables than this model has.
        """
        saving.load_weights(self, filepath)

    def get_config(self) -> dict[str, Any]:
        if type(self) is not Model:
            return super().get_config()
        return saving.graph_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Model":
        return saving.graph_from_config(cls, config) if "nodes" in config else cls(**config)

    def describe(self) -> str:
        return f"A network of {len(self.layers)} layers."
