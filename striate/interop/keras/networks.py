"""Keras's networks as ours: sequences, graphs, and networks within networks."""

from graphlib import CycleError
from typing import Any

from striate.errors import StriateError
from striate.graph import Shape
from striate.interop.keras.calls import Calls, parse_call
from striate.interop.keras.layer_configs import GIVE_IT, input_shape, layer_from
from striate.interop.keras.objects import RefusedError, parse_object, shown
from striate.interop.keras.operations import is_operation, operation_from
from striate.layers import Input, InputLayer
from striate.layers.layer import Layer
from striate.models import Model, Sequential

NETWORKS = ("Sequential", "Functional", "Model")
#: Calls of layers, those within inner networks counted at each call of these; the largest known networks have 1,100.
MAX_CALLS = 2000


class Builder:
    """Makes a network from its description, and keeps what cannot be made.

    Arguments:
        legacy: whether the file is older than Keras 3.

    Attributes:
        reasons: why the network cannot be opened, as many as were found.
        order: for each network made, its layers in the order of the file.
    """

    def __init__(self, legacy: bool):
        self.legacy = legacy
        self.reasons: list[str] = []
        self.order: dict[Layer, list[Layer]] = {}
        self._calls = 0
        self._sizes: dict[Layer, int] = {}  # how many calls a network consists of

    def network(self, description: Any, sizes: Shape | None = None) -> Model | None:
        """The network; None where there are reasons against it.

        Arguments:
            description: as the file has it.
            sizes: of one sample of its first input; default: as the description says.
        """
        try:
            return self._network(description if sizes is None else _sized(description, sizes))
        except RefusedError as refused:
            self.reasons.append(str(refused))
        except StriateError as error:
            self.reasons.append(str(error).rstrip("."))
        except CycleError:
            self.reasons.append("its layers depend on one another in a cycle")
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError) as error:
            self.reasons.append(f"its configuration is damaged: {type(error).__name__}: {error}")
        return None

    def _network(self, description: Any) -> Model | None:
        name, config = parse_object(description)
        if name not in NETWORKS:
            raise RefusedError(f"expected a Sequential or functional model, got {shown(name)}")
        if isinstance(config, list):  # as the first versions wrote a Sequential
            config = {"layers": config}
        layers = self._layers(config["layers"])
        if layers is None:
            return None
        make = self._sequential if name == "Sequential" else self._functional
        before = self._calls
        model = make(config, layers)
        self._sizes[model] = self._calls - before
        self.order[model] = layers
        return model

    def _layers(self, descriptions: list[Any]) -> list[Any] | None:
        """All layers of a network; None after noting the reasons against some."""
        made: list[Any] = []
        if len(descriptions) > MAX_CALLS:
            raise RefusedError(f"it has more than {MAX_CALLS:,} layers")
        for description in descriptions:
            layer = self._layer(description)
            if layer is not None:
                made.append(layer)
        return made if len(made) == len(descriptions) else None

    def _layer(self, description: Any) -> Any:
        if not isinstance(description, dict):
            self.reasons.append(f"expected a layer, got {shown(description)}")
            return None
        kind, config = description.get("class_name"), description.get("config")
        if kind in NETWORKS:
            return self.network(description)
        try:
            return operation_from(description) if is_operation(description) else layer_from(description, self.legacy)
        except RefusedError as refused:
            name = description.get("name", config.get("name") if isinstance(config, dict) else None)
            self.reasons.append(f"layer {shown(name)} ({kind}): {refused}")
            return None

    def _count(self, layer: Any) -> None:
        """Take a call of a layer into account, before it is made."""
        self._calls += self._sizes.get(layer, 1)
        if self._calls > MAX_CALLS:
            raise RefusedError(f"it has more than {MAX_CALLS:,} calls of layers")

    # Layers one after another

    def _sequential(self, config: dict[str, Any], layers: list[Any]) -> Model:
        for layer in layers:
            self._count(layer)
        first = parse_object(config["layers"][0]).config if layers else {}
        shape = input_shape(first) if isinstance(first, dict) else None
        if shape is None and isinstance(config.get("build_input_shape"), list):
            shape = input_shape({"batch_shape": config["build_input_shape"]})
        begin = [] if shape is None or isinstance(layers[0], InputLayer) else [Input(shape)]
        model = Sequential([*begin, *layers], name=config.get("name"))
        if not model.is_graph:
            raise RefusedError(f"the network {shown(model.name)} does not say the shape of its input; {GIVE_IT}")
        return model

    # Layers that name their inputs

    def _functional(self, config: dict[str, Any], layers: list[Any]) -> Model:
        descriptions = config["layers"]
        titles = [description.get("name", description["config"].get("name")) for description in descriptions]
        if len(set(titles)) < len(titles):
            raise RefusedError("two of its layers have the same name")
        calls = Calls(
            dict(zip(titles, layers, strict=True)),
            {
                (title, index): parse_call(node)
                for title, description in zip(titles, descriptions, strict=True)
                for index, node in enumerate(description.get("inbound_nodes", []))
            },
        )
        calls.connect(self._count)
        inputs, outputs = (_single(calls.ends(config[key], self.legacy)) for key in ("input_layers", "output_layers"))
        return Model(inputs, outputs, name=config.get("name"))


def _sized(description: Any, sizes: Shape) -> Any:
    """The description of a network whose first input has other sizes, those of one sample."""
    name, config = parse_object(description)
    if isinstance(config, list):
        config = {"layers": config}
    layers = [*config["layers"]]
    first = 0
    if name == "Sequential":
        config = config | {"build_input_shape": [None, *sizes]}
    else:
        ends = config["input_layers"]
        wanted = ends[0] if isinstance(ends[0], str) else ends[0][0]
        first = next(i for i, one in enumerate(layers) if one.get("name", one["config"].get("name")) == wanted)
    if layers[first]["class_name"] in NETWORKS:
        layers[first] = _sized(layers[first], sizes)
    else:
        settings = layers[first]["config"]
        said = settings.get("batch_shape", settings.get("batch_input_shape"))
        if said is not None and len(said) != 1 + len(sizes):
            raise RefusedError(f"expected input_shape of {len(said) - 1} sizes, got {sizes}")
        layers[first] = layers[first] | {"config": settings | {"batch_shape": [None, *sizes]}}
    return description | {"config": config | {"layers": layers}}


def _single(places: Any) -> Any:
    return places[0] if isinstance(places, list) and len(places) == 1 else places
