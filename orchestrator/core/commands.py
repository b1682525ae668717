"""What the core may ask for. The executor turns each into one adapter call with a deadline.

``id`` and ``epoch`` come back in ``CommandDone``. Every command is safe to repeat: its adapter
checks the present state first, because after a crash the journal may ask for it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from orchestrator.core.words import FenceMethod, Severity


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
    | Verify
    | RunHook
    | ProbeNow
    | AmiAction
    | Notify
)
