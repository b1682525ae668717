"""The frozen picture of the pair: all that decisions may read.

Tables are persistent maps (``immutables.Map``): a new picture after each event costs microseconds,
also with thousands of contacts. Times are epoch seconds. Every node's picture knows when it was
last confirmed; when that is too long ago its facts are unknown (``Node.fresh``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from immutables import Map

from orchestrator.core.evacuating.records import Habit as Habit
from orchestrator.core.evacuating.records import Probing as Probing
from orchestrator.core.events import Fields
from orchestrator.core.machine.records import Answer as Answer
from orchestrator.core.machine.records import Asked as Asked
from orchestrator.core.machine.records import Move as Move
from orchestrator.core.machine.records import MoveReport as MoveReport
from orchestrator.core.machine.records import Upkeep as Upkeep
from orchestrator.core.machine.records import Waiting as Waiting
from orchestrator.core.mirroring.memory import MirrorMemory as MirrorMemory
from orchestrator.core.policy import EvacuationPolicy as EvacuationPolicy
from orchestrator.core.policy import FailbackPolicy as FailbackPolicy
from orchestrator.core.policy import MirrorPolicy as MirrorPolicy
from orchestrator.core.policy import NodePolicy as NodePolicy
from orchestrator.core.policy import Policy as Policy
from orchestrator.core.policy import TrunkPolicy as TrunkPolicy
from orchestrator.core.words import (
    ChannelState,
    ContactStatus,
    MirrorKind,
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
    bridge_kind: str = ""  # basic: two talk; base: a conference; holding: somebody waits


@dataclass(frozen=True, slots=True)
class QueueMember:
    interface: str
    name: str
    penalty: int
    paused: bool
    pause_reason: str
    in_call: bool
    status: str
    state_interface: str = ""  # the device whose state counts, where it is not the interface
    membership: str = ""  # dynamic, static or realtime


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
class Listing:
    """Everything of one mirrored kind on a node, as far as it is known."""

    items: Map[str, Fields] = field(default_factory=Map)
    at: float | None = None  # the last full comparison; None: not since the picture was lost
    problem: str = ""  # why the last comparison failed
    changed: Map[str, bool] = field(default_factory=Map)  # keys the mirror has not looked at yet
    touched: Map[str, bool] = field(default_factory=Map)  # changed since a comparison was asked for
    wanted: Map[str, float] = field(default_factory=Map)  # to be read anew, from then on
    doubted: Map[str, bool] = field(default_factory=Map)  # read once more when nothing changed
    owners: Map[str, frozenset[str]] = field(default_factory=Map)  # contacts by endpoint
    hears_auth: bool = False  # the node's security events come in
    unnoticed: int = 0  # refreshes that only the last comparison noticed


NO_LISTING = Listing()


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
    clock_ahead_s: float | None = None  # its clock minus ours
    clock_error_s: float = 0.0
    listings: Map[MirrorKind, Listing] = field(default_factory=Map)
    cross_paused: frozenset[str] = frozenset()  # "queue|interface" we paused; not seen unpaused yet

    def listing(self, kind: MirrorKind) -> Listing:
        """What is known of that kind; empty and never compared when nothing is."""
        return self.listings.get(kind) or NO_LISTING

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
    forgiven_at: float = 0.0  # automatic moves before are not counted any more: a hold was lifted
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
    habits: Map[str, Habit] = field(default_factory=Map)  # by User-Agent
    probing: Probing | None = None
    mirror: MirrorMemory = field(default_factory=MirrorMemory)

    def standby(self, policy: Policy) -> str:
        """The node that is not active; empty while it is not known who is."""
        return policy.other(self.active) if self.active else ""
