"""What of the picture was decided, not seen: it must be on disk before it is acted on."""

from __future__ import annotations

from orchestrator.core.state import Pair

# Command ids that no intent was written for may be used again: nothing was done under them.
_DURABLE_FIELDS = (
    "phase", "active", "epoch", "hold", "move", "history", "forgiven_at", "next_move", "habits",
)  # fmt: skip
# What the core remembers on a node of its own commands; void when those were not carried out.
DECIDED_ON_NODES = ("adding", "added", "drain_flag", "maintenance", "cross_paused")
_DURABLE_ON_NODES = ("could_serve", *DECIDED_ON_NODES)


def decided(before: Pair, after: Pair) -> bool:
    """Whether anything changed that must be on disk before we act on it."""
    if any(_differ(before, after, name) for name in _DURABLE_FIELDS):
        return True
    if before.nodes is after.nodes:
        return False
    return any(
        _differ(before.nodes[name], node, key)
        for name, node in after.nodes.items()
        for key in _DURABLE_ON_NODES
    )


def _differ(before: object, after: object, name: str) -> bool:
    old, new = getattr(before, name), getattr(after, name)
    return old is not new and old != new
