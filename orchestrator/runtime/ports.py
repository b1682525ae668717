"""What the runtime needs of the outside, named for the role it plays.

The adapters fulfil these without knowing them; ``app`` puts the two together. Every method says
"no" by raising from ``orchestrator.errors``; its message is what the operator reads.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.core.commands import LegPlan, Put
from orchestrator.core.events import Event, Fields
from orchestrator.core.words import MirrorKind, ReferHabit


class Reply(Protocol):
    """Asterisk's answer to an AMI action."""

    @property
    def ok(self) -> bool:
        """``Response: Success``."""

    @property
    def message(self) -> str:
        """What it said."""


class Written(Protocol):
    """What became of a mirrored batch."""

    @property
    def done(self) -> Sequence[str]:
        """Keys that are now as asked for."""

    @property
    def failed(self) -> Mapping[str, str]:
        """Key -> why not."""

    @property
    def shared(self) -> Sequence[str]:
        """Fresh keys that the node had already: both nodes keep them in one place."""


class ContactStore(Protocol):
    """The dynamic PJSIP contacts of one node (ARI)."""

    def fetch(self, keys: Sequence[str]) -> Awaitable[Mapping[str, Fields | None]]:
        """The attributes of each contact; None: there is no such contact."""

    def write(self, puts: Sequence[Put], removals: Sequence[str]) -> Awaitable[Written]:
        """Put these, then remove those; what is gone already counts as removed."""


class Manager(Protocol):
    """Asterisk of one node, to be told what to do (AMI)."""

    def list_items(
        self, kind: MirrorKind, families: Sequence[str]
    ) -> Awaitable[Sequence[tuple[str, Fields]]]:
        """Everything of the kind (CONTACT or ASTDB) on the node."""

    def write_items(
        self, kind: MirrorKind, puts: Sequence[Put], removals: Sequence[str]
    ) -> Awaitable[Written]:
        """Put and remove queue members, astdb keys or custom device states."""

    def pause_member(
        self, queue: str, interface: str, paused: bool, reason: str
    ) -> Awaitable[object]:
        """Pause or unpause a queue's member."""

    def write_ticket(
        self, address: str, call: str, leg: LegPlan, facts: Mapping[str, str]
    ) -> Awaitable[object]:
        """Let the one-time address be called, once and for a short time, by that leg's phone."""

    def leg_facts(self, channel: str, variables: Sequence[str]) -> Awaitable[Mapping[str, str]]:
        """What must travel along with a leg: its place in the dialplan, identity, variables."""

    def forget_tickets(self) -> Awaitable[object]:
        """Remove every ticket, used and expired ones too."""

    def send_legs(
        self, call: str, legs: Sequence[tuple[LegPlan, str, Mapping[str, str]]], to_address: str
    ) -> Awaitable[object]:
        """Send the legs, each to its one-time address on the other node, both at once.

        With each leg its facts; ``to_address``: where SIP reaches the other node.
        """

    def rejoin(self, call: str, channels: Sequence[str]) -> Awaitable[object]:
        """Bring the legs back together on this node; gone ones are as good."""

    def probe_phone(
        self, endpoint: str, address: str, to_address: str, timeout_s: float
    ) -> Awaitable[tuple[ReferHabit | None, str]]:
        """A test call to the phone that is referred to this node itself: its habit, and why."""

    def register_trunk(
        self, name: str, timeout_s: float, *, afresh: bool = False
    ) -> Awaitable[object]:
        """Done when the node is registered with the provider."""

    def unregister_trunk(self, name: str, timeout_s: float) -> Awaitable[object]:
        """Done when the node is no longer registered."""

    def set_drain_flag(self, on: bool) -> Awaitable[object]:
        """Raise or lower the flag that the dialplan include tests."""

    def set_maintenance(self, endpoint: str, on: bool) -> Awaitable[object]:
        """New requests of this endpoint get 503; dialogs live on."""

    def hang_up(self, channels: Sequence[str]) -> Awaitable[object]:
        """Hang up the channels of these names."""

    def ghosts(self) -> Awaitable[Sequence[Event]]:
        """The end of each channel that Asterisk still lists although it is over."""

    def action(self, fields: Sequence[tuple[str, str]], timeout_s: float) -> Awaitable[Reply]:
        """One AMI action as it stands; a refusal by Asterisk does not raise."""


class Host(Protocol):
    """The machine that one node runs on."""

    def address_add(self, epoch: int) -> Awaitable[object]:
        """Hold the virtual IP and announce it; an order older than one before it raises."""

    def address_remove(self, epoch: int) -> Awaitable[object]:
        """Give the virtual IP up and see that it is gone."""

    def process_kill(self) -> Awaitable[object]:
        """Kill Asterisk and see that it is gone."""

    def run(self, argv: Sequence[str], timeout_s: float) -> Awaitable[object]:
        """Run an argument list (no shell); an exit code other than 0 raises."""


class Prober(Protocol):
    """An observer of a node that can be asked to look now."""

    def probe_now(self) -> object:
        """Look at once; what is seen comes as an event."""


class Source(Protocol):
    """An adapter that runs in the background and puts events into the queue."""

    async def run(self) -> None:
        """Run until cancelled."""


class Proof(Protocol):
    """What a test of the service address showed."""

    @property
    def ok(self) -> bool:
        """Somebody serves it."""

    @property
    def says(self) -> str:
        """What was answered, or what was missing."""

    @property
    def answer_ms(self) -> float:
        """How long the answer took."""

    @property
    def contact_host(self) -> str:
        """Host of the test call's Contact: the node's own where dialogs survive a move."""


class Tester(Protocol):
    """Proves that somebody serves the service address."""

    async def __call__(self, timeout_s: float) -> Proof:
        """OPTIONS, then a test call where one is configured."""


class Announcer(Protocol):
    """Tells people; takes the message and never makes the caller wait."""

    def tell(self, severity: str, title: str, text: str) -> None:
        """Queue this message."""


class Sink(Protocol):
    """Where adapters put events."""

    def __call__(self, event: Event) -> object:
        """Take the event; never blocks, never raises."""


@dataclass(frozen=True, slots=True)
class NodePorts:
    """Everything that can be asked of one node; ``host`` is None where none is configured."""

    manager: Manager
    host: Host | None
    probers: tuple[Prober, ...] = ()
    contacts: ContactStore | None = None  # None: no ARI is configured
    sip_address: str = ""  # host:port where the node's SIP is reached, for calls carried to it


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything that the executor can ask."""

    nodes: Mapping[str, NodePorts]
    test_service: Tester
    announcer: Announcer
    hooks: Mapping[str, tuple[str, ...]]  # name -> argument list, on the node's host
    fence_commands: Mapping[str, tuple[str, ...]]  # node -> argument list, run here
    recordings: Path | None = None  # JSON lines: which files are parts of one recording
