"""What the mirror keeps between steps. Only the ledger survives a restart.

Everything else can be worked out anew from two comparisons, and is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from immutables import Map

from orchestrator.core.words import MirrorKind

Keys: TypeAlias = Map[str, bool]  # a persistent set
Ledger: TypeAlias = Map[MirrorKind, Keys]

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 15.0  # of a command that failed as a whole: a node that comes back is filled soon
LONGEST_ITEM_PAUSE_S = 60.0  # of one thing that the node does not take
SETTLE_S = 1.0  # the node's own event says within this that a write took effect


@dataclass(frozen=True, slots=True)
class Pause:
    """How often something failed in a row, and when it may be tried again."""

    tries: int
    until: float
    why: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """What differs, or may differ, of one kind."""

    looked: tuple[float, float] | None = None  # the two comparisons that were worked through
    todo: Keys = field(default_factory=Map)  # to be judged at the next chance
    later: Map[str, float] = field(default_factory=Map)  # to be judged again from then on
    later_at: float = float("inf")  # the earliest of these
    tries: Map[str, int] = field(default_factory=Map)  # writes without effect so far
    failures: Map[str, str] = field(default_factory=Map)  # what the node does not take, and why
    removals: Keys = field(default_factory=Map)  # the target has it, the source does not
    guarded_lived_s: float | None = None  # since when there are suspiciously many of these


NO_BACKLOG = Backlog()
NO_KEYS: Keys = Map()


@dataclass(frozen=True, slots=True)
class MirrorMemory:
    """``ledger``: what was ever written by the mirror and not removed since, on either node."""

    ledger: Ledger = field(default_factory=Map)
    source: str = ""
    target: str = ""
    backlogs: Map[MirrorKind, Backlog] = field(default_factory=Map)
    pauses: Map[str, Pause] = field(default_factory=Map)  # commands that failed, by their key
    shared: bool = False  # both nodes keep their contacts in one place
    doubtful: Keys = field(default_factory=Map)  # contacts to be read on the target first
    verified: Keys = field(default_factory=Map)  # read there: they really differ
    unlooked: Keys = field(default_factory=Map)  # endpoints that the target has not looked at yet
    unlooked_at: float | None = None  # the target's snapshot that these were taken from
    cross_asked: Map[str, Pause] = field(default_factory=Map)  # pauses under way, "node|key"

    def mirrored(self, kind: MirrorKind) -> Keys:
        """The ledger of that kind."""
        return self.ledger.get(kind, NO_KEYS)

    def backlog(self, kind: MirrorKind) -> Backlog:
        return self.backlogs.get(kind, NO_BACKLOG)


def ledger_changes(
    before: Ledger, after: Ledger
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """What came to the ledger and what left it, as kind and key."""
    came: list[tuple[str, str]] = []
    left: list[tuple[str, str]] = []
    if before is not after:
        for kind in MirrorKind:
            old, new = before.get(kind, NO_KEYS), after.get(kind, NO_KEYS)
            if old is not new:
                came += [(str(kind), key) for key in new if key not in old]
                left += [(str(kind), key) for key in old if key not in new]
    return came, left


def ledger_of(keys: Iterable[tuple[str, str]]) -> Ledger:
    """The ledger from its journal; a kind that this version does not know is left out."""
    kinds: dict[MirrorKind, dict[str, bool]] = {}
    for kind, key in keys:
        if kind in tuple(MirrorKind):
            kinds.setdefault(MirrorKind(kind), {})[key] = True
    return Map({kind: Map(known) for kind, known in kinds.items()})


def next_pause(before: Pause | None, now: float, why: str) -> Pause:
    """Each failure in a row doubles the pause."""
    tries = before.tries + 1 if before else 1
    return Pause(tries, now + min(FIRST_PAUSE_S * 2 ** (tries - 1), LONGEST_PAUSE_S), why)
