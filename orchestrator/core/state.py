"""The frozen picture of the pair: all that decisions may read.

Tables are persistent maps (``immutables.Map``): a new picture after each event costs microseconds,
also with thousands of contacts. Times are epoch seconds. Every node's picture knows when it was
last confirmed; when that is too long ago its facts are unknown (``Node.fresh``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from immutables import Map

from orchestrator.core.machine.records import Answer as Answer
from orchestrator.core.machine.records import Asked as Asked
from orchestrator.core.machine.records import Upkeep as Upkeep
from orchestrator.core.machine.records import Waiting as Waiting
from orchestrator.core.policy import FailbackPolicy as FailbackPolicy
from orchestrator.core.policy import NodePolicy as NodePolicy
from orchestrator.core.policy import Policy as Policy
from orchestrator.core.policy import TrunkPolicy as TrunkPolicy
from orchestrator.core.words import (
    AtDeadline,
    ChannelState,
    ContactStatus,
    DrainMode,
    MoveKind,
    Observer,
    Outcome,
    Phase,
    RegistrationStatus,
    Verdict,
)

# --- facts about one node ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Observation:
    """The last look of one observer. ``lived_s`` is the pair's lived time at that look."""

    outcome: Outcome
    at: float
    lived_s: float
    since: float  # when this outcome began
    # lived time when it last heard the node at all (ANSWERS, STOPPED, GONE, DENIED); None: never
    answered_lived_s: float | None = None
    heard_since_lived_s: float = 0.0  # heard since then without a silence in between
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Contact:
    aor: str
    uri: str
    status: ContactStatus
    since: float
    rtt_ms: float | None = None
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class Registration:
    """An outbound registration, keyed by (client_uri, server_uri)."""

    name: str
    client_uri: str
    server_uri: str
    status: RegistrationStatus
    since: float
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    uniqueid: str
    name: str
    state: ChannelState
    created_at: float
    linkedid: str = ""
    caller_number: str = ""
    caller_name: str = ""
    connected_number: str = ""
    exten: str = ""
    application: str = ""
    bridge: str = ""
    answered_at: float | None = None
    queue: str = ""  # waiting in, or delivered by, this queue
    dialled: bool = False  # an outbound leg made by Dial or Queue
    dials: bool = False  # it began a dial: how that ended is told by the legs it made


@dataclass(frozen=True, slots=True)
class QueueMember:
    interface: str
    name: str
    penalty: int
    paused: bool
    pause_reason: str
    in_call: bool
    status: str


@dataclass(frozen=True, slots=True)
class QueueCaller:
    uniqueid: str
    position: int
    caller_number: str
    joined_at: float


@dataclass(frozen=True, slots=True)
class Queue:
    name: str
    members: Map[str, QueueMember] = field(default_factory=Map)
    callers: Map[str, QueueCaller] = field(default_factory=Map)


@dataclass(frozen=True, slots=True)
class Counters:
    """Ever-rising counts since the orchestrator's start; windows over them live in the rules."""

    calls_attempted: int = 0  # dials begun
    calls_answered: int = 0
    calls_failed: int = 0  # ended unanswered by a network or equipment cause
    failed_by_cause: Map[int, int] = field(default_factory=Map)
    trunk_calls_attempted: int = 0
    trunk_calls_failed: int = 0
    contacts_lost: int = 0
    registrations_lost: int = 0
    callers_abandoned: int = 0
    reloads: int = 0
    events_dropped: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    observations: Map[Observer, Observation] = field(default_factory=Map)
    verdict: Verdict = Verdict.UNKNOWN
    verdict_since: float = 0.0
    verdict_why: str = "nothing heard yet"
    confirmed_at: float | None = None  # the picture below was last known to be true
    in_sync: bool = False  # a snapshot came and the event stream has not broken since
    holds_address: bool | None = None
    address_at: float | None = None  # when the host last said so
    gave_up_address: bool = False
    guarded: bool = False
    could_serve: bool = True  # False: it is certain that it has not got the address
    adding: int = 0  # id of an AddAddress whose outcome is open; 0: none
    added: int = 0  # id of the last AddAddress: an older removal's late result says nothing
    settled_at: float | None = None  # when an order to add or remove it was known to be done
    drain_flag: bool = False  # we raised it and have not seen it lowered
    maintenance: frozenset[str] = frozenset()  # endpoints we closed and have not seen reopened
    probed_at: float | None = None  # when every observer was last asked to look at once
    shutting_down: bool = False
    asterisk_version: str = ""
    booted_at: float | None = None
    can_set_maintenance: bool = False
    missing: frozenset[str] = frozenset()  # parts the last snapshot could not ask for: unknown
    contacts: Map[str, Contact] = field(default_factory=Map)  # by "aor/uri"
    registrations: Map[tuple[str, str], Registration] = field(default_factory=Map)
    devices: Map[str, str] = field(default_factory=Map)
    channels: Map[str, Channel] = field(default_factory=Map)
    queues: Map[str, Queue] = field(default_factory=Map)
    counters: Counters = Counters()

    def fresh(self, now: float, stale_s: float) -> bool:
        """Whether phones, trunks, calls and queues of this picture may be believed."""
        return self.confirmed_at is not None and now - self.confirmed_at <= stale_s


# --- the pair ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hold:
    """Decide nothing. Set by an operator, or by the machine when it calls a human."""

    by: str
    reason: str
    since: float
    until: float | None = None


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
    retry_lived_s: float = 0.0  # the next test call is not made before the pair lived this long
    vouched: str = ""  # why the old active serves nothing although its host may hold the address
    touched: bool = False  # the old active was asked to give the address up
    turned: str = ""  # the sentence with which it last changed its direction


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


RuleMemory: TypeAlias = Map[str, object]  # owned by core/rules.py


@dataclass(frozen=True, slots=True)
class Pair:
    """State of everything: the only argument of a decision besides the batch and the time."""

    nodes: Map[str, Node]
    now: float = 0.0
    lived_s: float = 0.0  # seconds the loop really lived through
    phase: Phase = Phase.LEARNING
    phase_since: float = 0.0
    active: str = ""  # empty: not known
    active_since: float = 0.0
    epoch: int = 0
    hold: Hold | None = None
    move: Move | None = None
    history: tuple[MoveReport, ...] = ()
    next_command: int = 1
    next_move: int = 1
    rules: RuleMemory = field(default_factory=Map)
    notes: tuple[str, ...] = ()  # why the last decision was, or was not, taken
    recalled: str = ""  # who was active by the journal; evidence while learning
    phase_before: Phase = Phase.STEADY  # by the journal, at the stop
    learning_lived_s: float = 0.0  # the pair's lived time when learning began
    asked: Map[int, Asked] = field(default_factory=Map)
    upkeep: Map[str, Upkeep] = field(default_factory=Map)
    waiting: Waiting | None = None
    answers: tuple[Answer, ...] = ()  # to the requests of the last step
    last_tick: float | None = None

    def standby(self, policy: Policy) -> str:
        """The node that is not active; empty while it is not known who is."""
        return policy.other(self.active) if self.active else ""
