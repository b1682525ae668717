"""What the core may be told. Adapters make these; nothing else enters the core.

Every event of a node carries its name as in the configuration. Times are epoch seconds and are
stamped by the loop, not here: an event says *what*, the batch says *when*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from orchestrator.core.happenings.carried import AuthSeen as AuthSeen
from orchestrator.core.happenings.carried import ClockSeen as ClockSeen
from orchestrator.core.happenings.carried import Compared as Compared
from orchestrator.core.happenings.carried import CopySeen as CopySeen
from orchestrator.core.happenings.carried import Fields as Fields
from orchestrator.core.happenings.carried import LegSeen as LegSeen
from orchestrator.core.happenings.carried import PhoneProbed as PhoneProbed
from orchestrator.core.happenings.orders import AbortRequested as AbortRequested
from orchestrator.core.happenings.orders import CommandDone as CommandDone
from orchestrator.core.happenings.orders import ExtendRequested as ExtendRequested
from orchestrator.core.happenings.orders import HoldRequested as HoldRequested
from orchestrator.core.happenings.orders import MoveRequested as MoveRequested
from orchestrator.core.happenings.orders import OperatorEvent as OperatorEvent
from orchestrator.core.happenings.orders import ProbeRequested as ProbeRequested
from orchestrator.core.happenings.orders import ReleaseRequested as ReleaseRequested
from orchestrator.core.happenings.orders import RulesReloaded as RulesReloaded
from orchestrator.core.words import (
    ChannelState,
    ContactStatus,
    Observer,
    Outcome,
    RegistrationStatus,
)

# --- observers and links ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed. The loop sends one at a steady pace; silence is counted in ticks lived."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One observer's look at one node; sent for each answered probe and each failed one."""

    node: str
    observer: Observer
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PictureLost:
    """The AMI event stream of a node broke: what we know of its calls and phones is stale."""

    node: str
    detail: str


@dataclass(frozen=True, slots=True)
class AddressSeen:
    """The node's host says whether it holds the virtual IP; None when it can't be asked."""

    node: str
    holds: bool | None
    gave_up: bool = False  # its guard released it: it was isolated, or another announced it
    guarded: bool = False  # its guard is armed: isolated, it gives the address up by itself


# --- the picture of one node ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ContactSeen:
    """A phone's or static contact (PJSIP ``ContactStatus``, chan_sip ``PeerStatus``).

    Status unknown: it is there, how well it can be reached was not said; keep what is known.
    """

    node: str
    aor: str
    uri: str
    status: ContactStatus
    rtt_ms: float | None = None
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class RegistrationSeen:
    """A trunk registration of the node. Live events name only the URIs (``Registry``)."""

    node: str
    client_uri: str
    server_uri: str
    status: RegistrationStatus
    name: str = ""  # the object's name, known from snapshots
    cause: str = ""


@dataclass(frozen=True, slots=True)
class EndpointSeen:
    """Endpoint or device state (``DeviceStateChange``), e.g. device ``PJSIP/1001``."""

    node: str
    device: str
    state: str  # AMI word in lower case: not_inuse, inuse, busy, ringing, unavailable, ...


@dataclass(frozen=True, slots=True)
class ChannelSeen:
    """A channel is new or changed. Empty or None: not said this time, keep what is known."""

    node: str
    uniqueid: str
    name: str
    state: ChannelState | None
    linkedid: str = ""
    caller_number: str = ""
    caller_name: str = ""
    connected_number: str = ""
    exten: str = ""
    application: str = ""
    age_s: float | None = None  # from a snapshot: how long it existed already


@dataclass(frozen=True, slots=True)
class ChannelGone:
    """``Hangup``. Failures are classified by this cause (Q.850), not by DialEnd."""

    node: str
    uniqueid: str
    cause: int
    cause_text: str = ""
    tech_cause: str = ""  # Asterisk 22: the SIP code


@dataclass(frozen=True, slots=True)
class DialSeen:
    """``DialBegin`` (status "") and ``DialEnd`` (its DialStatus)."""

    node: str
    uniqueid: str
    dest_uniqueid: str
    dest_name: str
    status: str = ""


@dataclass(frozen=True, slots=True)
class BridgeSeen:
    """A channel entered (``bridge``) or left (``""``) a bridge."""

    node: str
    uniqueid: str
    bridge: str
    kind: str = ""  # BridgeType: basic (two talk), base (a conference), holding, ...
    linkedid: str = ""  # that of the oldest in the bridge (bridge_channel.c)


@dataclass(frozen=True, slots=True)
class QueueMemberSeen:
    node: str
    queue: str
    interface: str
    name: str = ""
    penalty: int = 0
    paused: bool = False
    pause_reason: str = ""
    in_call: bool = False
    status: str = ""  # device state word
    removed: bool = False
    state_interface: str = ""  # the device whose state counts, where it is not the interface
    membership: str = ""  # dynamic, static or realtime


@dataclass(frozen=True, slots=True)
class QueueCallerSeen:
    """A caller waits (position >= 1) or no longer waits (position 0)."""

    node: str
    queue: str
    uniqueid: str
    position: int
    caller_number: str = ""
    waited_s: float = 0.0
    answered: bool = False
    abandoned: bool = False


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Version and uptime of the Asterisk process (``CoreSettings``, ``CoreStatus``)."""

    node: str
    asterisk_version: str = ""
    booted_at: float | None = None
    can_set_maintenance: bool = False  # PJSIPSetMaintenance is there


NodeEvent: TypeAlias = (
    ContactSeen
    | RegistrationSeen
    | EndpointSeen
    | ChannelSeen
    | ChannelGone
    | DialSeen
    | BridgeSeen
    | QueueMemberSeen
    | QueueCallerSeen
    | NodeFacts
    | AuthSeen
    | CopySeen
    | Compared
    | LegSeen
    | PhoneProbed
    | ClockSeen
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything of a node at once, after a (re)connect: replaces its whole picture.

    ``missing`` names the parts that could not be asked for (no privilege, no module, no answer):
    ``contacts``, ``registrations``, ``devices``, ``channels``, ``queues``. They stay unknown.
    """

    node: str
    content: tuple[NodeEvent, ...]
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reloaded:
    node: str
    module: str


@dataclass(frozen=True, slots=True)
class ShuttingDown:
    """Asterisk said goodbye (``Shutdown``); restart tells whether it means to come back."""

    node: str
    restart: bool


@dataclass(frozen=True, slots=True)
class EventsDropped:
    """The intake dropped events that do not change state (``count``), or lost sync (snapshot)."""

    node: str
    count: int


Event: TypeAlias = (
    Tick
    | Observed
    | PictureLost
    | AddressSeen
    | NodeEvent
    | Snapshot
    | Reloaded
    | ShuttingDown
    | EventsDropped
    | CommandDone
    | OperatorEvent
)
