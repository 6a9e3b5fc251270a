"""Whether decisions can stand in one row: edges say what must come first; a ring of them says: no."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

Ints: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
LOOKED_AT_MAX = 200_000
"""So many nodes are walked through in search of a shorter ring of a knot; some ring is always found."""


class Knot:
    """Nodes that all stand before each other, and one ring through them, short if not the shortest."""

    def __init__(self, nodes: list[int], ring: list[int]) -> None:
        self.nodes = nodes
        self.ring = ring


def knots(count: int, sources: Ints, targets: Ints, decisions: int) -> list[Knot]:
    """The knots of a graph of `count` nodes with edges from `sources` to `targets`; none when an order exists.

    The first `decisions` nodes are decisions, the others only join them: a ring is short when it meets few decisions.
    Linear in nodes and edges: what has nothing before it is taken away, then what has nothing behind it, and only
    what is left is searched.
    """
    left = _stripped(count, sources, targets)
    if not left.any():
        return []
    inner = left[sources] & left[targets]
    left &= _stripped(count, targets[inner], sources[inner])
    inner = left[sources] & left[targets]
    after = _Successors(count, sources[inner], targets[inner])
    return [Knot(nodes, _ring(after, nodes, decisions)) for nodes in _components(after, np.flatnonzero(left).tolist())]


class _Successors:
    """The edges by their source."""

    def __init__(self, count: int, sources: Ints, targets: Ints) -> None:
        by_source = np.argsort(sources, kind="stable")
        self.targets: list[int] = targets[by_source].tolist()
        self.starts: list[int] = np.concatenate(([0], np.cumsum(np.bincount(sources, minlength=count)))).tolist()

    def of(self, node: int) -> list[int]:
        return self.targets[self.starts[node] : self.starts[node + 1]]


def _stripped(count: int, sources: Ints, targets: Ints) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """What is left when nodes with nothing before them are taken away, again and again (Kahn)."""
    after = _Successors(count, sources, targets)
    before: list[int] = np.bincount(targets, minlength=count).tolist()
    free = [node for node, waits_for in enumerate(before) if not waits_for]
    behind, starts = after.targets, after.starts
    for node in free:  # grows while it is walked through
        for target in behind[starts[node] : starts[node + 1]]:
            before[target] -= 1
            if not before[target]:
                free.append(target)
    return np.array(before, dtype=np.int64) > 0


def _components(after: _Successors, nodes: Sequence[int]) -> list[list[int]]:
    """Strongly connected components of more than one node (Tarjan, without recursion)."""
    place: dict[int, int] = {}
    low: dict[int, int] = {}
    on_stack: set[int] = set()
    stack: list[int] = []
    found: list[list[int]] = []
    for root in nodes:
        if root in place:
            continue
        way = [(root, iter(after.of(root)))]
        place[root] = low[root] = len(place)
        stack.append(root)
        on_stack.add(root)
        while way:
            node, rest = way[-1]
            for target in rest:
                if target not in place:
                    place[target] = low[target] = len(place)
                    stack.append(target)
                    on_stack.add(target)
                    way.append((target, iter(after.of(target))))
                    break
                if target in on_stack:
                    low[node] = min(low[node], place[target])
            else:
                way.pop()
                if way:
                    low[way[-1][0]] = min(low[way[-1][0]], low[node])
                if low[node] == place[node]:
                    found.append(_popped(stack, on_stack, node))
    return [component for component in found if len(component) > 1]


def _popped(stack: list[int], on_stack: set[int], last: int) -> list[int]:
    component = []
    while True:
        node = stack.pop()
        on_stack.discard(node)
        component.append(node)
        if node == last:
            return sorted(component)


def _ring(after: _Successors, nodes: list[int], decisions: int) -> list[int]:
    """A ring through some decision of the knot: the one with the fewest decisions among those looked at."""
    inside = set(nodes)
    starts = [node for node in nodes if node < decisions]
    best: list[int] = []
    for start in starts[: max(1, LOOKED_AT_MAX // len(nodes))]:
        ring = _ring_from(after, inside, start, decisions)
        if not best or _met(ring, decisions) < _met(best, decisions):
            best = ring
    return best


def _met(ring: list[int], decisions: int) -> int:
    return sum(node < decisions for node in ring)


def _ring_from(after: _Successors, inside: set[int], start: int, decisions: int) -> list[int]:
    """Breadth first, where only decisions count as steps, until it comes back to the start."""
    came_from: dict[int, int] = {}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for target in after.of(node):
            if target == start:
                ring = [node]
                while ring[-1] != start:
                    ring.append(came_from[ring[-1]])
                return ring[::-1]
            if target in inside and target not in came_from:
                came_from[target] = node
                if target < decisions:
                    waiting.append(target)
                else:
                    waiting.appendleft(target)
    raise AssertionError("a knot without a ring")
