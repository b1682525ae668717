"""The world's one queue: who waits in line, on each node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.events import QueueCallerSeen

if TYPE_CHECKING:
    from tests.simulation.calls import Leg
    from tests.simulation.world import NodeModel, World

QUEUE = "support"


class Line:
    def __init__(self, world: World) -> None:
        self.world = world
        self.at: dict[str, list[Leg]] = {name: [] for name in world.nodes}

    def join(self, node: NodeModel, leg: Leg, position: int = 0) -> None:
        """At that place, where somebody says which; else at the end."""
        line = self.at[node.name]
        line.insert(position - 1 if position else len(line), leg)
        self.world.tell_ami(node, self._caller(node, leg, line.index(leg) + 1))

    def leave(self, node: NodeModel, leg: Leg) -> None:
        if leg in self.at[node.name]:
            self.at[node.name].remove(leg)
            self.world.tell_ami(node, self._caller(node, leg, 0))

    def seen(self, node: NodeModel) -> list[QueueCallerSeen]:
        return [self._caller(node, leg, n) for n, leg in enumerate(self.at[node.name], 1)]

    def _caller(self, node: NodeModel, leg: Leg, position: int) -> QueueCallerSeen:
        return QueueCallerSeen(node.name, QUEUE, leg.at[node.name], position, leg.endpoint)
