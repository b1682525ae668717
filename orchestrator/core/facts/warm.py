"""What rules can read of a node's warmth: could it serve the phones and queues of the other one."""

from __future__ import annotations

from typing import Final

from orchestrator.core.facts.pictured import Read, once, picture
from orchestrator.core.language.types import DURATION, NUMBER, Attribute, Look
from orchestrator.core.readying.figures import compared_age_s, standby_figures
from orchestrator.core.state import Node


def other(node: Node, look: Look) -> Node | None:
    """The other node, when there is one."""
    names = [name for name in look.state.nodes if name != node.name]
    return look.state.nodes[names[0]] if names else None


def _figures_of(node: Node, look: Look) -> object:
    if other(node, look) is None:
        return None
    return standby_figures(look.state, look.policy, look.now, node.name)


_figures = once("figures", _figures_of)


def _figure(name: str) -> Read:
    """Of the phones and queues of the other node; unknown unless both pictures are believed."""

    def run(node: Node, look: Look) -> float | None:
        figures = _figures(node, look)
        return None if figures is None else float(getattr(figures, name))

    return run


def _mirror_age(node: Node, look: Look) -> float | None:
    source = other(node, look)
    return None if source is None else compared_age_s(look.policy, look.now, source, node)


WARM: Final = {
    "phones_ready": picture(
        NUMBER,
        "of the phones registered at the other node: those that this one could call now",
        "phones ready",
        _figure("phones_ready"),
        "contacts",
        "other's contacts",
    ),
    "queues_ready": picture(
        NUMBER,
        "of the queues with agents on the other node: those whose agents this one could ring now",
        "queues ready",
        _figure("queues_ready"),
        "queues",
        "other's queues",
    ),
    "mirror_age": Attribute(
        DURATION,
        "since both nodes were last compared for the mirror; unknown when not since a loss",
        _mirror_age,
        ("fresh", "clock"),
    ),
}
