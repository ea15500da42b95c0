"""What stands inside Keras's configurations: initializers, regularizers, activations, types. All are looked up by name.

Since Keras 3 an object is written ``{"module": …, "class_name": …, "config": …, "registered_name": …}``, before that as
``{"class_name": …, "config": …}`` or as a name. A module is never imported: it only tells Keras's own things from other
people's, which are refused.
"""

import inspect
from typing import Any, NamedTuple

from striate.configurable import Configurable, Names
from striate.errors import ArgumentError
from striate.layers import initializers, regularizers
from striate.layers.activations import ACTIVATIONS
from striate.layers.layer import serialize

#: The packages that Keras has lived in.
KERAS = ("keras", "tf_keras", "keras_core", "tensorflow")
#: Constraints hold weights in bounds while a network is trained; a file's weights are what they are.
CONSTRAINTS = {"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"}
TYPES = {"float16", "float32", "float64", "bfloat16", "mixed_float16", "mixed_bfloat16"}


class RefusedError(Exception):
    """Part of a configuration has no counterpart here; its text is the reason."""


class Object(NamedTuple):
    """Something that a configuration names, and its arguments."""

    name: str
    config: Any


def parse_object(value: Any) -> Object:
    """Name and arguments of a serialized object.

    Raises:
        RefusedError: it is not an object, or not one of Keras's own.
    """
    if isinstance(value, str):
        return Object(value, {})
    if not isinstance(value, dict) or not isinstance(name := value.get("class_name"), str):
        raise RefusedError(f"expected an object of Keras, got {shown(value)}")
    module, registered = value.get("module"), value.get("registered_name")
    own = module is None or (isinstance(module, str) and module.split(".")[0] in (*KERAS, "builtins"))
    if not own or registered not in (None, name) or ">" in name:
        raise RefusedError(
            f"{shown(registered or name)} of {shown(module or 'a module')} is custom code, which a file does not "
            "contain"
        )
    return Object(name, value.get("config", {}))


def described(thing: Configurable, module: str) -> dict[str, Any]:
    """One of our own objects as Keras 3 writes it, with all that its arguments hold.

    Raises:
        ModelError: an argument is not plain data.
    """
    config = {name: serialize(value) for name, value in thing.get_config().items()}
    return {"module": module, "class_name": type(thing).__name__, "config": config, "registered_name": None}


def initializer(value: Any) -> dict[str, Any]:
    """An initializer as `striate.layers.initializers.get` takes it.

    It says where weights came from before the file's were trained, so arguments that we do not have are left out.
    """
    name, config = _known("initializer", parse_object(value), initializers.NAMES)
    ours = inspect.signature(initializers.NAMES.find(name)).parameters.keys() - {"seed"}
    if config.get("distribution") == "normal":
        config = {**config, "distribution": "truncated_normal"}  # what Keras meant by it before version 2.2.3
    return _made("initializer", initializers.NAMES, name, {key: config[key] for key in config if key in ours})


def regularizer(value: Any) -> dict[str, Any] | None:
    """A regularizer as `striate.layers.regularizers.get` takes it."""
    if value is None:
        return None
    return _made("regularizer", regularizers.NAMES, *_known("regularizer", parse_object(value), regularizers.NAMES))


def constraint(value: Any) -> None:
    """Nothing: see `CONSTRAINTS`."""
    if value is not None and (name := parse_object(value).name) not in CONSTRAINTS:
        raise RefusedError(f"there is no constraint {shown(name)}")


def activation(value: Any, legacy: bool) -> str | None:
    """The name of an activation function.

    Arguments:
        value: as the file has it.
        legacy: whether the file is older than Keras 3, where one name meant another function.
    """
    if value is None:
        return None
    name, config = parse_object(value)
    if name == "function":  # since Keras 3, with its name as the configuration
        name = config if isinstance(config, str) else "function"
    if name not in ACTIVATIONS:
        raise RefusedError(f"there is no activation {shown(name)}")
    if legacy and name.startswith("hard_"):
        raise RefusedError(
            f"{name} before Keras 3 was built on max(0, min(1, 0.2·x + 0.5)), which is not supported here"
        )
    return name


def check_type(value: Any) -> None:
    """Raise RefusedError unless a layer computes in floats; here it will in float32."""
    if isinstance(value, dict):
        name, config = parse_object(value)
        value = config.get("name", name) if isinstance(config, dict) else name
    if value is not None and value not in TYPES:
        raise RefusedError(f"expected floats, got the type {shown(value)}")


def _known(kind: str, thing: Object, names: Names[Any]) -> Object:
    """The object again, if its name is in the table."""
    try:
        names.find(thing.name)
    except ArgumentError:
        raise RefusedError(f"there is no {kind} {shown(thing.name)}") from None
    if not isinstance(thing.config, dict):
        raise RefusedError(f"expected the arguments of {thing.name}, got {shown(thing.config)}")
    return thing


def _made(kind: str, names: Names[Any], name: str, config: dict[str, Any]) -> dict[str, Any]:
    """The object's description, once one has been made of it."""
    description = {"class_name": name, "config": config}
    try:
        names.make(description)
    except (ValueError, TypeError) as error:
        raise RefusedError(f"{kind} {name}: {str(error).rstrip('.')}") from None
    return description


def shown(value: Any) -> str:
    """Something of a file in a message, not too long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
