"""Calling out and talking: what Dial(), Queue() and the evacuation share."""

from __future__ import annotations

import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import Coroutine

from orchestrator.simulator import sip
from orchestrator.simulator.leg import Leg
from orchestrator.simulator.model import Bridge, Channel
from orchestrator.simulator.pbx import Pbx
from orchestrator.simulator.stack import Stack

SIP_CAUSE = {403: 21, 404: 1, 410: 22, 480: 19, 486: 17, 500: 38, 503: 34, 603: 21, 0: 18}
DIAL_STATUS = {486: "BUSY", 503: "CONGESTION", 487: "CANCEL"}
TOLD = -1  # not a cause: the channel has ended and said so
SENT_ON = 16


class Dialing(ABC):
    """Calls from the node; each runs in a task."""

    def __init__(self, pbx: Pbx, stack: Stack) -> None:
        self.pbx = pbx
        self.stack = stack
        self._tasks: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def go_on(self, channel: Channel, leg: Leg, cause: int) -> None:
        """The channel's next place in the dialplan, or its end."""

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def up(self, channel: Channel, leg: Leg) -> None:
        if leg.up:
            return
        leg.answer()
        self.pbx.set_state(channel, 6)
        self.pbx.device_changed(channel.endpoint)

    def uri(self, endpoint: str, number: str) -> str:
        """Where Dial sends the INVITE; empty when the endpoint cannot be reached."""
        known = self.pbx.endpoints.get(endpoint)
        contacts = [c for c in self.pbx.contacts_of(endpoint) if c.status != "Unreachable"]
        if known is None or known.maintenance or not contacts:
            return ""
        if endpoint in ("trunk", "peernode", "labtrunk"):
            host, port = sip.target_of(contacts[0].uri)
            return f"sip:{number}@{host}:{port}"
        return contacts[0].uri

    def _connected_line(self, channel: Channel, callee: Channel) -> None:
        channel.connected = callee.caller
        self.pbx.tell("NewConnectedLine", channel)

    def outgoing(self, channel: Channel, endpoint: str, number: str) -> tuple[Channel, Leg]:
        known = self.pbx.endpoints[endpoint]
        callee = self.pbx.new_channel(endpoint, known.context, "s", 0, channel.linkedid)
        callee.exten = channel.exten
        self.pbx.execute(callee, "AppDial", "(Outgoing Line)")
        callee.connected = channel.caller
        if not callee.caller[0]:
            callee.caller = (number, "")
            self.pbx.tell("NewCallerid", callee, ("CID-CallingPres", "0 (Presentation Allowed)"))
        self.pbx.tell("NewConnectedLine", callee)
        out = Leg(self.stack, secrets.token_hex(12))
        self.pbx.legs[callee.name] = out
        return callee, out

    async def ring(
        self, channel: Channel, leg: Leg, callee: Channel, out: Leg, uri: str, seconds: float
    ) -> int:
        """Let the callee ring until an answer, a refusal, the caller's hang-up or the time is up;
        the SIP status, 487 when the caller gave up, 0 when nobody answered."""

        def ringing() -> None:
            if callee.state != 5:
                self.pbx.set_state(callee, 5)
                self._connected_line(channel, callee)
                status = ("DialStatus", "RINGING")
                self.pbx.dial_event("DialState", channel, callee, status)
                self.pbx.device_changed(callee.endpoint, channel.endpoint)
                leg.ring()

        trunk = self.pbx.registrations.get("trunk-reg")
        credentials = ("", "")
        if callee.endpoint == "trunk" and trunk:
            credentials = (trunk.username, trunk.password)
        caller = trunk.username if credentials[0] and trunk else channel.caller[0]
        calling = asyncio.ensure_future(
            out.call(uri, sip.target_of(uri), caller, credentials, ringing)
        )
        gone = asyncio.ensure_future(leg.over.wait())
        await asyncio.wait({calling, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        status = calling.result() if calling.done() else (487 if leg.over.is_set() else 0)
        if not calling.done():
            out.cancel()  # its 487, or an answer that crossed it, ends the leg
            self.spawn(settle(calling, out))
        self._rung(channel, callee, status)
        return 200 if 200 <= status < 300 else status

    def _rung(self, channel: Channel, callee: Channel, status: int) -> None:
        if 200 <= status < 300:
            self.pbx.set_state(callee, 6)
            channel.connected = callee.caller
        word = "ANSWER" if 200 <= status < 300 else DIAL_STATUS.get(status, "NOANSWER")
        cause = SIP_CAUSE.get(status, 38)
        tech = (("TechCause", str(status)),) if status else ()
        if status >= 300 and status != 487:
            self.pbx.tell("HangupRequest", callee, ("Cause", str(cause)), *tech)
        self.pbx.dial_event("DialEnd", channel, callee, ("DialStatus", word))
        if word != "ANSWER":
            self.pbx.hung_up(callee, cause if status != 487 else 0, str(status) if status else "")

    async def talk(self, channel: Channel, leg: Leg, callee: Channel, out: Leg) -> int:
        """Both are up: bridge them until one of them ends it."""
        self.pbx.device_changed(callee.endpoint, channel.endpoint)
        bridge = self.pbx.bridge(callee, channel)
        ends = {asyncio.ensure_future(leg.over.wait()), asyncio.ensure_future(out.over.wait())}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        if not (leg.gone.is_set() or out.gone.is_set()):
            return self._parted(bridge, (channel, leg), (callee, out))
        first = channel if leg.gone.is_set() else callee
        self.pbx.tell("HangupRequest", first, ("Cause", "16"))
        other = callee if first is channel else channel
        self.pbx.leave(bridge, first)
        self.pbx.tell("SoftHangupRequest", first, ("Cause", "16"))
        self.pbx.hung_up(first, 16)
        self.pbx.leave(bridge, other)
        self.pbx.destroy(bridge)
        self.pbx.hung_up(other, 16)
        self.spawn((out if first is channel else leg).hang_up())
        return TOLD

    def _parted(
        self, bridge: Bridge, caller: tuple[Channel, Leg], callee: tuple[Channel, Leg]
    ) -> int:
        """One or both were sent elsewhere: they leave the bridge, who was not sent is hung up."""
        for channel, _ in (caller, callee):
            self.pbx.leave(bridge, channel)
        self.pbx.destroy(bridge)
        self.spawn(self.go_on(*callee, SENT_ON))
        return SENT_ON


async def settle(calling: asyncio.Future[int], out: Leg) -> None:
    await asyncio.wait({calling}, timeout=4.0)
    calling.cancel()
    await out.hang_up()
