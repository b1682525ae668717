"""What the machine keeps between steps: the move, results awaited, repairs, answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from immutables import Map

from orchestrator.core.commands import AnyCommand
from orchestrator.core.evacuating.records import Evacuation
from orchestrator.core.events import MoveRequested, OperatorEvent
from orchestrator.core.words import AtDeadline, DrainMode, MoveKind


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


@dataclass(frozen=True, slots=True)
class Move:
    """One move from one node to the other, in progress."""

    number: int
    kind: MoveKind
    from_node: str
    to_node: str
    by: str
    reason: str
    started_at: float
    phase_since: float
    mode: DrainMode | None = None  # None for a failover
    deadline_at: float | None = None  # end of the drain
    at_deadline: AtDeadline = AtDeadline.WAIT
    pending: frozenset[int] = frozenset()  # commands asked for in this phase, not yet done
    failures: tuple[str, ...] = ()
    attempt: int = 1  # of the present phase
    calls_at_start: int = 0
    cut: tuple[str, ...] = ()  # what was hung up at the deadline, in words
    promoted: bool = False  # the address stands on to_node
    aborting: str = ""  # who aborted
    results: Map[str, str] = field(default_factory=Map)  # by key: "" is ok, else the failure
    phase_lived_s: float = 0.0  # the pair's lived time when the phase began
    force: bool = False  # the operator vouches: go on although gates say no
    turns: int = 0  # how often the move changed direction
    warned_at: float | None = None  # when people were last told that the drain is overdue
    contact_host: str = ""  # who answered the last test call, by its Contact
    lone_lived_s: float | None = None  # lived time since when only stuck channels are left
    recounted_lived_s: float = 0.0  # when it was last looked which channels are really there
    retry_lived_s: float = 0.0  # the next test call is not made before the pair lived this long
    vouched: str = ""  # why the old active serves nothing although its host may hold the address
    touched: bool = False  # the old active was asked to give the address up
    turned: str = ""  # the sentence with which it last changed its direction
    evacuate: bool = False  # its calls are carried over at once, not when the deadline comes
    evacuation: Evacuation | None = None  # once calls began to be carried over


@dataclass(frozen=True, slots=True)
class MoveReport:
    """A move that ended, for history and limits."""

    number: int
    kind: MoveKind
    from_node: str
    to_node: str
    by: str
    reason: str
    started_at: float
    ended_at: float
    outcome: str  # active | rolled-back | aborted | held
    sentence: str
    cut: tuple[str, ...] = ()
    carried: int = 0  # calls that the new node has
    linked: tuple[str, ...] = ()  # calls that went on over both nodes, in words
    stayed: tuple[str, ...] = ()  # calls that could not be carried over, each with the reason
    lost: tuple[str, ...] = ()  # calls that ended on the way
