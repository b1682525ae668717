"""Facts that are known only while a node's picture may be believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.core.language.types import Attribute, Look, Type
from orchestrator.core.state import Node

Read = Callable[[Node, Look], Any]


def pictured(read: Read, part: str = "") -> Read:
    """Unknown while the node's picture may not be believed, or that part could not be asked for."""

    def run(node: Node, look: Look) -> Any:
        known = node.fresh(look.now, look.policy.stale_s) and part not in node.missing
        return read(node, look) if known else None

    return run


def once(key: str, read: Read) -> Read:
    """Worked out once an evaluation, however many rules ask."""

    def run(node: Node, look: Look) -> Any:
        place = (id(node), key)
        if place not in look.cache:
            look.cache[place] = read(node, look)
        return look.cache[place]

    return run


def picture(type_: Type, doc: str, key: str, read: Read, part: str, *others: str) -> Attribute:
    return Attribute(
        type_, doc, pictured(once(key, read), part), ("fresh", "missing", part, *others)
    )
