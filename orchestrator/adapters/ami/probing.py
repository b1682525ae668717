"""Test calls: what does a phone do with a REFER? (``asterisk-orchestrator phones probe``)"""

from __future__ import annotations

import asyncio

from orchestrator.adapters.ami import wire
from orchestrator.adapters.ami.evacuation import Evacuations
from orchestrator.adapters.ami.protocol import refuse
from orchestrator.adapters.ami.ticket import FAMILY
from orchestrator.core.events import LegSeen
from orchestrator.core.words import LegStep, ReferHabit

_OF_THE_NODE = {"403", "404", "488", "503"}  # more likely the node's answer than the phone's
_SETTLING = {LegStep.ARRIVED, LegStep.DECLINED}


class Probes(Evacuations):
    """Test calls that are referred to the node itself; nobody else is in them."""

    def __init__(self) -> None:
        self._probes: dict[str, asyncio.Queue[LegSeen]] = {}
        super().__init__()

    async def probe_phone(
        self, endpoint: str, address: str, to_address: str, timeout_s: float
    ) -> tuple[ReferHabit | None, str]:
        """Call the phone, which answers by itself, and refer it to this node itself.

        Its habit and why we think so; None when it did not answer.
        """
        await self._need("evacuate-probe")
        call = f"probe-{endpoint}"
        entries = {
            "call": call,
            "role": "service",
            "endpoint": endpoint,
            "lines": "3",
            "line1": "EVAC_CONTEXT=evacuate-probe",
            "line2": "EVAC_EXTEN=over",
            "line3": "EVAC_PRIORITY=1",
        }
        expires = int(await self._now() + timeout_s) + 1
        await self._write(address, {**entries, "expires": str(expires)})
        heard = self._probes[call] = asyncio.Queue()
        try:
            await self._originate(endpoint, call, address, to_address, timeout_s)
            return await self._verdict(heard, endpoint, timeout_s)
        finally:
            del self._probes[call]
            await self.action({"Action": "DBDelTree", "Family": f"{FAMILY}/{address}"})

    def _hear_leg(self, event: object) -> None:
        """Every event of the node passes here while a test call is up."""
        if isinstance(event, LegSeen) and event.call in self._probes:
            self._probes[event.call].put_nowait(event)

    async def _originate(
        self, endpoint: str, call: str, address: str, to_address: str, timeout_s: float
    ) -> None:
        variables = {
            "EVAC_CALL": call,
            "EVAC_TOKEN": address,
            "EVAC_TO": to_address,
            # the two ways in which phones are told to answer by themselves
            "PJSIP_HEADER(add,Call-Info)": f"<sip:{to_address}>;answer-after=0",
            "PJSIP_HEADER(add,Alert-Info)": "<http://localhost>;info=alert-autoanswer",
        }
        order = [
            ("Action", "Originate"),
            ("Channel", f"PJSIP/{endpoint}"),
            ("Context", "evacuate-probe"),
            ("Exten", "s"),
            ("Priority", "1"),
            ("CallerID", '"Test call" <0>'),
            ("Timeout", str(int(timeout_s * 500))),  # ms to answer: half of all
            ("Async", "true"),
            *(("Variable", f"{name}={content}") for name, content in variables.items()),
        ]
        refuse(await self.action(order), f"The test call to {endpoint} on {self.node}")

    async def _verdict(
        self, heard: asyncio.Queue[LegSeen], endpoint: str, timeout_s: float
    ) -> tuple[ReferHabit | None, str]:
        last = ""
        try:
            async with asyncio.timeout(timeout_s * 0.9):
                while (step := await heard.get()).step not in _SETTLING:
                    last = f"{step.step} {step.detail}".strip()
        except TimeoutError:
            left = await self._channels_of(endpoint)
            for channel in left:
                await self.action({"Action": "Hangup", "Channel": channel})
            if not left:
                return None, f"{endpoint} did not answer the test call"
            return ReferHabit.IGNORES, f"answered, but did nothing with the REFER {last}".strip()
        if step.step is LegStep.ARRIVED:
            return ReferHabit.HONOURS, last
        if step.detail in _OF_THE_NODE:
            return None, (
                f"its call to the one-time address ended with {step.detail}: look at the include of"
                " evacuate-arrive in its context, at codecs and encryption"
            )
        return ReferHabit.DECLINES, f"said {step.detail}"

    async def _channels_of(self, endpoint: str) -> list[str]:
        """The phone's channels in the test call's context that were answered."""
        reply = await self.action_list({"Action": "Status"})
        context, channel, state = wire.key("Context"), wire.key("Channel"), wire.key("ChannelState")
        return [
            wire.text(raw, channel)
            for raw in reply.items
            if wire.text(raw, channel).startswith(f"PJSIP/{endpoint}-")
            and wire.text(raw, context) == "evacuate-probe"
            and wire.text(raw, state) == "6"
        ]
