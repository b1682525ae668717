"""Calls: what happens with an INVITE. The same extensions as the lab's dialplan.

600 answers and echoes, 601 answers and hangs up, 700 is the queue "support", 10XX are phones,
9X. goes out by the trunk; the provider's numbers 5550100 and 5550700 lead to 600 and 700. New calls
of phones and trunks pass the drain flag (astdb ``orchestrator``/``drain``) first.
"""

from __future__ import annotations

import asyncio
import secrets

from orchestrator.simulator import sip
from orchestrator.simulator.dialing import SIP_CAUSE, TOLD, Dialing, settle
from orchestrator.simulator.evacuation import Evacuation
from orchestrator.simulator.leg import Leg
from orchestrator.simulator.model import Channel
from orchestrator.simulator.pbx import Pbx
from orchestrator.simulator.queueing import wait_in_queue
from orchestrator.simulator.stack import Incoming, Stack

DIDS = {"5550100": "600", "5550700": "700"}
REFUSALS = {3: 404, 1: 404, 17: 486, 18: 480, 19: 480, 21: 403, 22: 410, 34: 503, 38: 503}
RING_S = 30.0


class Dialplan(Dialing):
    """Runs each call as one task, as Asterisk runs each channel in one thread."""

    def __init__(self, pbx: Pbx, stack: Stack, peer: str) -> None:
        super().__init__(pbx, stack)
        self.peer = peer  # the other node's address
        self.evacuation = Evacuation(self)

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
        self.spawn(self._run(channel, leg))

    def leg_of(self, call_id: str) -> Leg | None:
        """The leg whose dialog this is, when it is still up."""
        legs = self.pbx.legs.values()
        return next((leg for leg in legs if leg.call_id == call_id), None)

    async def _run(self, channel: Channel, leg: Leg) -> None:
        context, exten = channel.context, channel.exten
        cause = 1
        if exten.startswith("evac-"):
            cause = await self.evacuation.arrive(channel, leg)
        elif context in ("phones", "from-trunk") and self._draining():
            cause = await self._drain(channel, leg)
        elif context == "from-customer":
            cause = await self.serve(channel, leg, "600") if not self.pbx.reject else 34
        elif context == "to-customer":
            cause = await self._dial(channel, leg, "labtrunk", exten) if not self.pbx.reject else 34
        else:
            cause = await self.serve(channel, leg, DIDS.get(exten, exten))
        await self.go_on(channel, leg, cause)

    # --- AMI: Redirect and Originate ---

    def redirect(self, channel: Channel, leg: Leg, context: str, exten: str) -> None:
        """Whatever runs on the channel stops; its task goes on there."""
        channel.context, channel.exten, channel.priority = context, exten, 1
        leg.taken.set()

    async def go_on(self, channel: Channel, leg: Leg, cause: int) -> None:
        """Where the channel was sent meanwhile; then its end."""
        while leg.taken.is_set() and not leg.gone.is_set():
            leg.taken.clear()
            cause = await self.evacuation.send(channel, leg)
        await self._end(channel, leg, cause)

    def originate(
        self, endpoint: str, place: tuple[str, str], seconds: float, variables: dict[str, str]
    ) -> None:
        """Ring the phone; when it answers its channel goes on at that place."""
        self.spawn(self._originate(endpoint, place, seconds, variables))

    async def _originate(
        self, endpoint: str, place: tuple[str, str], seconds: float, variables: dict[str, str]
    ) -> None:
        uri = self.uri(endpoint, endpoint)
        if not uri:
            return
        channel = self.pbx.new_channel(endpoint, *place, 0)
        channel.variables |= variables
        leg = self.pbx.legs[channel.name] = Leg(self.stack, secrets.token_hex(12))
        calling = asyncio.ensure_future(leg.call(uri, sip.target_of(uri), "0"))
        await asyncio.wait({calling}, timeout=seconds)
        if not calling.done():
            leg.cancel()
            self.spawn(settle(calling, leg))
        if not leg.up:
            self.pbx.hung_up(channel, 19)
            return
        self.pbx.set_state(channel, 6)
        self.pbx.device_changed(endpoint)
        cause = await self.evacuation.send(channel, leg)
        await self.go_on(channel, leg, cause)

    async def serve(self, channel: Channel, leg: Leg, exten: str) -> int:
        if channel.context != "serve":
            self.pbx.execute(channel, "Goto", f"serve,{exten},1")
            channel.context, channel.exten, channel.priority = "serve", exten, 1
        if exten in ("600", "601", "700"):
            self.pbx.execute(channel, "Answer")
            self.up(channel, leg)
        channel.priority = 2
        if exten == "600":
            self.pbx.execute(channel, "Echo")
            await leg.over.wait()
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
