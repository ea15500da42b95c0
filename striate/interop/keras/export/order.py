"""The order in which Keras lists the layers of a network.

Keras numbers the layers of a class in this order, and finds their weights by these numbers. It finds the order again
whenever a network is put together: layers furthest from the outputs come first, and of equals those that a walk back
from the outputs meets first.

Source: keras/src/ops/function.py, ``map_graph``.
"""

from collections.abc import Callable, Sequence

from striate.interop.keras.calls import Key, Place


def in_keras_order(outputs: Sequence[Place], needs: Callable[[Key], list[Place]]) -> list[str]:
    """The names of all layers and operations that some outputs depend on.

    Arguments:
        outputs: where the network ends.
        needs: what a call takes, for a name and a number of the call.
    """
    calls, first_met = _walk(outputs, needs)
    depths: dict[str, int] = {}
    call_depths: dict[Key, int] = {}
    for key in reversed(calls):
        # A layer that is called several times is as deep as the deepest of its calls that came so far.
        depth = depths[key[0]] = max(call_depths.get(key, 0), depths.get(key[0], 0))
        for place in needs(key):
            before = (place.layer, place.call)
            call_depths[before] = max(depth + 1, call_depths.get(before, 0))
    return sorted(depths, key=lambda name: (-depths[name], first_met[name]))


def _walk(outputs: Sequence[Place], needs: Callable[[Key], list[Place]]) -> tuple[list[Key], dict[str, int]]:
    """All calls, each behind those that it needs, and when each name was first met; depth first, without recursion."""
    calls: list[Key] = []
    first_met: dict[str, int] = {}
    met: set[Key] = set()
    for output in outputs:
        waiting = [((output.layer, output.call), False)]
        while waiting:
            key, done = waiting.pop()
            if done:
                calls.append(key)
            elif key not in met:
                met.add(key)
                first_met.setdefault(key[0], len(first_met))
                waiting.append((key, True))
                waiting += [((place.layer, place.call), False) for place in reversed(needs(key))]
    return calls, first_met
