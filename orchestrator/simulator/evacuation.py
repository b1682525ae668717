"""Calls in progress are carried over: what contrib/asterisk/extensions-evacuate.conf does.

On the node that is left a leg comes here by AMI Redirect and is sent by REFER; on the node that
takes over it arrives at a one-time address, is checked against the ticket in astdb (family
``orchestrator-evac``), and meets the other leg.
"""

from __future__ import annotations

import asyncio
import re
from typing import Protocol

from orchestrator.simulator.leg import Leg
from orchestrator.simulator.model import Channel
from orchestrator.simulator.pbx import Pbx
from orchestrator.simulator.queueing import Caller, wait_in_queue
from orchestrator.simulator.shapes import channel as channel_headers

FAMILY = "orchestrator-evac"
PEER = "peernode"
LINK_S = 8.0
CHALLENGED_S = 0.5
TOGETHER_S = 10.0
REJOIN_S = 3.0
NOT_THE_PHONE, USED = 21, 22  # hang-up causes of those who are turned away
MOVED_ON = 16


class Desk(Caller, Protocol):
    """What is needed of the dialplan."""

    def up(self, channel: Channel, leg: Leg) -> None: ...

    async def serve(self, channel: Channel, leg: Leg, exten: str) -> int: ...


class Meeting:
    """Where the second leg finds the first."""

    def __init__(self, channel: Channel, leg: Leg) -> None:
        self.channel, self.leg = channel, leg
        self.met = asyncio.Event()


class Evacuation:
    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.pbx: Pbx = desk.pbx
        self._waiting: dict[str, Meeting] = {}  # call -> its first leg

    def _tell(self, channel: Channel, step: str, detail: str = "", spoke: str = "") -> None:
        said = channel.variables
        tail = [("UserEvent", "Evacuation"), ("Call", said.get("EVAC_CALL", ""))]
        tail += [("Leg", said.get("EVAC_ROLE", "service")), ("Step", step)]
        tail += [("Detail", detail)] if detail else []
        tail += [("Spoke", spoke)] if spoke else []
        self.pbx.emit("UserEvent", "user", [*channel_headers(channel), *tail])

    # --- the node that is left ---

    async def send(self, channel: Channel, leg: Leg) -> int:
        """The context ``evacuate`` (``s`` or ``rejoin``) and ``evacuate-probe``; the cause."""
        said = channel.variables
        if channel.context == "evacuate" and channel.exten == "rejoin":
            return await self._rejoin(channel, leg)
        if said.get("EVAC_CARRY") == "link":
            return await self._link(channel, leg)
        target = f"sip:evac-{said['EVAC_TOKEN']}@{said['EVAC_TO']}"
        self.pbx.execute(channel, "Transfer", f"PJSIP/{target}")
        status = await leg.refer(target)
        if leg.over.is_set() and not 200 <= status < 300:
            return 0
        if 200 <= status < 300:
            self._tell(channel, "moved")
            return MOVED_ON
        if status in (401, 407):
            self._tell(channel, "challenged", str(status))
            await _over(leg, CHALLENGED_S)
        else:
            self._tell(channel, "declined", str(status))
        if channel.context == "evacuate-probe" or leg.over.is_set():
            return MOVED_ON
        return await self._link(channel, leg)

    async def _link(self, channel: Channel, leg: Leg) -> int:
        said = channel.variables
        if said.get("EVAC_LINKING") == "1":
            self._tell(channel, "alone")
            return MOVED_ON
        said["EVAC_LINKING"] = "1"
        number = f"evac-{said['EVAC_TOKEN']}"
        uri = self.desk.uri(PEER, number)
        if not uri:
            return await self._rejoin(channel, leg)
        callee, out = self.desk.outgoing(channel, PEER, number)
        callee.variables |= said
        status = await self.desk.ring(channel, leg, callee, out, uri, LINK_S)
        if status == 200:
            self._tell(callee, "linked", spoke=channel.uniqueid)
            return await self.desk.talk(channel, leg, callee, out)
        if leg.over.is_set():
            return 0
        if status == 410:
            self._tell(channel, "moved")
            return MOVED_ON
        return await self._rejoin(channel, leg)

    async def _rejoin(self, channel: Channel, leg: Leg) -> int:
        said = channel.variables
        said |= {"EVAC_STEP": "rejoined", "EVAC_PATIENCE": str(REJOIN_S)}
        alone = said.get("EVAC_ROLE") in ("service", "waiting")
        if alone or said.get("EVAC_PARTNER") in self.pbx.channels:
            return await self._join(channel, leg)
        return await self._link(channel, leg)

    # --- the node that takes over ---

    async def arrive(self, channel: Channel, leg: Leg) -> int:
        """A one-time address is called."""
        family = f"{FAMILY}/{re.sub('[^0-9a-f]', '', channel.exten[5:])}"
        known = {key: text for (place, key), text in self.pbx.database.items() if place == family}
        said = channel.variables
        said |= {"EVAC_CALL": known.get("call", ""), "EVAC_ROLE": known.get("role", "")}
        if refused := self._refusal(channel, known):
            self._tell(channel, "turned-away", refused[1])
            return refused[0]
        del self.pbx.database[family, "expires"]
        self.pbx.save()
        for number in range(1, int(known.get("lines", "0")) + 1):
            _assign(channel, known[f"line{number}"])
        self.desk.up(channel, leg)
        self._tell(channel, "arrived", channel.endpoint)
        said |= {"EVAC_STEP": "joined", "EVAC_PATIENCE": str(TOGETHER_S)}
        return await self._join(channel, leg)

    def _refusal(self, channel: Channel, known: dict[str, str]) -> tuple[int, str] | None:
        if not known.get("role"):
            return NOT_THE_PHONE, "no such ticket"
        if channel.endpoint not in (PEER, known.get("endpoint")):
            return NOT_THE_PHONE, "not the phone meant"
        if not known.get("expires"):
            return USED, "used already"
        return (NOT_THE_PHONE, "expired") if self.pbx.now() > float(known["expires"]) else None

    # --- both ---

    async def _join(self, channel: Channel, leg: Leg) -> int:
        match channel.variables.get("EVAC_ROLE"):
            case "first":
                return await self._first(channel, leg)
            case "second":
                return await self._second(channel, leg)
            case "waiting":
                return await self._in_line(channel, leg)
        self._tell(channel, channel.variables["EVAC_STEP"])
        channel.context = channel.variables.get("EVAC_CONTEXT", "")
        channel.exten = channel.variables.get("EVAC_EXTEN", "")
        if channel.context == "evacuate-probe":
            return MOVED_ON
        return await self.desk.serve(channel, leg, channel.exten)

    async def _first(self, channel: Channel, leg: Leg) -> int:
        call = channel.variables["EVAC_CALL"]
        meeting = self._waiting[call] = Meeting(channel, leg)
        waits = [asyncio.ensure_future(e.wait()) for e in (meeting.met, leg.over)]
        patience = float(channel.variables["EVAC_PATIENCE"])
        await asyncio.wait(waits, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if meeting.met.is_set():
            return -1  # the second's turn: it ends both
        if self._waiting.get(call) is meeting:
            del self._waiting[call]
        return 0 if leg.over.is_set() else await self._alone(channel, leg)

    async def _second(self, channel: Channel, leg: Leg) -> int:
        said = channel.variables
        until = asyncio.get_running_loop().time() + float(said["EVAC_PATIENCE"])
        while not (meeting := self._waiting.pop(said["EVAC_CALL"], None)):
            await _over(leg, 0.02)
            if leg.over.is_set():
                return 0
            if asyncio.get_running_loop().time() > until:
                return await self._alone(channel, leg)
        meeting.met.set()
        self._tell(channel, said["EVAC_STEP"])
        return await self.desk.talk(channel, leg, meeting.channel, meeting.leg)

    async def _in_line(self, channel: Channel, leg: Leg) -> int:
        """``Queue()`` with the arguments it had; the last of them is the place in line."""
        self._tell(channel, channel.variables["EVAC_STEP"])
        name, *rest = channel.variables.get("EVAC_QUEUE_ARGUMENTS", "").split(",")
        position = int(rest[-1]) if len(rest) > 7 and rest[-1].isdigit() else 0
        queue = self.pbx.queues.get(name)
        return await wait_in_queue(self.desk, channel, leg, queue, position) if queue else 1

    async def _alone(self, channel: Channel, leg: Leg) -> int:
        """The other leg did not come; on the old node it may have gone over by now."""
        said = channel.variables
        if said["EVAC_STEP"] == "rejoined" and said.get("EVAC_LINKING") != "1":
            return await self._link(channel, leg)
        self._tell(channel, "alone")
        return MOVED_ON


async def _over(leg: Leg, seconds: float) -> None:
    await asyncio.wait({asyncio.ensure_future(leg.over.wait())}, timeout=seconds)


def _assign(channel: Channel, line: str) -> None:
    """One ``Set()`` of the ticket."""
    name, _, text = line.partition("=")
    if name == "CALLERID(num)":
        channel.caller = (text, channel.caller[1])
    elif name == "CALLERID(name)":
        channel.caller = (channel.caller[0], text)
    elif name == "CONNECTEDLINE(num,i)":
        channel.connected = (text, channel.connected[1])
    elif name == "CONNECTEDLINE(name,i)":
        channel.connected = (channel.connected[0], text)
    else:
        channel.variables[name] = text
