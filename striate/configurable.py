"""Things that are chosen by name and saved as plain data: optimizers, losses, metrics, initializers and so on.

One rule makes both work: a class keeps each constructor argument as an attribute of the same name.
"""

import functools
import inspect
import itertools
import re
from collections.abc import Container, Iterable, Mapping
from typing import Any, Self, TypeVar

import numpy as np

from striate.errors import ArgumentError


class Configurable:
    """Base of objects that are described by their constructor's arguments."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as plain data, from which `from_config` makes an equal object."""
        return {name: _plain(getattr(self, name)) for name in signature_of(type(self)).parameters}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """An object made with the arguments that `get_config` returned.

        Raises:
            ArgumentError: the names in ``config`` are not those of the constructor's arguments.
        """
        signature = signature_of(cls)
        try:
            signature.bind(**config)
        except TypeError as error:
            raise ArgumentError(
                f"{cls.__name__}.from_config: expected the arguments {', '.join(signature.parameters)}; {error}."
            ) from None
        return cls(**config)


class Settings(Configurable):
    """Base of immutable objects that are equal if class and arguments are: schedules, initializers, …

    A subclass is a ``@dataclass(eq=False, repr=False)``: what dataclasses would generate for each class is here
    once, which makes importing some milliseconds faster.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self):
            raise AttributeError(f"{type(self).__name__}: {name} cannot be changed; make a new one.")
        super().__setattr__(name, value)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return False
        return all(_same(getattr(self, name), getattr(other, name)) for name in signature_of(type(self)).parameters)

    def __hash__(self) -> int:
        return hash(type(self))  # arguments may be lists and arrays

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={getattr(self, name)!r}" for name in signature_of(type(self)).parameters)
        return f"{type(self).__name__}({arguments})"


def _same(a: Any, b: Any) -> bool:
    return np.array_equal(a, b) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else bool(a == b)


class ConstructorSignature:
    """What ``__signature__`` of a class is: its constructor's, without ``self``, made when it is asked for.

    Arguments:
        base: a constructor whose keyword arguments are shown in place of ``**common``, so that arguments that several
            classes share are written once.
    """

    def __init__(self, base: Any = None):
        self._base = base

    def __get__(self, instance: Any, cls: Any) -> inspect.Signature:
        _, *own = inspect.signature(cls.__init__).parameters.values()
        if self._base is None or not any(one.kind is one.VAR_KEYWORD for one in own):
            return inspect.Signature(own)
        kept = {one.name: one for one in own if one.kind is not one.VAR_KEYWORD}
        shared = inspect.signature(self._base).parameters.values()
        common = (one for one in shared if one.kind is one.KEYWORD_ONLY and one.name not in kept)
        return inspect.Signature([*kept.values(), *common])


def signature_of(function: Any) -> inspect.Signature:
    """The signature of a function or a class, cached."""
    return _signature(function)


_signature = functools.cache(inspect.signature)


def describe(thing: Configurable) -> dict[str, Any]:
    """``{"class_name": …, "config": …}``, which every ``get`` turns back into an equal object."""
    return {"class_name": type(thing).__name__, "config": thing.get_config()}


def _plain(value: Any) -> Any:
    return describe(value) if isinstance(value, Configurable) else value


def snake_case(name: str) -> str:
    """``HeNormal`` → ``he_normal``, ``AUC`` → ``auc``, ``F1Score`` → ``f1_score``, ``Conv2D`` → ``conv2d``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z])", "_", name).lower()


def free_name(name: str, taken: Container[str]) -> str:
    """``name`` if it is not taken, else the first of ``name_1``, ``name_2``, … that is not."""
    candidates = itertools.chain([name], (f"{name}_{count}" for count in itertools.count(1)))
    return next(candidate for candidate in candidates if candidate not in taken)


Thing = TypeVar("Thing", bound=Configurable)


class Names(dict[str, type[Thing]]):
    """Classes of one kind by name; capitals and underscores make no difference: ``HeNormal`` is ``he_normal``.

    Arguments:
        where: the function that looks things up, for messages.
        classes: found by their own names.
        aliases: further names.
    """

    def __init__(self, where: str, classes: Iterable[type[Thing]], aliases: Mapping[str, type[Thing]] | None = None):
        self.where = where
        self.shown = {cls.__name__: cls for cls in classes} | dict(aliases or {})
        super().__init__({_key(name): cls for name, cls in self.shown.items()})

    def find(self, name: Any) -> type[Thing]:
        """The class of this name.

        Raises:
            ArgumentError: there is none; the message lists what there is.
        """
        if not isinstance(name, str):
            raise ArgumentError(f"{self.where}: expected a name, a config or an object, got {name!r}.")
        if _key(name) not in self:
            import difflib  # here, as it is needed only after a mistake

            near = difflib.get_close_matches(_key(name), self, n=1)
            hint = f" Did you mean {next(n for n in self.shown if _key(n) == near[0])!r}?" if near else ""
            raise ArgumentError(f"{self.where}: expected one of {', '.join(sorted(self.shown))}; got {name!r}.{hint}")
        return self[_key(name)]

    def make(self, identifier: Any) -> Thing:
        """An object from a name, a class, or ``{"class_name": …, "config": …}``.

        Raises:
            ArgumentError: it is none of these, or the name or the config's arguments are unknown.
        """
        if isinstance(identifier, type) and identifier in self.values():
            identifier = identifier.__name__
        if not isinstance(identifier, Mapping):
            identifier = {"class_name": identifier, "config": {}}
        if set(identifier) != {"class_name", "config"} or not isinstance(identifier["config"], Mapping):
            raise ArgumentError(
                f"{self.where}: expected a config with class_name and config, got {dict(identifier)!r}."
            )
        return self.find(identifier["class_name"]).from_config(identifier["config"])


def _key(name: str) -> str:
    return name.replace("_", "").lower()
