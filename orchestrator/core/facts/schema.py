"""What rules can read: the schema that expressions are checked against.

Every fact has a type and a sentence; the reference in docs is made from here. What is stale or was
never heard is unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from orchestrator.core.facts.lists import age, words
from orchestrator.core.facts.node import NODE, SOURCES
from orchestrator.core.language.hours import WEEKDAYS, within
from orchestrator.core.language.types import (
    BOOL,
    DURATION,
    NUMBER,
    TEXT,
    Attribute,
    Kind,
    Look,
    Record,
    Root,
    Run,
    Schema,
    Type,
)
from orchestrator.core.state import Pair
from orchestrator.core.words import MoveKind, Phase

PAIR: Final = Record(
    "pair",
    "The two nodes together.",
    {
        "phase": Attribute(words(Phase), "where a move is", lambda p, _: p.phase, ("phase",)),
        "phase_for": Attribute(
            DURATION, "how long", lambda p, look: age(p.phase_since, look), ("phase", "clock")
        ),
        "moving": Attribute(
            BOOL, "a move is in progress", lambda p, _: p.move is not None, ("move",)
        ),
        "move": Attribute(
            words(MoveKind),
            "its kind; unknown when none is in progress",
            lambda p, _: p.move.kind if p.move else None,
            ("move",),
        ),
        "held": Attribute(
            BOOL, "on hold: nothing is decided", lambda p, _: p.hold is not None, ("hold",)
        ),
        "hold_reason": Attribute(
            TEXT, "why", lambda p, _: p.hold.reason if p.hold else None, ("hold",)
        ),
        "epoch": Attribute(
            NUMBER, "rises with every promotion", lambda p, _: float(p.epoch), ("epoch",)
        ),
        "active_for": Attribute(
            DURATION,
            "how long the active node has been active",
            lambda p, look: age(p.active_since, look) if p.active else None,
            ("active", "clock"),
        ),
    },
)


def _local(look: Look) -> datetime:
    return datetime.fromtimestamp(look.now, look.policy.timezone)


TIME: Final = Record(
    "time",
    "The site's clock (timezone in the configuration).",
    {
        "hour": Attribute(NUMBER, "0 to 23", lambda _, look: float(_local(look).hour), ("clock",)),
        "minute": Attribute(
            NUMBER, "0 to 59", lambda _, look: float(_local(look).minute), ("clock",)
        ),
        "weekday": Attribute(
            Type(Kind.WORD, WEEKDAYS),
            "the day of the week",
            lambda _, look: WEEKDAYS[_local(look).weekday()],
            ("clock",),
        ),
    },
)


def _failback_allowed(_: object, look: Look) -> bool:
    gate = look.policy.failback
    return gate is not None and within(look.now, look.policy.timezone, gate.hours, gate.days)


FAILBACK: Final = Record(
    "failback",
    "What the configuration says of returning to the preferred node.",
    {
        "allowed": Attribute(
            BOOL,
            "it is within failback: hours, days; false without them",
            _failback_allowed,
            ("clock",),
        ),
        "after": Attribute(
            DURATION,
            "how long the preferred node must have been healthy; unknown without failback:",
            lambda _, look: look.policy.failback.after_s if look.policy.failback else None,
            ("clock",),
        ),
    },
)


def _active(look: Look) -> object:
    return look.state.nodes.get(look.state.active)


def _standby(look: Look) -> object:
    return look.state.nodes.get(look.state.standby(look.policy))


def _preferred(look: Look) -> object:
    return look.state.nodes.get(look.policy.preferred)


ROOTS: Final = {
    "active": Root(NODE, "the active node; unknown while nobody knows which one", _active),
    "standby": Root(NODE, "the other one", _standby),
    "preferred": Root(NODE, "the node that should be active in normal times", _preferred),
    "pair": Root(PAIR, "the two together", lambda look: look.state),
    "time": Root(TIME, "the site's clock", lambda look: look),
    "failback": Root(FAILBACK, "the gate for going back", lambda look: look),
}

_PAIR_SOURCES: Final[dict[str, Callable[[Pair], object]]] = {
    "phase": lambda pair: pair.phase,
    "move": lambda pair: pair.move,
    "hold": lambda pair: pair.hold,
    "epoch": lambda pair: pair.epoch,
    "active": lambda pair: pair.active,
}


def make_schema(nodes: tuple[str, ...] = ()) -> Schema:
    """The schema for a pair with these nodes; without names any node name is let through."""
    return Schema(ROOTS, nodes)


def source_of(name: str) -> tuple[Run, bool]:
    """How to look at a source such as ``active/verdict``, and whether that is paced."""
    path, _, field = name.partition("/")
    if path == "pair":
        look_at = _PAIR_SOURCES[field]
        return lambda look: look_at(look.state), False
    read, paced = SOURCES[field]
    node = path.removeprefix("node:")
    find: Run = ROOTS[path].find if node == path else lambda look: look.state.nodes.get(node)

    def run(look: Look) -> object:
        found = find(look)
        return None if found is None else read(found, look)

    return run, paced
