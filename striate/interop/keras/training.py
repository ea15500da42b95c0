"""How a model is compiled, as Keras's files say it, both ways."""

from collections.abc import Callable
from typing import Any

from striate.configurable import Names, signature_of
from striate.interop.keras.objects import RefusedError, parse_object
from striate.models import Model
from striate.training import losses, metrics, optimizers
from striate.training.optimizers import schedules

#: What Keras does not have.
OURS_ALONE = {"ConfusionMatrix", "ConstantRate", "OneCycle"}
#: Integers in a metric's arguments, such as how many thresholds it has: a file must not ask for gigabytes.
MOST = 10_000
#: Words that stand for a metric which only the shapes of targets and predictions choose.
CHOSEN_LATER = ("accuracy", "acc")
#: Arguments of Keras that we do not have, and the values with which they change nothing; ...: any.
WITHOUT_EFFECT: dict[str, Any] = {
    "axis": (-1,),
    "dtype": ...,
    "ema_momentum": ...,
    "ema_overwrite_frequency": ...,
    "from_sorted_ids": (False,),
    "gradient_accumulation_steps": (None, 1),
    "ignore_class": (None,),
    "label_weights": (None,),
    "loss_scale_factor": (None,),
    "multi_label": (False,),
    "name": ...,
    "num_labels": (None,),
    "use_ema": (False,),
}


def compile_config(model: Model, titles: dict[str, str]) -> dict[str, Any] | None:
    """What a model was compiled with, for Keras; None: it was not, or not with plain data and what Keras has.

    Arguments:
        model: the model.
        titles: names of outputs by those in Keras, where they differ.
    """
    given = model.compile_config()
    if given is None:
        return None
    names = {title: name for name, title in titles.items()}
    try:
        return {
            "optimizer": _theirs(given["optimizer"], optimizers.NAMES, "keras.optimizers"),
            "loss": _each(given["loss"], names, lambda one: _theirs(one, losses.NAMES, "keras.losses")),
            "loss_weights": _each(given["loss_weights"], names, lambda one: one),
            "metrics": _each(_several(given["metrics"]), names, _metric),
        }
    except RefusedError:
        return None


def compile_arguments(config: Any, titles: dict[str, str]) -> dict[str, Any] | None:
    """The arguments of `Model.compile` for what a file says; None: nothing, or something that we do not have.

    Arguments:
        config: of the file.
        titles: names of outputs by those in the file, where they differ.
    """
    try:
        optimizer = config.get("optimizer") or config["optimizer_config"]
        if config.get("weighted_metrics"):
            return None
        return {
            "optimizer": _ours(optimizer, optimizers.NAMES),
            "loss": _each(config.get("loss"), titles, lambda one: _ours(one, losses.NAMES)),
            "loss_weights": _each(config.get("loss_weights"), titles, lambda one: one),
            "metrics": _each(config.get("metrics"), titles, lambda one: _ours(one, metrics.NAMES)),
        }
    except (RefusedError, KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError):
        return None


def _each(value: Any, names: dict[str, str], translate: Callable[[Any], Any]) -> Any:
    """The same lists and dictionaries with every loss or metric translated, and other names of outputs."""
    if isinstance(value, list | tuple):
        return [_each(one, names, translate) for one in value]
    if isinstance(value, dict) and "class_name" not in value:
        return {names.get(name, name): _each(one, names, translate) for name, one in value.items()}
    return None if value is None else translate(value)


def _several(value: Any) -> Any:
    """Metrics as Keras wants them: not one alone."""
    return [value] if isinstance(value, str) or (isinstance(value, dict) and "class_name" in value) else value


def _metric(value: Any) -> Any:
    if value in CHOSEN_LATER:
        return value
    if isinstance(value, str):  # it is reported under this name
        value = {"class_name": value, "config": {"name": value}}
    return _theirs(value, metrics.NAMES, "keras.metrics")


def _theirs(value: Any, names: Names[Any], module: str) -> dict[str, Any]:
    if isinstance(value, str):  # spelled out: reading .h5 files, Keras takes the loss "mse" for a metric, and fails
        value = {"class_name": value, "config": {}}
    name, config = names.find(value["class_name"]).__name__, dict(value["config"])
    if name in OURS_ALONE:
        raise RefusedError(f"Keras has no {name}")
    if isinstance(rate := config.get("learning_rate"), dict):
        config["learning_rate"] = _theirs(rate, schedules.NAMES, "keras.optimizers.schedules")
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


def _ours(value: Any, names: Names[Any]) -> Any:
    if isinstance(value, str):
        if value not in CHOSEN_LATER:
            names.find(value)
        return value
    name, config = parse_object(value)
    if name == "function":
        return _ours(config, names)
    if names is metrics.NAMES and any(isinstance(one, int) and one > MOST for one in config.values()):
        raise RefusedError(f"{name} asks for more than {MOST:,}")
    arguments = {}
    known = signature_of(names.find(name)).parameters
    for key, one in config.items():
        if key in known:
            schedule = key == "learning_rate" and isinstance(one, dict)
            arguments[key] = _ours(one, schedules.NAMES) if schedule else one
        elif key not in WITHOUT_EFFECT or (WITHOUT_EFFECT[key] is not ... and one not in WITHOUT_EFFECT[key]):
            raise RefusedError(f"its argument {key} is not supported")
    names.make(found := {"class_name": name, "config": arguments})  # or it says what is wrong with them
    return found
