"""What is known of an architecture besides its layers."""

from collections.abc import Callable
from dataclasses import dataclass

from striate.models import Model


@dataclass(frozen=True)
class Architecture:
    """An entry of the registry.

    Arguments:
        name: as in ``--arch`` and ``striate.architectures``.
        year: of publication.
        paper: authors, title, where it appeared.
        card: what one should know about it, in plain sentences.
        build: (classes, input_shape) → model, with fresh weights.
    """

    name: str
    year: int
    paper: str
    card: str
    build: Callable[..., Model]
