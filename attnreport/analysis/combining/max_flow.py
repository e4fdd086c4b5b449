"""The most that can flow through a network from one place to another."""

import numpy as np
from jaxtyping import Float


def max_flow(layers: list[Float[np.ndarray, "position position"]], source: int, sink: int) -> float:
    """The greatest flow from a place at the top of a layered network to one at the bottom.

    Each matrix has the capacities of the arcs from the places of a layer (rows) to those of the
    one below it (columns), the top first. Exact up to the rounding of sums: no capacity is rounded
    to a whole number.

    Source: Dinic (1970), "Algorithm for Solution of a Problem of Maximum Flow in a Network with
    Power Estimation"; augmenting paths of fewest arcs, all of one length at a time.

    Args:
        layers: Capacities, not negative.
        source: Row of the first matrix.
        sink: Column of the last matrix.
    """
    network = _Network(layers, source, sink)
    total = 0.0
    while network.reach():
        while pushed := network.push():
            total += pushed
    return total


class _Network:
    """What each arc still takes, in lists: a loop over single arcs is faster in them than in NumPy.

    Arcs are in pairs: that of an even number, and after it the one that takes its flow back.
    """

    def __init__(self, layers: list[np.ndarray], source: int, sink: int) -> None:
        count = len(layers[0])
        self._source, self._sink = source, len(layers) * count + sink
        self._heads: list[int] = []
        self._free: list[float] = []
        self._arcs: list[list[int]] = [[] for _ in range((len(layers) + 1) * count)]
        for depth, capacities in enumerate(layers):
            above, below = depth * count, (depth + 1) * count
            for row, column in np.argwhere(capacities > 0).tolist():
                self._add(above + row, below + column, float(capacities[row, column]))
        self._level: list[int] = []
        self._next: list[int] = []

    def _add(self, tail: int, head: int, capacity: float) -> None:
        self._arcs[tail].append(len(self._heads))
        self._arcs[head].append(len(self._heads) + 1)
        self._heads += [head, tail]
        self._free += [capacity, 0.0]

    def reach(self) -> bool:
        """Numbers the places by their distance from the source; whether the sink has one."""
        self._level = [-1] * len(self._arcs)
        self._next = [0] * len(self._arcs)
        self._level[self._source] = 0
        queue = [self._source]
        for place in queue:
            for arc in self._arcs[place]:
                head = self._heads[arc]
                if self._free[arc] > 0 and self._level[head] < 0:
                    self._level[head] = self._level[place] + 1
                    queue.append(head)
        return self._level[self._sink] >= 0

    def push(self) -> float:
        """Sends what one shortest path takes, and gives how much that is; 0 if none is left."""
        path: list[int] = []
        place = self._source
        while place != self._sink:
            arc = self._open_arc(place)
            if arc is not None:
                path.append(arc)
                place = self._heads[arc]
            elif path:
                place = self._heads[path.pop() ^ 1]
                self._next[place] += 1
            else:
                return 0.0
        amount = min(self._free[arc] for arc in path)
        for arc in path:
            self._free[arc] -= amount
            self._free[arc ^ 1] += amount
        return amount

    def _open_arc(self, place: int) -> int | None:
        """The first arc from a place that leads on and takes anything."""
        arcs, level = self._arcs[place], self._level[place] + 1
        while self._next[place] < len(arcs):
            arc = arcs[self._next[place]]
            if self._free[arc] > 0 and self._level[self._heads[arc]] == level:
                return arc
            self._next[place] += 1
        return None
