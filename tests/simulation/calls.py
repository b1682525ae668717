"""The world's calls: phones with habits, conversations and services, and how both are evacuated.

As contrib/asterisk/extensions-evacuate.conf does it, as far as the core can see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.core.commands import Evacuate, LegPlan, ProbePhone, Rejoin
from orchestrator.core.events import (
    BridgeSeen,
    ChannelGone,
    ChannelSeen,
    ContactSeen,
    LegSeen,
    PhoneProbed,
    QueueCallerSeen,
)
from orchestrator.core.words import Carry, ChannelState, ContactStatus, LegRole, LegStep, ReferHabit
from tests.simulation.line import Line

if TYPE_CHECKING:
    from tests.simulation.world import NodeModel, World

PHONES = 60
# User-Agents and what they do; the site's list says of all but the last two that they follow.
GOOD, NAIVE, SHY, HALF, DEAF, OTHER = "good", "naive", "shy", "half-way", "deaf", "other"
TRUTHFUL = (GOOD, GOOD, GOOD, NAIVE, NAIVE, SHY, OTHER)
LYING = (*TRUTHFUL, HALF, DEAF)
LISTED = ("good*", "naive*", "shy*", "half-way*")
LIARS = frozenset({HALF, DEAF})
DEAF_S, ALONE_S, REJOIN_S, CHALLENGED_S = 32.0, 10.0, 3.0, 0.5


@dataclass(eq=False)
class Leg:
    talk: Talk
    phone: int
    habit: str
    role: LegRole
    at: dict[str, str] = field(default_factory=dict)  # node -> its channel's uniqueid there
    sent: LegPlan | None = None  # in the dialplan include of the old node
    call: str = ""  # the evacuation's id
    moved: bool = False  # its phone is on the new node
    waits: bool = False  # for the other leg, there
    linking: bool = False  # the way through the other node was tried
    trunk: bool = False  # somebody behind the trunk, not a phone
    owes: str = ""  # the node that waits for the end of a REFER: it tells no hang-up
    attempt: int = 0  # what was begun before is void

    @property
    def endpoint(self) -> str:
        return "trunk" if self.trunk else str(self.phone)


@dataclass(eq=False)
class Talk:
    number: int
    ends_at: float
    began_at: float
    legs: list[Leg] = field(default_factory=list)
    over: str = ""  # why it ended; empty: it goes on
    waiting: bool = False  # its one leg waits in a queue
    conference: bool = False  # its one leg is a member of one
    fault: bool = False  # something broke beneath it

    @property
    def liar(self) -> bool:
        return any(leg.habit in LIARS for leg in self.legs)


class Calls:
    """All calls of the pair."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.line = Line(world)
        self.talks: list[Talk] = []
        self.phones: dict[int, str] = {}
        self.channels: dict[str, Leg] = {}
        self.lost: list[Talk] = []
        self.ghosts: list[ChannelGone] = []
        self.evacuated = 0
        self._number = 0

    # --- phones

    def habit(self, phone: int) -> str:
        if phone not in self.phones:
            habits = LYING if self.world.lying_phones else TRUTHFUL
            self.phones[phone] = habits[hash((phone, self.world.phone_seed)) % len(habits)]
        return self.phones[phone]

    def contacts(self, node: NodeModel) -> list[ContactSeen]:
        up = {leg.phone for talk in self.talks for leg in talk.legs if not leg.trunk}
        return [self.contact(node, phone) for phone in sorted(up)]

    def contact(self, node: NodeModel, phone: int) -> ContactSeen:
        return ContactSeen(
            node.name, str(phone), f"sip:{phone}@phone", ContactStatus.REACHABLE,
            user_agent=f"{self.habit(phone)} 1.0",
        )  # fmt: skip

    def probe(self, command: ProbePhone) -> None:
        habit = self.habit(int(command.endpoint))
        does = {SHY: ReferHabit.DECLINES, DEAF: ReferHabit.IGNORES, HALF: ReferHabit.IGNORES}
        found = does.get(habit, ReferHabit.HONOURS)
        self.world.deliver(PhoneProbed(command.node, command.endpoint, command.user_agent, found))

    # --- what the nodes tell

    def channel(self, node: NodeModel, leg: Leg) -> ChannelSeen:
        return ChannelSeen(
            node.name, leg.at[node.name], self.name(node, leg), ChannelState.UP,
            linkedid=str(leg.talk.number), caller_number=leg.endpoint, exten="601",
        )  # fmt: skip

    def name(self, node: NodeModel, leg: Leg) -> str:
        by_peer = leg.at[node.name].endswith("p")
        return f"PJSIP/{'peernode' if by_peer else leg.endpoint}-{leg.at[node.name]}"

    def seen(self, node: NodeModel) -> list[ChannelSeen | BridgeSeen | QueueCallerSeen]:
        found: list[ChannelSeen | BridgeSeen] = []
        for leg in [leg for talk in self.talks for leg in talk.legs if node.name in leg.at]:
            found.append(self.channel(node, leg))
            found.append(self._bridge(node, leg))
        return [*found, *self.line.seen(node)]

    def _bridge(self, node: NodeModel, leg: Leg) -> BridgeSeen:
        if leg.talk.conference and (leg.sent is None or node.name != "pbx-a"):
            return BridgeSeen(node.name, leg.at[node.name], "conference", "base")
        alone = len(leg.talk.legs) == 1 or leg.waits or (leg.sent and not leg.moved)
        bridge = "" if alone else f"b{leg.talk.number}"
        return BridgeSeen(node.name, leg.at[node.name], bridge, "basic" if bridge else "")

    def tell(self, node: NodeModel, leg: Leg, step: LegStep, detail: str = "") -> None:
        event = LegSeen(node.name, leg.call, leg.role, step, leg.at.get(node.name, ""), detail)
        self.world.tell_ami(node, event)

    # --- calls begin and end

    def begin(
        self, node: NodeModel, lasts_s: float, pair: bool, conference: bool = False,
        waiting: bool = False, trunk: bool = False,
    ) -> None:  # fmt: skip
        """One call; ``trunk``: whom the phone talks with is behind the trunk."""
        self._number += 1
        talk = Talk(self._number, self.world.now + lasts_s, self.world.now)
        talk.conference, talk.waiting = conference, waiting
        alone = LegRole.WAITING if waiting else LegRole.SERVICE
        roles = (LegRole.FIRST, LegRole.SECOND) if pair else (alone,)
        for place, role in enumerate(roles):
            phone = 1000 + (self._number + place * PHONES // 2) % PHONES
            leg = Leg(talk, phone, self.habit(phone), role)
            talk.legs.append(leg)
            if trunk and role is LegRole.SECOND:
                leg.trunk, leg.habit = True, OTHER
            else:
                self.world.tell_ami(node, self.contact(node, phone))
            self._open(node, leg, str(self._number) if not place else f"{self._number}b")
        self.talks.append(talk)
        for leg in talk.legs:
            self.world.tell_ami(node, self._bridge(node, leg))
            if waiting:
                self.line.join(node, leg)
        self.world.after(lasts_s, lambda: self._time_is_up(talk))

    def _open(self, node: NodeModel, leg: Leg, uniqueid: str) -> None:
        leg.at[node.name] = uniqueid
        node.calls[uniqueid] = leg.talk.ends_at
        self.channels[uniqueid] = leg
        self.world.tell_ami(node, self.channel(node, leg))

    def close(self, node: NodeModel, leg: Leg, cause: int = 16) -> None:
        self.line.leave(node, leg)
        uniqueid = leg.at.pop(node.name, "")
        if node.calls.pop(uniqueid, None) is None:
            return
        if leg.owes == node.name:
            self.ghosts.append(ChannelGone(node.name, uniqueid, 0))
        else:
            self.world.tell_ami(node, ChannelGone(node.name, uniqueid, cause))

    def recount(self, node: NodeModel) -> None:
        for gone in self.ghosts:
            if gone.node == node.name:
                self.world.deliver(gone)

    def _time_is_up(self, talk: Talk) -> None:
        if not talk.over and any(
            self.world.nodes[name].process == "stopped" for leg in talk.legs for name in leg.at
        ):
            self.world.after(1.0, lambda: self._time_is_up(talk))
        else:
            self.end(talk, "its time was up")

    def end(self, talk: Talk, why: str) -> None:
        if talk.over:
            return
        talk.over = why
        self.talks.remove(talk)
        if why not in ("its time was up", "cut", "a node died"):
            self.world.say(f"call {talk.number} ends: {why}")
            self.lost.append(talk)
        for leg in talk.legs:
            leg.attempt += 1
            for name in list(leg.at):
                self.close(self.world.nodes[name], leg)

    def node_died(self, node: NodeModel) -> None:
        for talk in [t for t in self.talks if any(node.name in leg.at for leg in t.legs)]:
            self.end(talk, "a node died")
        for talk in self.talks:
            talk.fault = talk.fault or any(leg.sent for leg in talk.legs)  # on its way there
        node.calls.clear()

    # --- the old node's dialplan

    def evacuate(self, old: NodeModel, command: Evacuate) -> str:
        """Take the order; returns why not."""
        new = self.world.nodes[command.to_node]
        if not (new.runs and self.world.reaches_us(new)):
            return "the ticket could not be written. Nothing was sent."
        legs = [self._leg(old, plan.channel) for plan in command.legs]
        if None in legs:
            return "a channel is gone. Nothing was sent."
        self.evacuated += 1
        for leg, plan in zip(legs, command.legs, strict=True):
            assert leg is not None
            leg.sent, leg.call, leg.waits, leg.linking = plan, command.call, False, False
            leg.attempt += 1
            self.world.tell_ami(old, BridgeSeen(old.name, leg.at[old.name], ""))
            self.line.leave(old, leg)
            if plan.carry is Carry.REFER:
                self._refer(old, new, leg)
            else:
                self._later(0.03, leg, old, partial(self._link, old, new, leg))
        return ""

    def _leg(self, node: NodeModel, channel: str) -> Leg | None:
        leg = self.channels.get(channel.partition("-")[2])
        there = leg is not None and not leg.talk.over and node.name in leg.at
        return leg if there else None

    def _later(self, delay: float, leg: Leg, node: NodeModel, what: Callable[[], None]) -> None:
        """Do it on that node, unless something else was begun; a stopped process does it later."""
        attempt = leg.attempt

        def do() -> None:
            if leg.attempt != attempt or leg.talk.over:
                return
            if node.process == "stopped":
                self.world.after(0.5, do)
            elif node.runs:
                what()

        self.world.after(delay, do)

    def _refer(self, old: NodeModel, new: NodeModel, leg: Leg) -> None:
        if leg.habit in LIARS:
            leg.owes = old.name
        if leg.habit == DEAF:
            self.world.after(DEAF_S, lambda: self.end(leg.talk, "a phone ignored its REFER"))
        elif leg.habit == SHY:
            self._later(0.02, leg, old, lambda: self._declined(old, new, leg, "603"))
        elif leg.habit != HALF:
            self._later(0.03, leg, old, lambda: self._calls_new(old, new, leg))

    def _declined(self, old: NodeModel, new: NodeModel, leg: Leg, code: str) -> None:
        self.tell(old, leg, LegStep.DECLINED, code)
        self._later(0.02, leg, old, lambda: self._link(old, new, leg))

    def _reaches(self, new: NodeModel) -> bool:
        return new.runs and (self.world.links[new.name] or self.world.links["between"])

    def _calls_new(self, old: NodeModel, new: NodeModel, leg: Leg) -> None:
        """The phone calls the one-time address with its own credentials."""
        if leg.habit == NAIVE:
            self.tell(old, leg, LegStep.CHALLENGED, "401")
            self._later(CHALLENGED_S, leg, old, lambda: self._link(old, new, leg))
        if new.process == "stopped":
            leg.talk.fault = True  # neither answer nor refusal
        elif self._reaches(new):
            self._arrive(new, leg, f"{leg.at[old.name]}.{leg.attempt}", leg.endpoint)
            leg.moved = True
            if leg.habit != NAIVE:
                self._later(0.02, leg, old, lambda: self._moved(old, leg))
        elif leg.habit != NAIVE:
            leg.talk.fault = True
            self._later(0.5, leg, old, lambda: self._declined(old, new, leg, "503"))

    def _moved(self, old: NodeModel, leg: Leg) -> None:
        self.tell(old, leg, LegStep.MOVED)
        self.close(old, leg)

    def _link(self, old: NodeModel, new: NodeModel, leg: Leg) -> None:
        leg.linking = True
        if leg.moved:  # its ticket is used
            self._moved(old, leg)
        elif self._reaches(new) and self.world.links["between"]:
            self._arrive(new, leg, f"{leg.at[old.name]}.{leg.attempt}p", "peernode")
            self.tell(old, leg, LegStep.LINKED)
        else:
            leg.talk.fault = True
            self._rejoin(old, leg)

    # --- the new node's dialplan

    def _arrive(self, new: NodeModel, leg: Leg, uniqueid: str, by: str) -> None:
        leg.waits = True
        self._open(new, leg, uniqueid)
        self.tell(new, leg, LegStep.ARRIVED, by)
        talk = leg.talk
        if talk.waiting and leg.sent:
            self.line.join(new, leg, leg.sent.position)
        if all(new.name in other.at for other in talk.legs):
            for other in talk.legs:
                other.waits = False
                self.world.tell_ami(new, self._bridge(new, other))
            self.tell(new, talk.legs[-1], LegStep.JOINED)
            return

        def alone() -> None:
            if leg.waits and not talk.over and leg.at.get(new.name) == uniqueid:
                self.tell(new, leg, LegStep.ALONE)
                self.end(talk, "the other leg never came")

        self.world.after(ALONE_S, alone)

    # --- back on the old node

    def rejoin(self, old: NodeModel, command: Rejoin) -> None:
        for channel in command.channels:
            leg = self._leg(old, channel)
            if leg is not None and leg.sent is None:
                self.end(leg.talk, "it was called back although it was never sent")
            elif leg is not None:
                self._rejoin(old, leg)

    def _rejoin(self, old: NodeModel, leg: Leg) -> None:
        leg.attempt += 1
        leg.waits, talk = True, leg.talk
        parted = not all(old.name in other.at for other in talk.legs)
        if parted and not leg.linking:
            self._link(old, self.world.peer(old.name), leg)
            return
        there = all(old.name in other.at and other.waits for other in talk.legs)
        if there:
            if talk.waiting and leg.sent:
                self.line.join(old, leg, leg.sent.position)
            for other in talk.legs:
                other.waits, other.sent = False, None
                self.world.tell_ami(old, self._bridge(old, other))
            self.tell(old, talk.legs[-1], LegStep.REJOINED)
            return

        def alone() -> None:
            self.tell(old, leg, LegStep.ALONE)
            self.end(talk, "its legs were parted on the old node")

        self._later(REJOIN_S, leg, old, alone)
