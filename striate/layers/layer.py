"""What a layer is: operations plus the variables they need."""

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from striate.configurable import ConstructorSignature, signature_of, snake_case
from striate.errors import ArgumentError, ModelError, ShapeError, StriateError
from striate.graph import Array, Node, Shape, Tensor, Variable, active_trace, probe
from striate.graph.graph import Call
from striate.graph.tensor import map_tensors, tensors_in
from striate.layers import initializers, regularizers
from striate.layers.activations import NAMES

#: Every layer class of this library by name: what a model file may name.
LAYERS: dict[str, type["Layer"]] = {}

#: The ``training`` argument of the layer that is being called: the default of layers inside it.
_TRAINING: ContextVar[bool | None] = ContextVar("training", default=None)

#: Where `Layer.add_weight` takes values from while a model file is read; None: from the initializer.
WEIGHT_SOURCE: ContextVar[Callable[[Shape], Array] | None] = ContextVar("weight_source", default=None)


class Layer:
    """Base of all layers; calling one on arrays computes, calling it on symbols extends a network.

    A subclass defines ``build(input_shape)``, which makes its variables with `add_weight`, and ``call(inputs)``, which
    computes with ``striate.ops``; ``call`` may take ``training``. Input shapes have None for the batch size.

    Arguments:
        name: shown in summaries and files; default: the class in snake case, made unique within a model.
        trainable: whether training changes this layer's variables.
        dtype: only "float32"; accepted for compatibility with Keras.
        input_shape: of one sample; lets the first layer of a `Sequential` stand for its `Input`.
        input_dim: the same for samples of one axis: ``input_dim=8`` is ``input_shape=(8,)``.
    """

    _given: dict[str, Any]
    __signature__ = ConstructorSignature()  # the one of ``__new__`` would hide it

    def __new__(cls, *args: Any, **kwargs: Any) -> "Layer":
        layer = super().__new__(cls)
        # The constructor's arguments are the layer's configuration: no layer has to repeat them.
        bound = signature_of(cls.__init__).bind(layer, *args, **kwargs)
        given = dict(list(bound.arguments.items())[1:])
        layer._given = {**{k: v for k, v in given.items() if k != "kwargs"}, **given.get("kwargs", {})}
        return layer

    def __init_subclass__(cls, abstract: bool = False, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith("striate.") and not cls.__name__.startswith("_") and not abstract:
            LAYERS[cls.__name__] = cls

    #: How often the parts of any layer in this process changed: its layers, its variables, or what is trained.
    changes = 0

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_trainable" or isinstance(value, Layer | Variable | list | tuple | dict):
            Layer.changes += 1
        super().__setattr__(name, value)

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = "float32",
        input_shape: Any = None,
        input_dim: int | None = None,
    ):
        if dtype is not None and np.dtype(dtype) != np.float32:
            raise ArgumentError(f"{type(self).__name__}: expected dtype float32, got {dtype!r}.")
        if name is not None and not isinstance(name, str):
            raise ArgumentError(f"{type(self).__name__}: expected name as text, got {name!r}.")
        self.name_given = name is not None
        self.name_settled = False  # a model makes names unique when it takes its layers in, once
        self.name = name or snake_case(type(self).__name__)
        self._trainable = trainable
        self.built = False
        self.given_input_shape = input_shape if input_dim is None else (input_dim,)
        self.input_shape: Any = None
        self.nodes: list[Node] = []
        self._weights: list[Variable] = []
        self._losses: list[Any] = []

    # What a subclass defines

    def build(self, input_shape: Any) -> None:
        """Make the variables, now that the input's shape is known."""

    def call(self, inputs: Any) -> Any:
        """Compute the layer's output with operations."""
        raise NotImplementedError(f"{type(self).__name__}: define call(self, inputs).")

    def describe(self) -> str:
        """One plain sentence that says what the layer does."""
        return f"{type(self).__name__}."

    # Calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        symbols = [tensor for tensor in tensors_in((args, kwargs)) if tensor.value is None]
        # To undo a failed first call, so that the layer can be built for another input.
        before = None if self.built else {**vars(self), "_weights": [*self._weights]}
        try:
            if symbols and active_trace() is None:
                return self.extend(args, kwargs)
            return self._compute(args, kwargs)
        except StriateError as error:
            if not hasattr(error, "layer"):
                error.layer = self.name  # type: ignore[attr-defined]
                error.args = (f"layer {self.name}: {error}",)
            if before is not None:
                self.__dict__ = before
            raise

    def extend(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Become a node of the network that is being built; what calling a layer on symbols does."""
        result = probe(self, args, kwargs)
        node = Node(self, args, kwargs)
        result = map_tensors(result, lambda tensor: Tensor(tensor.shape, tensor.dtype, node, self.name))
        node.outputs = tuple(tensors_in(result))
        self.nodes.append(node)
        return result

    def _compute(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        args = tuple(_as_arrays(value) for value in args)
        if not self.built:
            self.input_shape = _shapes(args[0]) if args else None
            self.build(self.input_shape)
            self.built = True
        scope = active_trace()
        if scope is None and _TRAINING.get() is None:  # nothing has called this layer: a new pass begins
            for layer in (self, *self._layers_within()):
                layer._losses.clear()
        training = kwargs.pop("training", None)
        if training is None:  # then as the layer that calls this one, or as the trace
            training = _TRAINING.get() if _TRAINING.get() is not None else scope is not None and scope.training
        if "training" in signature_of(type(self).call).parameters:
            kwargs["training"] = training
        token = _TRAINING.set(training)
        try:
            result = self.call(*args, **kwargs)
        finally:
            _TRAINING.reset(token)
        if scope is not None:
            scope.calls.append(Call(self, tensors_in(args), tensors_in(result)))
        return result

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The output's shape for an input's, None being the batch size; the layer is built if it was not."""
        if input_shape and isinstance(input_shape[0], tuple | list):
            symbols: Any = [Tensor(tuple(shape)) for shape in input_shape]
        else:
            symbols = Tensor(tuple(input_shape))
        return map_tensors(probe(self, (symbols,), {}), lambda tensor: tensor.shape)

    # Variables

    @property
    def trainable(self) -> bool:
        """Whether training changes this layer's variables; setting it sets it for all layers in this one as well."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for layer in self.sublayers():
            layer.trainable = value

    def add_weight(
        self,
        shape: Shape | None = None,
        initializer: Any = "glorot_uniform",
        name: str = "weight",
        trainable: bool = True,
        regularizer: Any = None,
        dtype: Any = "float32",
    ) -> Variable:
        """Make a variable of this layer.

        Arguments:
            shape: its shape; default a scalar.
            initializer: a name such as "he_normal", or a function of a shape.
            name: such as "kernel".
            trainable: whether training changes it.
            regularizer: a name such as "l2", or a function whose result is added to the loss.
        """
        source = WEIGHT_SOURCE.get()
        size = tuple(shape or ())
        value = source(size) if source else initializers.get(initializer)(size, dtype)
        variable = Variable(value, name, trainable, regularizers.get(regularizer), copy=not source)
        self._weights.append(variable)
        Layer.changes += 1
        return variable

    def sublayers(self) -> Iterator["Layer"]:
        """The layers among this layer's attributes, also in lists and dictionaries, each once."""
        seen: set[int] = set()
        stack: list[Any] = list(vars(self).values())[::-1]
        while stack:
            value = stack.pop()
            if isinstance(value, Layer):
                if id(value) not in seen:
                    seen.add(id(value))
                    yield value
            elif isinstance(value, list | tuple):
                stack.extend(reversed(value))
            elif isinstance(value, dict):
                stack.extend(reversed(list(value.values())))

    @property
    def weights(self) -> list[Variable]:
        """This layer's variables in the order made, trainable ones first, then those of its sublayers; each once."""
        found = [*self._weights, *(v for v in vars(self).values() if isinstance(v, Variable))]
        own = sorted(found, key=lambda v: not v.trainable)
        return list(dict.fromkeys([*own, *(v for layer in self.sublayers() for v in layer.weights)]))

    @property
    def trainable_weights(self) -> list[Variable]:
        """The variables that training changes."""
        if not self.trainable:
            return []
        inner = [layer.trainable_weights for layer in self.sublayers()]
        below = {v for layer in self.sublayers() for v in layer.weights}
        own = [v for v in self.weights if v.trainable and v not in below]
        return list(dict.fromkeys([*own, *(v for some in inner for v in some)]))

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The variables that training leaves alone, such as running statistics."""
        trainable = set(self.trainable_weights)
        return [v for v in self.weights if v not in trainable]

    variables = weights
    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights

    def add_loss(self, loss: Any) -> None:
        """Add a scalar, computed in `call` with operations, to `losses`, and so to the loss that training minimises."""
        scope = active_trace()
        (self._losses if scope is None else scope.losses.setdefault(self, [])).append(loss)

    @property
    def losses(self) -> list[Any]:
        """What this layer and those in it add to a loss: what `add_loss` was given in the last call, and penalties.

        In a training step, the symbols of that step; ``fit`` adds them to the loss that `compile` was given.
        """
        scope = active_trace()
        parts = [self, *self._layers_within()]
        given = [loss for layer in parts for loss in (layer._losses if scope is None else scope.losses.get(layer, ()))]
        return given + [v.regularizer(v) for v in self.trainable_weights if v.regularizer]

    def _layers_within(self) -> list["Layer"]:
        """The layers in this one, and those in them, each once."""
        found: dict[Layer, None] = {}
        for layer in self.sublayers():
            found |= dict.fromkeys([layer, *layer._layers_within()])
        return list(found)

    def count_params(self) -> int:
        """The number of parameters: the total size of all variables."""
        return sum(v.array.size for v in self.weights)

    def get_weights(self) -> list[Array]:
        """Copies of all variables' values, in the order of `weights`."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights: list[Any]) -> None:
        """Replace all variables' values.

        Raises:
            ShapeError: the wrong number of arrays, or an array of the wrong shape; nothing is changed then.
        """
        variables = self.weights
        shapes = [np.shape(value) for value in weights]
        if shapes != [v.shape for v in variables]:
            raise ShapeError(
                f"{self.name}: expected {len(variables)} arrays of shapes {[v.shape for v in variables]}, got "
                f"{len(shapes)} of shapes {shapes}."
            )
        for variable, value in zip(variables, weights, strict=True):
            variable.assign(value)

    # Places in a network

    @property
    def output(self) -> Any:
        """The symbol this layer returned when it was called in a network.

        Raises:
            ModelError: it was not called on symbols, or more than once.
        """
        if len(self.nodes) != 1:
            raise ModelError(f"{self.name}: is used {len(self.nodes)} times in a network; expected 1.")
        outputs = self.nodes[0].outputs
        return outputs[0] if len(outputs) == 1 else list(outputs)

    @property
    def input(self) -> Any:
        """The symbol this layer was called on in a network; raises as `output` does."""
        if len(self.nodes) != 1:
            raise ModelError(f"{self.name}: is used {len(self.nodes)} times in a network; expected 1.")
        inputs = self.nodes[0].inputs
        return inputs[0] if len(inputs) == 1 else inputs

    # Configuration

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as plain data, from which `from_config` makes an equal layer."""
        config = {**{name: serialize(value) for name, value in self._given.items()}, "name": self.name}
        if self.trainable != config.get("trainable", True):
            config["trainable"] = self.trainable  # it was changed later, as when a network's first layers are frozen
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Layer":
        """A layer, without variables yet, from what `get_config` gave."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


def serialize(value: Any) -> Any:
    """A constructor's argument as plain data for JSON.

    Raises:
        ModelError: it has no such form, such as a user's function.
    """
    if isinstance(value, Layer) or hasattr(value, "get_config"):
        return {"class_name": type(value).__name__, "config": serialize(value.get_config())}
    if isinstance(value, dict):
        return {name: serialize(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [serialize(item) for item in value]
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    for function, name in NAMES.items():
        if function is value:
            return name
    raise ModelError(f"save: {value!r} cannot be written as plain data, and a model file holds nothing else.")


def _shapes(value: Any) -> Any:
    """The shape of a tensor or array with None for the batch size; a list or dictionary of them for such."""
    if isinstance(value, dict):
        return {name: _shapes(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shapes(item) for item in value]
    return (None, *tuple(value.shape)[1:])


def _as_arrays(value: Any) -> Any:
    """Plain numbers and lists of numbers as arrays; tensors, variables and lists or dictionaries of them unchanged."""
    if isinstance(value, dict):
        return {name: _as_arrays(item) for name, item in value.items()}
    if isinstance(value, list | tuple) and any(hasattr(item, "shape") for item in value):
        return [_as_arrays(item) for item in value]
    return value if hasattr(value, "shape") else np.asarray(value, np.float32)
