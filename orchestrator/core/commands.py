"""What the core may ask for. The executor turns each into one adapter call with a deadline.

``id`` and ``epoch`` come back in ``CommandDone``. Every command is safe to repeat: its adapter
checks the present state first, because after a crash the journal may ask for it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from orchestrator.core.events import Fields
from orchestrator.core.words import Carry, FenceMethod, LegRole, MirrorKind, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    id: int
    epoch: int
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAddress(Command):
    """The node's host adds the virtual IP and announces it (gratuitous ARP)."""

    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveAddress(Command):
    """The node's host removes the virtual IP; ok only when it is seen to be gone."""

    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence(Command):
    """Make certain by this method that the node can serve nothing; ok only when certain."""

    node: str
    method: FenceMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterTrunk(Command):
    """PJSIPRegister, done when the node reports it registered.

    ``afresh``: also when it says so already, since another one may have taken its place at the
    provider meanwhile.
    """

    node: str
    registration: str
    afresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UnregisterTrunk(Command):
    """PJSIPUnregister, done when the node reports it unregistered."""

    node: str
    registration: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDrainFlag(Command):
    """Raise or lower the flag that the dialplan include tests (astdb orchestrator/drain)."""

    node: str
    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMaintenance(Command):
    """PJSIPSetMaintenance on a trunk endpoint: new requests get 503, dialogs live on."""

    node: str
    endpoint: str
    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp(Command):
    """Hang up these channels (stuck ones, or the rest at the deadline when policy is cut)."""

    node: str
    channels: tuple[str, ...]  # channel names


@dataclass(frozen=True, slots=True, kw_only=True)
class Recount(Command):
    """Look which channels are really there; each that is not comes back as ``ChannelGone``.

    Asterisk sends no Hangup for a leg that was hung up while its phone owed the end of a REFER,
    and lists it on, for minutes. Changes nothing.
    """

    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify(Command):
    """Prove that the service address is served: SIP OPTIONS, then a test call.

    Result data: ``contact_host`` of the test call's answer, ``answer_ms``.
    """

    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHook(Command):
    """Run a configured command (argument list, no shell) on the node's host."""

    node: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeNow(Command):
    """Ask every observer of the node to look at once; needs no result."""

    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch(Command):
    """Read these keys anew on the node; each comes back as ``CopySeen``. Changes nothing."""

    node: str
    kind: MirrorKind
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare(Command):
    """List everything of the kind on the node; comes back as ``Compared``. Changes nothing."""

    node: str
    kind: MirrorKind
    families: tuple[str, ...] = ()  # ASTDB only


@dataclass(frozen=True, slots=True)
class Put:
    """One thing as it shall be. ``fresh``: it never came from the mirror before.

    A fresh contact is looked at first: when it is there already and is the same registration
    (its ``call_id``), both nodes keep their contacts in one place and nothing is written.
    """

    key: str
    fields: Fields
    fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror(Command):
    """Make the standby as the active is: put these, then remove those.

    Not atomic. Result data: ``done`` (keys), ``failed`` (key -> why), ``shared`` (keys that were
    there already). Fields: CONTACT as in ``CopySeen``; ASTDB ``value``; MEMBER ``name``,
    ``penalty``, ``paused`` (1 or 0), ``pause_reason``, ``state_interface``, key
    ``queue|interface``; DEVICE ``state``, key the device.
    """

    node: str
    kind: MirrorKind
    puts: tuple[Put, ...] = ()
    removals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualify(Command):
    """Let the node look at these endpoints' phones now (PJSIPQualify).

    After its start Asterisk spreads the first looks over ``qualify_frequency``, and until then
    app_queue takes the agents for unavailable (res_pjsip/pjsip_options.c).
    """

    node: str
    endpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseMember(Command):
    """Pause or unpause a queue's member, so that it is not rung while it talks elsewhere."""

    node: str
    queue: str
    interface: str
    paused: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LegPlan:
    """One leg of a call that is carried over."""

    channel: str
    endpoint: str  # whose phone: only it may use the one-time address; "" for a trunk's leg
    role: LegRole
    carry: Carry
    queue: str = ""  # WAITING, and a conversation that a queue delivered
    position: int = 0  # WAITING: place in line
    agent: str = ""  # SECOND of a queue's conversation: the member's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Evacuate(Command):
    """Write one-time tickets on ``to_node``, then send the legs there, both at once.

    Ok: Asterisk took the order; how each leg fares comes as ``LegSeen`` under ``call``. Not ok:
    nothing was touched, the call goes on (a ticket that is left expires by itself).
    """

    node: str
    to_node: str
    call: str
    legs: tuple[LegPlan, ...]
    variables: tuple[str, ...] = ()  # channel variables that travel along


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejoin(Command):
    """Bring legs whose evacuation hangs back together on the old node. Gone ones are as good."""

    node: str
    call: str
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePhone(Command):
    """A short test call to the phone that is referred to itself; comes back as ``PhoneProbed``."""

    node: str
    endpoint: str
    user_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AmiAction(Command):
    """A rule's own AMI action on the node."""

    node: str
    action: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify(Command):
    """Tell people; never waited for by a decision."""

    severity: Severity
    title: str
    text: str


AnyCommand: TypeAlias = (
    AddAddress
    | RemoveAddress
    | Fence
    | RegisterTrunk
    | UnregisterTrunk
    | SetDrainFlag
    | SetMaintenance
    | HangUp
    | Recount
    | Verify
    | RunHook
    | ProbeNow
    | Fetch
    | Compare
    | Mirror
    | Qualify
    | PauseMember
    | Evacuate
    | Rejoin
    | ProbePhone
    | AmiAction
    | Notify
)

# Change nothing anywhere: all that a dry run may ask for.
Reading: TypeAlias = ProbeNow | Recount | Fetch | Compare

# Safe to lose and to repeat: worked out anew from what is seen next. Thousands an hour.
Quiet: TypeAlias = ProbeNow | Notify | Fetch | Compare | Mirror | Qualify | Recount
