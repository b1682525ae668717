"""A modelled pair under a virtual clock: nodes, hosts with guards, links, calls, trunk provider.

It knows the truth (who serves the address) and tells the orchestrator only what probes would see,
late, and through links that may be down. Commands to a node are carried out in order or not at all.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.core.commands import (
    AddAddress,
    AnyCommand,
    Evacuate,
    Fence,
    HangUp,
    Notify,
    ProbeNow,
    ProbePhone,
    Recount,
    RegisterTrunk,
    Rejoin,
    RemoveAddress,
    SetDrainFlag,
    UnregisterTrunk,
    Verify,
)
from orchestrator.core.events import (
    AddressSeen,
    CommandDone,
    ContactSeen,
    Event,
    NodeFacts,
    Observed,
    PictureLost,
    RegistrationSeen,
    Snapshot,
)
from orchestrator.core.state import Policy
from orchestrator.core.words import (
    ContactStatus,
    FenceMethod,
    Observer,
    Outcome,
    RegistrationStatus,
)
from tests.simulation.calls import Calls

VIP_CALLS_EVERY_S = 1.5
OBSERVERS = (Observer.AMI, Observer.SIP, Observer.ARI, Observer.HOST)


@dataclass
class NodeModel:
    name: str
    own_address: str
    process: str = "running"  # running | stopped | gone
    power: bool = True
    address: bool = False
    trunk: bool = False
    ami_broken: bool = False
    muted: set[Observer] = field(default_factory=set)  # observers that lie: always silent
    address_stuck: bool = False  # its host fails to remove or add the address
    registering_fails: bool = False
    drain_flag: bool = False
    gave_up: bool = False
    killed_by_fence: bool = False
    in_step: bool = False  # the AMI stream is up
    known_guarded: bool = False  # the orchestrator that runs now armed its guard
    heard_us: float = 0.0
    heard_peer: float = 0.0
    calls: dict[str, float] = field(default_factory=dict)  # uniqueid -> ends at

    @property
    def runs(self) -> bool:
        return self.power and self.process == "running"

    @property
    def serves(self) -> bool:
        return self.runs and self.address


class World:
    """Everything outside the orchestrator. ``deliver`` hands an event to it (it may be down)."""

    def __init__(self, policy: Policy, rng: random.Random, own_address_dialogs: bool = True):
        self.policy, self.rng, self.own_address_dialogs = policy, rng, own_address_dialogs
        self.now = 0.0
        first, second = policy.nodes
        self.nodes = {n.name: NodeModel(n.name, n.address) for n in (first, second)}
        self.nodes[first.name].address = self.nodes[first.name].trunk = True
        self.links = {first.name: True, second.name: True, "between": True}  # to us; node to node
        self.queue: list[tuple[float, int, Callable[[], None]]] = []
        self.inbox: list[Event] = []
        self.line: list[tuple[float, str]] = []  # the timeline, for people
        self.told: list[Notify] = []
        self.orchestrator_up = True
        self.guarded = True  # the hosts' agents have a guard, and witnesses
        self.lose_results = 0.0  # probability
        self.late_results = 0.0
        self.double_results = 0.0
        self.slow_commands = 0.0  # a command is long under way; those behind it wait
        self.refused_calls = self.cut_calls = self.answered_calls = 0
        self._order = 0
        self.lying_phones = False  # the site's list says of some that they follow, who do not
        self.phone_seed = 0
        self.many_calls = 1
        self.pairs = 0.0  # probability that a call is a conversation, not one with a service
        self.trunk_legs = 0.0  # probability that it is one with somebody behind the trunk
        self.waiting = 0.0  # probability that it waits in a queue
        self.calls = Calls(self)
        self._free_at = dict.fromkeys(self.nodes, 0.0)
        self.after(0.0, self._probe_all)
        self.after(VIP_CALLS_EVERY_S, self._new_call)

    # --- clockwork

    def after(self, delay: float, what: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self.queue, (self.now + delay, self._order, what))

    def run_until(self, when: float) -> None:
        while self.queue and self.queue[0][0] <= when:
            self.now, _, what = heapq.heappop(self.queue)
            what()
        self.now = when
        self._guards()

    def say(self, sentence: str) -> None:
        self.line.append((self.now, sentence))

    def deliver(self, event: Event) -> None:
        if self.orchestrator_up:
            self.inbox.append(event)

    def peer(self, name: str) -> NodeModel:
        return self.nodes[self.policy.other(name)]

    # --- what probes see

    def reaches_us(self, node: NodeModel) -> bool:
        return node.power and self.links[node.name]

    def _probe_all(self) -> None:
        for node in self.nodes.values():
            self.probe(node)
        self.after(self.policy.silence_s / 5, self._probe_all)

    def probe(self, node: NodeModel) -> None:
        reached = self.reaches_us(node)
        delay = self.rng.uniform(0.0, self.policy.silence_s / 20)
        events: list[Event] = []
        for observer in OBSERVERS:
            events.append(Observed(node.name, observer, self._look(node, observer, reached)))
        holds = node.address if reached else None
        node.known_guarded = self.guarded and (
            node.known_guarded or (reached and self.orchestrator_up)
        )
        events.append(
            AddressSeen(node.name, holds, node.gave_up and not node.address, node.known_guarded)
        )
        events += self._seen_by_peer(node)

        def arrive() -> None:
            for event in [*events, *self._ami(node, self.reaches_us(node))]:
                self.deliver(event)

        self.after(delay, arrive)

    def _look(self, node: NodeModel, observer: Observer, reached: bool) -> Outcome:
        if not reached or observer in node.muted:
            return Outcome.SILENT
        if observer is Observer.HOST:
            words = {"running": Outcome.ANSWERS, "stopped": Outcome.STOPPED, "gone": Outcome.GONE}
            return words[node.process]
        if node.process == "gone" or (observer is Observer.AMI and node.ami_broken):
            return Outcome.REFUSED
        return Outcome.ANSWERS if node.process == "running" else Outcome.SILENT

    def _seen_by_peer(self, node: NodeModel) -> list[Event]:
        peer = self.peer(node.name)
        if not self.reaches_us(peer):
            return []
        if not (self.links["between"] and node.power):
            return [Observed(node.name, Observer.PEER, Outcome.SILENT)]
        words = {"running": Outcome.ANSWERS, "stopped": Outcome.STOPPED, "gone": Outcome.REFUSED}
        return [Observed(node.name, Observer.PEER, words[node.process])]

    def _ami(self, node: NodeModel, reached: bool) -> list[Event]:
        works = reached and node.process == "running" and not node.ami_broken
        works = works and Observer.AMI not in node.muted
        if works and not node.in_step and self.orchestrator_up:
            node.in_step = True
            return [self.snapshot(node)]
        if node.in_step and reached and (node.process == "gone" or node.ami_broken):
            node.in_step = False
            return [PictureLost(node.name, "EOF")]
        return []

    def snapshot(self, node: NodeModel) -> Snapshot:
        content = (
            NodeFacts(node.name, asterisk_version="22.10.1"),
            ContactSeen(node.name, "trunk", "sip:provider", ContactStatus.REACHABLE),
            self._registration(node),
            *self.calls.contacts(node),
            *self.calls.seen(node),
        )
        return Snapshot(node.name, content)

    def _registration(self, node: NodeModel) -> RegistrationSeen:
        status = RegistrationStatus.REGISTERED if node.trunk else RegistrationStatus.UNREGISTERED
        return RegistrationSeen(node.name, "sip:us", "sip:provider", status, name="trunk-reg")

    def tell_ami(self, node: NodeModel, event: Event) -> None:
        if node.in_step and self.reaches_us(node) and node.runs and not node.ami_broken:
            self.deliver(event)
        else:
            node.in_step = False  # the stream has a hole: a new snapshot must come

    # --- calls

    def _new_call(self) -> None:
        self.after(VIP_CALLS_EVERY_S, self._new_call)
        at = [node for node in self.nodes.values() if node.serves]
        if not at:
            self.refused_calls += 1
            return
        node = at[0]
        if node.drain_flag and self.peer(node.name).runs:
            node = self.peer(node.name)
        for _ in range(self.many_calls):
            lasts_s, kind = self.rng.uniform(0.5, 8.0), self.rng.random()
            if self.waiting and self.rng.random() < self.waiting:
                self.answered_calls += 1
                self.calls.begin(node, lasts_s, pair=False, waiting=True)
            else:
                self.begin_call(node, lasts_s, kind < self.pairs, kind < self.trunk_legs)

    def begin_call(
        self, node: NodeModel, lasts_s: float, pair: bool = False, trunk: bool = False
    ) -> None:
        self.answered_calls += 1
        self.calls.begin(node, lasts_s, pair, trunk=trunk)

    # --- guards

    def _guards(self) -> None:
        for node in self.nodes.values():
            between = self.links["between"] and self.peer(node.name).power
            heard = self.orchestrator_up and Observer.HOST not in node.muted
            if heard and self.reaches_us(node):  # we only renew the lease of a node that we hear
                node.heard_us = self.now
            if between:
                node.heard_peer = self.now
            alone_s = self.now - max(node.heard_us, node.heard_peer)
            if self.guarded and node.power and node.address and alone_s >= self.policy.lease_s:
                node.address, node.gave_up = False, True
                self.say(f"{node.name}'s guard gives the address up")

    # --- commands

    def carry_out(self, command: AnyCommand) -> None:
        """Send the command on its way: in order for each node, answered, late, twice or never."""
        if isinstance(command, Notify):
            self.told.append(command)
            self.say(f"TOLD {command.severity}: {command.text}")
            return
        if isinstance(command, ProbeNow):
            node = self.nodes[command.node]
            self.after(0.002, lambda: self.probe(node))
            return
        self.say(f"asked: {_brief(command)}")
        node = self.nodes[command.node]
        way = self.rng.uniform(0.001, 0.01)
        if self.rng.random() < self.slow_commands:
            way = self.rng.uniform(0.1, 2.0) * self.policy.step_timeout_s
            self.say(f"long under way ({way:.2f} s): {_brief(command)}")
        start = max(self._free_at[node.name], self.now + way)
        self._free_at[node.name] = start
        self.after(start - self.now, lambda: self._arrive(node, command))

    def _arrive(self, node: NodeModel, command: AnyCommand) -> None:
        if not self.reaches_us(node):
            self._answer(command, False, "timed out", command.timeout_s)
            return
        ok, detail, data, took = self._do(node, command)
        self._answer(command, ok, detail, took, data)

    def _answer(
        self, command: AnyCommand, ok: bool, detail: str, took: float,
        data: dict[str, object] | None = None,
    ) -> None:  # fmt: skip
        if self.rng.random() < self.lose_results:
            self.say(f"result lost: {_brief(command)}")
            return
        if self.rng.random() < self.late_results:
            took += self.rng.uniform(0.2, 2.0) * self.policy.step_timeout_s
        done = CommandDone(command.id, command.epoch, ok, detail, data or {})
        self.after(took, lambda: self.deliver(done))
        if self.rng.random() < self.double_results:
            self.after(took + self.rng.uniform(0.0, 3.0), lambda: self.deliver(done))

    def _do(
        self, node: NodeModel, command: AnyCommand
    ) -> tuple[bool, str, dict[str, object], float]:
        took = self.rng.uniform(0.001, 0.02)
        if isinstance(command, AddAddress | RemoveAddress) or (
            isinstance(command, Fence) and command.method is FenceMethod.ADDRESS
        ):
            if node.address_stuck:
                return False, "netlink: operation not permitted", {}, took
            node.address = isinstance(command, AddAddress)
            node.gave_up = False
            return True, "", {}, took
        if isinstance(command, Fence):
            if command.method is not FenceMethod.KILL:
                return False, "no such means here", {}, took
            self.kill(node)
            node.killed_by_fence = True
            return True, "", {}, took
        if isinstance(command, Verify):
            return self._verify(command)
        if not node.runs or node.ami_broken:
            return False, "AMI is not connected", {}, took
        if isinstance(command, RegisterTrunk | UnregisterTrunk):
            if node.registering_fails:
                return False, "the provider does not answer", {}, self.policy.trunk_timeout_s
            node.trunk = isinstance(command, RegisterTrunk)
            self.tell_ami(node, self._registration(node))
        elif isinstance(command, SetDrainFlag):
            node.drain_flag = command.on
        elif isinstance(command, HangUp):
            self._hang_up(node, command)
        elif isinstance(command, Evacuate):
            why = self.calls.evacuate(node, command)
            return not why, why, {}, took
        elif isinstance(command, Recount):
            self.calls.recount(node)
        elif isinstance(command, ProbePhone):
            self.calls.probe(command)
        elif isinstance(command, Rejoin):
            self.calls.rejoin(node, command)
        return True, "", {}, took

    def _hang_up(self, node: NodeModel, command: HangUp) -> None:
        for uniqueid in list(node.calls):
            leg = self.calls.channels[uniqueid]
            if uniqueid in node.calls and self.calls.name(node, leg) in command.channels:
                if leg.moved:
                    self.calls.close(node, leg)
                else:
                    self.cut_calls += 1
                    self.calls.end(leg.talk, "cut")

    def _verify(self, command: Verify) -> tuple[bool, str, dict[str, object], float]:
        at = [node for node in self.nodes.values() if node.serves and self.links[node.name]]
        if len(at) != 1:
            return False, "no answer to OPTIONS", {}, command.timeout_s
        host = at[0].own_address if self.own_address_dialogs else "192.0.2.100"
        return True, "", {"contact_host": host}, 0.01

    # --- faults

    def kill(self, node: NodeModel) -> None:
        node.process, node.trunk, node.drain_flag = "gone", False, node.drain_flag
        self.cut_calls += len(node.calls)
        self.calls.node_died(node)
        if node.in_step and self.reaches_us(node):
            node.in_step = False
            self.deliver(PictureLost(node.name, "EOF"))
            self.deliver(Observed(node.name, Observer.AMI, Outcome.REFUSED))

    def power_off(self, node: NodeModel) -> None:
        self.kill(node)
        node.power, node.address, node.in_step = False, False, False

    def repair(self, node: NodeModel) -> None:
        """People put everything right; a node that was fenced by a kill is cleaned up first."""
        if not node.power:
            node.power, node.process = True, "running"
        if node.process != "running":
            if node.killed_by_fence:
                node.address, node.killed_by_fence = False, False
            node.trunk = node.trunk if node.process == "stopped" else True  # registers at boot
            node.process = "running"
            node.in_step = False
        node.ami_broken = node.address_stuck = node.registering_fails = False
        node.muted.clear()
        self.links[node.name] = self.links["between"] = True


def _brief(command: AnyCommand) -> str:
    extra = [
        str(getattr(command, name))
        for name in ("node", "method", "registration", "on", "endpoint", "channels", "call", "legs")
        if hasattr(command, name)
    ]
    return f"{type(command).__name__}({', '.join(extra)}) #{command.id} epoch {command.epoch}"
