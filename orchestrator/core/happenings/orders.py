"""Results of commands, and what operators (or rules, through the engine) ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from orchestrator.core.words import MoveKind


@dataclass(frozen=True, slots=True)
class CommandDone:
    """Result of a command. A result whose epoch is old is dropped by the core."""

    command_id: int
    epoch: int
    ok: bool
    detail: str = ""
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MoveRequested:
    """An operator (or a rule, through the engine) asks for a move."""

    kind: MoveKind
    by: str  # "operator root", "rule active-dead"
    reason: str = ""
    to_node: str = ""  # empty: the other one; failback: the preferred one
    at_most_s: float | None = None  # drain deadline of this move
    force: bool = False  # operator only: go on although readiness or gates say no
    evacuate: bool = False  # do not wait for the calls: carry them to the other node at once


@dataclass(frozen=True, slots=True)
class AbortRequested:
    by: str


@dataclass(frozen=True, slots=True)
class ExtendRequested:
    by: str
    seconds: float


@dataclass(frozen=True, slots=True)
class HoldRequested:
    by: str
    reason: str
    until: float | None = None


@dataclass(frozen=True, slots=True)
class ReleaseRequested:
    by: str


@dataclass(frozen=True, slots=True)
class ProbeRequested:
    """An operator wants to know what these phones do with a REFER (a test call to each)."""

    by: str
    endpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RulesReloaded:
    """Other rules are in force from this step on."""

    by: str
    changes: str  # in words


OperatorEvent: TypeAlias = (
    MoveRequested
    | AbortRequested
    | ExtendRequested
    | HoldRequested
    | ReleaseRequested
    | ProbeRequested
    | RulesReloaded
)
