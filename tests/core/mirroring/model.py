"""Two modelled nodes that the mirror is played on: they obey, refuse, forget, and have clocks."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from immutables import Map

from orchestrator.core.commands import (
    AnyCommand,
    Compare,
    Fetch,
    Mirror,
    PauseMember,
    Qualify,
)
from orchestrator.core.events import (
    AddressSeen,
    AuthSeen,
    ClockSeen,
    CommandDone,
    Compared,
    ContactSeen,
    CopySeen,
    EndpointSeen,
    Event,
    Fields,
    NodeEvent,
    PictureLost,
    QueueMemberSeen,
    Snapshot,
)
from orchestrator.core.machine.results import command_done, expire
from orchestrator.core.machine.work import Work
from orchestrator.core.mirror import keep_mirrored
from orchestrator.core.mirroring.memory import Ledger, ledger_changes, ledger_of
from orchestrator.core.observe import observe_all
from orchestrator.core.picture.listed import contact_key
from orchestrator.core.state import MirrorPolicy, Node, NodePolicy, Pair, Policy
from orchestrator.core.words import ContactStatus, MirrorKind, Phase, Verdict

START = 1_800_000_000.0
POLICY = Policy(
    nodes=(NodePolicy("pbx-a", "10.0.0.1"), NodePolicy("pbx-b", "10.0.0.2")),
    mirror=MirrorPolicy(families=("CF", "DND")),
)
TICK_S = 0.1


@dataclass
class Member:
    """A queue's member as a node has it."""

    penalty: int = 0
    paused: bool = False
    reason: str = ""
    membership: str = "dynamic"
    status: str = "not_inuse"


@dataclass
class Box:
    """One Asterisk. ``ahead_s``: its clock minus the true one."""

    name: str
    ahead_s: float = 0.0
    connected: bool = True
    ari_down: bool = False
    looked: ContactStatus = ContactStatus.REACHABLE  # what its snapshot says of every phone
    contacts: dict[str, Fields] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    astdb: dict[str, Fields] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)
    refuses: set[str] = field(default_factory=set)  # keys it does not take


class Playground:
    """The pair, time, and what is under way between orchestrator and nodes."""

    def __init__(self, seed: int = 0, policy: Policy = POLICY) -> None:
        self.policy, self.random = policy, random.Random(seed)
        self.now = START
        self.boxes = {name: Box(name) for name in ("pbx-a", "pbx-b")}
        self.holder = "pbx-a"
        self.inbox: list[tuple[float, Event]] = []
        self.sent: list[AnyCommand] = []
        self.asked_writes = 0
        self.shared_store = False
        self.qualified: list[str] = []
        self.start(Map())

    # --- the orchestrator

    def start(self, ledger: Ledger) -> None:
        """Begin, or begin again after a crash, with what the journal kept."""
        nodes = Map({name: Node(name, verdict=Verdict.HEALTHY) for name in self.boxes})
        self.state = Pair(nodes=nodes, phase=Phase.STEADY, active=self.holder, now=self.now)
        self.state = replace(self.state, mirror=replace(self.state.mirror, ledger=ledger))
        self.inbox.clear()
        for name, box in self.boxes.items():
            self.tell(AddressSeen(name, name == self.holder))
            if box.connected:
                self.connect(name)

    def restart(self) -> None:
        kept, _ = ledger_changes(Map(), self.state.mirror.ledger)
        paused = {name: node.cross_paused for name, node in self.state.nodes.items()}
        self.start(ledger_of(kept))
        nodes = self.state.nodes
        for name, keys in paused.items():
            nodes = nodes.set(name, replace(nodes[name], cross_paused=keys))
        self.state = replace(self.state, nodes=nodes)

    def run(self, seconds: float, tick_s: float = TICK_S) -> None:
        until = self.now + seconds
        while self.now < until - 1e-9:
            self.now += tick_s
            self.step(tick_s)

    def step(self, tick_s: float) -> None:
        for box in self.boxes.values():
            self._sweep(box)
        due = [event for at, event in self.inbox if at <= self.now]
        self.inbox = [(at, event) for at, event in self.inbox if at > self.now]
        state = replace(self.state, now=self.now, lived_s=self.state.lived_s + tick_s)
        nodes = state.nodes
        for name, box in self.boxes.items():
            if box.connected and nodes[name].in_sync:
                nodes = nodes.set(name, replace(nodes[name], confirmed_at=self.now))
        work = Work(replace(state, nodes=nodes), self.policy, self.now)
        for event in due:
            if isinstance(event, CommandDone):
                command_done(work, event)
            else:
                work.state = observe_all(work.state, (event,), self.now, self.policy)
        expire(work)
        ledger = work.state.mirror.ledger
        keep_mirrored(work)
        self.check(work, ledger)
        self.state = work.state
        for command in work.commands:
            self.sent.append(command)
            self.carry_out(command)

    def check(self, work: Work, ledger: Ledger) -> None:
        """What must be so of every decision."""
        for command in work.commands:
            if isinstance(command, Mirror):
                assert command.node != self.told_holder(work), "written to the holder"
                known = ledger.get(command.kind, Map())
                assert set(command.removals) <= set(known), "removed what was never mirrored"
                assert len(command.puts) + len(command.removals) <= 200
                assert work.node(command.node).in_sync
                source = work.node(work.policy.other(command.node))
                assert source.in_sync and source.holds_address
        flying = [asked.key for asked in work.state.asked.values()]
        assert len(flying) == len(set(flying)), "the same thing asked for twice at once"

    @staticmethod
    def told_holder(work: Work) -> str:
        holders = [node.name for node in work.state.nodes.values() if node.holds_address]
        return holders[0] if len(holders) == 1 else "nobody is certain"

    # --- the nodes

    def tell(self, event: Event, delay_s: float | None = None) -> None:
        """The event comes in a moment; events of one node keep their order."""
        box = self.boxes.get(getattr(event, "node", ""))
        if isinstance(event, NodeEvent) and box is not None and not box.connected:
            return
        self.inbox.append((self.now + (0.01 if delay_s is None else delay_s), event))

    def connect(self, name: str) -> None:
        box = self.boxes[name]
        box.connected = True
        content: list[NodeEvent] = [
            self._member_event(name, key, member) for key, member in box.members.items()
        ]
        content += [EndpointSeen(name, device, state) for device, state in box.devices.items()]
        content += [
            ContactSeen(name, key.partition(";")[0], dict(fields)["uri"], box.looked)
            for key, fields in box.contacts.items()
        ]
        self.tell(Snapshot(name, tuple(content)))
        self.tell(ClockSeen(name, box.ahead_s, 0.001))

    def lose(self, name: str) -> None:
        self.boxes[name].connected = False
        self.inbox.append((self.now, PictureLost(name, "gone")))

    def move_address(self, to: str) -> None:
        """One host may tell of it later than the other, but none before its own earlier words."""
        self.holder = to
        for name in self.boxes:
            told = [at for at, e in self.inbox if isinstance(e, AddressSeen) and e.node == name]
            delay_s = max([self.random.choice((0.01, 0.3)), *(at - self.now for at in told)])
            self.tell(AddressSeen(name, name == to), delay_s)

    def register(self, name: str, number: int, lasts_s: float = 60.0, port: int = 5060) -> str:
        """A phone registers or refreshes."""
        box, uri = self.boxes[name], f"sip:{number}@10.9.0.1:{port}"
        key = contact_key(str(number), uri)
        known = key in box.contacts
        fields = (
            ("call_id", f"call-{number}-{port}"),
            ("endpoint", str(number)),
            ("expiration_time", str(int(self.now + box.ahead_s + lasts_s))),
            ("uri", uri),
        )
        for each in self.boxes.values() if self.shared_store else (box,):
            each.contacts[key] = fields
        if not known:
            self.tell(ContactSeen(name, str(number), uri, ContactStatus.UNQUALIFIED))
        self.tell(AuthSeen(name, str(number)))
        return key

    def unregister(self, name: str, key: str) -> None:
        fields = self.boxes[name].contacts.pop(key)
        self.tell(
            ContactSeen(name, key.partition(";")[0], dict(fields)["uri"], ContactStatus.REMOVED)
        )

    def _sweep(self, box: Box) -> None:
        over = [
            key
            for key, fields in box.contacts.items()
            if float(dict(fields)["expiration_time"]) < self.now + box.ahead_s
        ]
        for key in over:
            self.unregister(box.name, key)

    def set_member(self, name: str, key: str, **values: object) -> None:
        members = self.boxes[name].members
        members[key] = replace(members.get(key, Member()), **values)  # type: ignore[arg-type]
        self.tell(self._member_event(name, key, members[key]))

    def drop_member(self, name: str, key: str) -> None:
        del self.boxes[name].members[key]
        queue, _, interface = key.partition("|")
        self.tell(QueueMemberSeen(name, queue, interface, removed=True))

    @staticmethod
    def _member_event(name: str, key: str, member: Member) -> QueueMemberSeen:
        queue, _, interface = key.partition("|")
        return QueueMemberSeen(
            name, queue, interface, interface, member.penalty, member.paused, member.reason,
            status=member.status, membership=member.membership,
        )  # fmt: skip

    def set_device(self, name: str, device: str, state: str) -> None:
        self.boxes[name].devices[device] = state
        self.tell(EndpointSeen(name, device, state))

    # --- what the orchestrator asks for

    def carry_out(self, command: AnyCommand) -> None:
        assert isinstance(command, Fetch | Compare | Mirror | Qualify | PauseMember), command
        box = self.boxes[command.node]
        after_s = self.random.uniform(0.0, 0.3)
        uses_ari = isinstance(command, Fetch) or (
            isinstance(command, Mirror) and command.kind is MirrorKind.CONTACT
        )
        if not box.connected or (uses_ari and box.ari_down):
            if isinstance(command, Compare):
                self.tell(Compared(box.name, command.kind, problem="not connected"), after_s)
            self._done(command, after_s, False, {})
            return
        data: dict[str, object] = {}
        if isinstance(command, Fetch):
            for key in command.keys:
                fields = box.contacts.get(key)
                self.tell(CopySeen(box.name, command.kind, key, fields), after_s)
        elif isinstance(command, Compare):
            table = box.contacts if command.kind is MirrorKind.CONTACT else box.astdb
            self.tell(Compared(box.name, command.kind, tuple(table.items())), after_s)
        elif isinstance(command, Mirror):
            self.asked_writes += 1
            data = self._mirror(box, command)
        elif isinstance(command, Qualify):
            self.qualified += command.endpoints
        else:
            key = f"{command.queue}|{command.interface}"
            self.set_member(box.name, key, paused=command.paused, reason=command.reason)
        self._done(command, after_s, not data.get("failed"), data)

    def _done(self, command: AnyCommand, after_s: float, ok: bool, data: dict[str, object]) -> None:
        detail = "" if ok else "refused"
        self.inbox.append(
            (self.now + after_s, CommandDone(command.id, command.epoch, ok, detail, data))
        )

    def _mirror(self, box: Box, command: Mirror) -> dict[str, object]:
        done: list[str] = []
        failed: dict[str, str] = {}
        shared: list[str] = []
        for put in command.puts:
            there = box.contacts.get(put.key) if command.kind is MirrorKind.CONTACT else None
            if put.key in box.refuses:
                failed[put.key] = "no"
            elif put.fresh and there and dict(there)["call_id"] == dict(put.fields)["call_id"]:
                shared.append(put.key)
            else:
                self._put(box, command.kind, put.key, put.fields)
                done.append(put.key)
        for key in command.removals:
            self._remove(box, command.kind, key)
            done.append(key)
        return {"done": tuple(done), "failed": failed, "shared": tuple(shared)}

    def _put(self, box: Box, kind: MirrorKind, key: str, fields: Fields) -> None:
        values = dict(fields)
        if kind is MirrorKind.CONTACT:
            new = key not in box.contacts
            box.contacts[key] = fields
            if new:
                self.tell(
                    ContactSeen(
                        box.name, values["endpoint"], values["uri"], ContactStatus.UNQUALIFIED
                    )
                )
        elif kind is MirrorKind.ASTDB:
            box.astdb[key] = fields
        elif kind is MirrorKind.DEVICE:
            self.set_device(box.name, key, values["state"])
        else:
            self.set_member(
                box.name, key, penalty=int(values["penalty"]), paused=values["paused"] == "1",
                reason=values["pause_reason"],
            )  # fmt: skip

    def _remove(self, box: Box, kind: MirrorKind, key: str) -> None:
        if kind is MirrorKind.CONTACT and key in box.contacts:
            self.unregister(box.name, key)
        elif kind is MirrorKind.ASTDB:
            box.astdb.pop(key, None)
        elif kind is MirrorKind.MEMBER and key in box.members:
            self.drop_member(box.name, key)

    # --- looking at it

    def writes(self, node: str = "", kind: MirrorKind | None = None) -> list[Mirror]:
        return [
            command
            for command in self.sent
            if isinstance(command, Mirror)
            and node in ("", command.node)
            and kind in (None, command.kind)
        ]

    def expiry(self, name: str, key: str) -> float:
        """When the contact ends, in true time."""
        box = self.boxes[name]
        return float(dict(box.contacts[key])["expiration_time"]) - box.ahead_s
