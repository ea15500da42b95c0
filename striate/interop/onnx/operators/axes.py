"""What operators need of the axes of their first input, by which the order of a network's axes is chosen."""

from collections.abc import Callable
from typing import TypeVar

Operator = TypeVar("Operator", bound=Callable[..., object])

#: What reads its first input as (N, C, …), and what leaves the axes as they are; the decorators fill these.
SPATIAL: set[str] = set()
TRANSPARENT: set[str] = set()


def spatial(operator: Operator) -> Operator:
    """Decorator of an operator that reads its first input as (N, C, …)."""
    SPATIAL.add(operator.__name__)
    return operator


def transparent(operator: Operator) -> Operator:
    """Decorator of an operator that leaves the axes as they are; those of whole families need none."""
    TRANSPARENT.add(operator.__name__)
    return operator
