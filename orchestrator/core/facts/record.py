"""What rules could read, as it changed: so that rules can be replayed over it later. Pure.

Paths are those of rules with the node's name: ``pbx-a.calls``, ``pair.phase``; ``pair.active`` is
the active node's name. A list has an entry for each item, an object of its facts:
``pbx-a.contacts/1001/sip:…``, ``pbx-a.trunks/telco``, ``pbx-a.queues/support``; ``GONE`` when it is
there no more. ``pbx-a.fresh`` tells whether its picture was believed, ``pbx-a.unlisted`` which
parts it could not be asked for. ``None`` is unknown. A duration that only goes on with the clock is
recorded as the moment it began (epoch seconds), and only when that moment moved; a text that
speaks of ages (``missing``) only when more than the ages changed.

What the clock and the configuration tell (``time``, ``failback``) is not recorded, nor what follows
from ``pair.active`` (``name``, ``role``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.core.facts.lists import CONTACT, QUEUE, TRUNK, trunk_views
from orchestrator.core.facts.node import NODE, SOURCES
from orchestrator.core.facts.schema import PAIR
from orchestrator.core.language.types import Attribute, Kind, Look, Record
from orchestrator.core.picture.phones import phones
from orchestrator.core.state import Node, Pair, Policy

GONE: Final = "gone"
FRESH: Final = "fresh"
UNLISTED: Final = "unlisted"
_STILL_S: Final = 1.0  # a beginning that moved by less did not move
_RTT_S: Final = 0.02  # a round trip that changed by less is not worth a line of its own
_FOLLOWS: Final = ("name", "role")
_AGE: Final = re.compile(r"\d[\d.]* (?:ms|s|min|h|d)\b(?: \d+ (?:s|min|h)\b)?")
Changes = list[tuple[str, Any]]


@dataclass(slots=True)
class Recorded:
    """What was recorded last; changed in place by ``changes``."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, tuple[object, ...]] = field(default_factory=dict)  # by path
    nodes: Mapping[str, Node] = field(default_factory=dict)
    # by list and key: the item and its facts
    items: dict[str, dict[str, tuple[object, dict[str, Any]]]] = field(default_factory=dict)


def changes(last: Recorded, state: Pair, policy: Policy, now: float) -> Changes:
    """Every path whose value is another than in ``last``, which then has the new ones."""
    look = Look(state, policy, now)
    found: Changes = []
    for path, value in _scalars(last, look):
        if path not in last.values or _moved(last.values[path], value):
            last.values[path] = value
            found.append((path, value))
    for name, node in state.nodes.items():
        found += _lists(last, name, node, look)
    last.nodes = state.nodes
    return found


def begins(attribute: Attribute) -> bool:
    """Whether the fact is a duration that goes on with the clock: its beginning is recorded."""
    return attribute.type.kind is Kind.DURATION and "clock" in attribute.sources


def _moved(old: Any, new: Any) -> bool:
    if isinstance(old, _Since) and isinstance(new, _Since):
        return abs(old - new) > _STILL_S
    if isinstance(old, _Aging) and isinstance(new, _Aging):
        return _AGE.sub("", old) != _AGE.sub("", new)
    return bool(old != new)


class _Since(float):
    """A beginning, to be compared with some tolerance."""


class _Aging(str):
    """A text that may speak of ages, to be compared without them."""

    __slots__ = ()


# --- single facts --------------------------------------------------------------------------------


def _scalars(last: Recorded, look: Look) -> Iterator[tuple[str, Any]]:
    yield "pair.active", look.state.active
    for name, attribute in PAIR.attributes.items():
        yield f"pair.{name}", _value(attribute, look.state, look)
    for node in look.state.nodes.values():
        yield f"{node.name}.{FRESH}", node.fresh(look.now, look.policy.stale_s)
        yield f"{node.name}.{UNLISTED}", sorted(node.missing)
        for name, attribute in NODE.attributes.items():
            if attribute.type.kind is Kind.LIST or name in _FOLLOWS:
                continue
            path = f"{node.name}.{name}"
            if _may_differ(last, path, attribute, node, look):
                yield path, _value(attribute, node, look)


def _may_differ(last: Recorded, path: str, attribute: Attribute, node: Node, look: Look) -> bool:
    """False when nothing that the fact is read from has changed: cheap for large tables."""
    if "clock" in attribute.sources:
        return True
    sources = tuple(SOURCES[source][0](node, look) for source in attribute.sources)
    before = last.sources.get(path)
    last.sources[path] = sources
    return before is None or any(a is not b for a, b in zip(before, sources, strict=True))


def _value(attribute: Attribute, owner: object, look: Look) -> Any:
    value = attribute.read(owner, look)
    if value is not None and begins(attribute):
        return _Since(round(look.now - value, 1))
    if isinstance(value, str) and "clock" in attribute.sources:
        return _Aging(value)
    return value


# --- lists ---------------------------------------------------------------------------------------


def _lists(last: Recorded, name: str, node: Node, look: Look) -> Changes:
    before = last.nodes.get(name)
    found: Changes = []
    contacts = before is None or before.contacts is not node.contacts
    if contacts:
        listed = {f"{c.aor}/{c.uri}": c for c in phones(node, look.policy)}
        found += _items(last, f"{name}.contacts", CONTACT, listed, look)
    if contacts or before is None or before.registrations is not node.registrations:
        trunks = {trunk.name: trunk for trunk in trunk_views(node, look)}
        found += _items(last, f"{name}.trunks", TRUNK, trunks, look)
    if before is None or before.queues is not node.queues:
        found += _items(last, f"{name}.queues", QUEUE, node.queues, look)
    return found


def _items(
    last: Recorded, path: str, record: Record, listed: Mapping[str, Any], look: Look
) -> Changes:
    known = last.items.setdefault(path, {})
    gone = known.keys() - listed.keys()
    found: Changes = [(f"{path}/{key}", GONE) for key in gone]
    for key in gone:
        del known[key]
    for key, item in listed.items():
        seen, facts = known.get(key, (None, {}))
        if seen is item:
            continue
        now = {name: _value(a, item, look) for name, a in record.attributes.items()}
        if not facts or _differ(facts, now):
            facts = now
            found.append((f"{path}/{key}", facts))
        known[key] = item, facts
    return found


def _differ(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return any(
        abs(old[name] - value) > _RTT_S
        if name == "rtt" and None not in (old[name], value)
        else _moved(old[name], value)
        for name, value in new.items()
    )
