"""What the machine keeps between steps: results awaited, repairs, answers, what waits."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.commands import AnyCommand
from orchestrator.core.events import MoveRequested, OperatorEvent


@dataclass(frozen=True, slots=True)
class Asked:
    """A command whose result is awaited. ``key`` names what it is for, within the move."""

    command: AnyCommand
    key: str
    overdue_lived_s: float  # the pair's lived time at which no result is a failure


@dataclass(frozen=True, slots=True)
class Upkeep:
    """A repair of the steady state: how often it was tried and when it may be tried again."""

    since: float
    tries: int = 0
    next_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operator is told at once; belongs to the step that took the request."""

    request: OperatorEvent
    accepted: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A rule's failover that could not begin yet; tried again until it can or needs not."""

    request: MoveRequested
    from_node: str
    since: float
    why: str
