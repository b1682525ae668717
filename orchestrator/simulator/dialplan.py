"""Calls: what happens with an INVITE. The same extensions as the lab's dialplan.

600 answers and echoes, 601 answers and hangs up, 700 is the queue "support", 10XX are phones,
9X. goes out by the trunk; the provider's numbers 5550100 and 5550700 lead to 600 and 700. New calls
of phones and trunks pass the drain flag (astdb ``orchestrator``/``drain``) first.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine

from orchestrator.simulator import sip
from orchestrator.simulator.leg import Leg
from orchestrator.simulator.model import Channel
from orchestrator.simulator.pbx import Pbx
from orchestrator.simulator.queueing import wait_in_queue
from orchestrator.simulator.stack import Incoming, Stack

DIDS = {"5550100": "600", "5550700": "700"}
SIP_CAUSE = {403: 21, 404: 1, 480: 19, 486: 17, 500: 38, 503: 34, 603: 21, 0: 18}
DIAL_STATUS = {486: "BUSY", 503: "CONGESTION", 487: "CANCEL"}
REFUSALS = {3: 404, 1: 404, 17: 486, 18: 480, 19: 480, 21: 403, 34: 503, 38: 503}
RING_S = 30.0
TOLD = -1  # not a cause: the channel has ended and said so


class Dialplan:
    """Runs each call as one task, as Asterisk runs each channel in one thread."""

    def __init__(self, pbx: Pbx, stack: Stack, peer: str) -> None:
        self.pbx = pbx
        self.stack = stack
        self.peer = peer  # the other node's address
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, incoming: Incoming, endpoint: str) -> None:
        """A new INVITE from an endpoint that has been identified."""
        leg = Leg.from_caller(incoming)
        known = self.pbx.endpoints[endpoint]
        exten = sip.user_of(incoming.message.uri) or "s"
        channel = self.pbx.new_channel(endpoint, known.context, exten, 4)
        if not known.caller_id:
            number = sip.user_of(sip.uri_of(incoming.message.get("From")))
            channel.caller = (number, "")
        self.pbx.legs[channel.name] = leg
        self.pbx.calls_processed += 1
        self._spawn(self._run(channel, leg))

    def leg_of(self, call_id: str) -> Leg | None:
        """The leg whose dialog this is, when it is still up."""
        legs = self.pbx.legs.values()
        return next((leg for leg in legs if leg.call_id == call_id), None)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, channel: Channel, leg: Leg) -> None:
        context, exten = channel.context, channel.exten
        cause = 1
        if context in ("phones", "from-trunk") and self._draining():
            cause = await self._drain(channel, leg)
        elif context == "from-customer":
            cause = await self._serve(channel, leg, "600") if not self.pbx.reject else 34
        elif context == "to-customer":
            cause = await self._dial(channel, leg, "labtrunk", exten) if not self.pbx.reject else 34
        else:
            cause = await self._serve(channel, leg, DIDS.get(exten, exten))
        await self._end(channel, leg, cause)

    async def _serve(self, channel: Channel, leg: Leg, exten: str) -> int:
        if channel.context != "serve":
            self.pbx.execute(channel, "Goto", f"serve,{exten},1")
            channel.context, channel.exten, channel.priority = "serve", exten, 1
        if exten in ("600", "601", "700"):
            self.pbx.execute(channel, "Answer")
            self.up(channel, leg)
        channel.priority = 2
        if exten == "600":
            self.pbx.execute(channel, "Echo")
            await leg.gone.wait()
            return 0  # the caller ended it: cause 0 in Asterisk 22
        if exten == "601":
            self.pbx.execute(channel, "Hangup")
            await asyncio.wait({asyncio.ensure_future(leg.acked.wait())}, timeout=2.0)
            return 16
        if exten == "700":
            return await wait_in_queue(self, channel, leg, self.pbx.queues["support"])
        channel.priority = 1
        if exten.startswith("9") and len(exten) > 1:
            return await self._dial(channel, leg, "trunk", exten[1:])
        if len(exten) == 4 and exten.startswith("10"):
            return await self._dial(channel, leg, exten, exten)
        return 1

    def up(self, channel: Channel, leg: Leg) -> None:
        leg.answer()
        self.pbx.set_state(channel, 6)
        self.pbx.device_changed(channel.endpoint)

    async def _end(self, channel: Channel, leg: Leg, cause: int) -> None:
        if cause == TOLD:
            return
        if leg.gone.is_set():
            self.pbx.tell("HangupRequest", channel, *([("Cause", "16")] if cause else []))
        self.pbx.tell("SoftHangupRequest", channel, ("Cause", "16"))
        refusal = 0 if leg.up or leg.gone.is_set() else REFUSALS.get(cause, 503)
        self.pbx.hung_up(channel, cause, str(refusal or ""))
        if refusal:
            leg.refuse(refusal)
        else:
            await leg.hang_up()

    # --- the drain ---

    def _draining(self) -> str:
        return self.pbx.database.get(("orchestrator", "drain"), "")

    async def _drain(self, channel: Channel, leg: Leg) -> int:
        self.pbx.execute(channel, "Gosub", f"drain,s,1({channel.exten})")
        if channel.context == "phones" and self._draining() == "redirect":
            target = f"sip:{channel.exten}@{self.peer}:5060"
            self.pbx.execute(channel, "Transfer", f"PJSIP/{target}")
            leg.refuse(302, [("Contact", f"<{target}>")])
            return 16
        return await self._dial(channel, leg, "peernode", channel.exten)

    # --- Dial ---

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

    async def _dial(self, channel: Channel, leg: Leg, endpoint: str, number: str) -> int:
        dialled = number if number == endpoint else f"{number}@{endpoint}"
        self.pbx.execute(channel, "Dial", f"PJSIP/{dialled},30")
        uri = self.uri(endpoint, number)
        if not uri:
            return 3
        callee, out = self.outgoing(channel, endpoint, number)
        self.pbx.dial_event("DialBegin", channel, callee, ("DialString", dialled))
        if endpoint == "trunk":
            self._connected_line(channel, callee)
        status = await self.ring(channel, leg, callee, out, uri, RING_S)
        if status != 200:
            return SIP_CAUSE.get(status, 38) if status != 487 else 0
        self.up(channel, leg)
        return await self.talk(channel, leg, callee, out)

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
        gone = asyncio.ensure_future(leg.gone.wait())
        await asyncio.wait({calling, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        status = calling.result() if calling.done() else (487 if leg.gone.is_set() else 0)
        if not calling.done():
            out.cancel()  # its 487, or an answer that crossed it, ends the leg
            self._spawn(_settle(calling, out))
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
        ends = {asyncio.ensure_future(leg.gone.wait()), asyncio.ensure_future(out.gone.wait())}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        first = channel if leg.gone.is_set() else callee
        self.pbx.tell("HangupRequest", first, ("Cause", "16"))
        other = callee if first is channel else channel
        self.pbx.leave(bridge, first)
        self.pbx.tell("SoftHangupRequest", first, ("Cause", "16"))
        self.pbx.hung_up(first, 16)
        self.pbx.leave(bridge, other)
        self.pbx.destroy(bridge)
        self.pbx.hung_up(other, 16)
        self._spawn((out if first is channel else leg).hang_up())
        return TOLD


async def _settle(calling: asyncio.Future[int], out: Leg) -> None:
    await asyncio.wait({calling}, timeout=4.0)
    calling.cancel()
    await out.hang_up()
