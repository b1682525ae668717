"""Evacuation over AMI: tickets on the new node, legs sent from the old one.

The dialplan's side is contrib/asterisk/extensions-evacuate.conf. One-time addresses are secrets:
they are in no message, no log and no error of this file.
"""

from __future__ import annotations

import asyncio
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

from orchestrator.adapters.ami import wire
from orchestrator.adapters.ami.protocol import Reply, refuse
from orchestrator.adapters.ami.ticket import FAMILY, WAY_BACK, Facts, back, ticket
from orchestrator.core.commands import LegPlan
from orchestrator.errors import ActionFailed

log = logging.getLogger(__name__)

LINE_BYTES = 1000  # of one AMI header; Asterisk cuts at 1,024 (main/manager.c, inbuf)
IDENTITY = (
    "CALLERID(num)", "CALLERID(name)", "CALLERID(pres)", "CONNECTEDLINE(num)",
    "CONNECTEDLINE(name)", "CHANNEL(language)", "CHANNEL(accountcode)", "CHANNEL(musicclass)",
    "MIXMONITOR_FILENAME", "TRANSFER_CONTEXT", *WAY_BACK,
)  # fmt: skip
_GONE = re.compile(r"no such channel|does not exist|not up", re.IGNORECASE)


class Evacuations(ABC):
    """Orders on top of ``action`` and ``action_list``; raise ``ActionFailed`` or a child of it."""

    node: str

    @abstractmethod
    async def action(self, fields: wire.Fields, timeout_s: float | None = None) -> Reply:
        """Send one action."""

    @abstractmethod
    async def action_list(self, fields: wire.Fields, timeout_s: float | None = None) -> Reply:
        """Send one action that answers by a list."""

    # --- the new node ---

    async def write_ticket(
        self, address: str, call: str, leg: LegPlan, facts: Mapping[str, str]
    ) -> None:
        """Let the one-time address be called, once, for a short time, by that leg's phone.

        It expires by this node's own clock. What does not fit into a line of AMI is left behind.
        """
        entries = ticket(call, leg, facts, await self._now(), await self._version())
        await self._write(address, {k: v for k, v in entries.items() if self._fits(k, v)})

    async def forget_tickets(self) -> None:
        """Remove every ticket, used and expired ones too."""
        await self.action({"Action": "DBDelTree", "Family": FAMILY})  # an error: there was none

    async def _now(self) -> float:
        """Epoch seconds by the node's own clock."""
        reply = refuse(await self.action({"Action": "Ping"}), f"The clock of {self.node}")
        return float(reply.get("Timestamp"))

    async def _version(self) -> str:
        settings = await self.action({"Action": "CoreSettings"})
        return refuse(settings, f"The version of {self.node}").get("AsteriskVersion")

    async def _write(self, address: str, entries: Mapping[str, str]) -> None:
        puts = (
            self.action({"Action": "DBPut", "Family": f"{FAMILY}/{address}", "Key": k, "Val": v})
            for k, v in entries.items()
        )
        for reply in await asyncio.gather(*puts):
            refuse(reply, f"The ticket of a leg was not written on {self.node}")

    def _fits(self, key: str, entry: str) -> bool:
        whole = entry.isprintable() or not set(entry) & set("\r\n\0")
        if whole and len(f"Val: {entry}".encode()) <= LINE_BYTES:
            return True
        name = entry.partition("=")[0] if key.startswith("line") else key
        why = "is too long" if whole else "has a line break, so it is not fit"
        log.warning("%s: %s %s to travel along with a call; left behind.", self.node, name, why)
        return False

    # --- the old node ---

    async def leg_facts(self, channel: str, variables: Sequence[str]) -> Facts:
        """What must travel along: ``context``, ``exten``, ``priority``, ``linkedid``,
        ``application``, ``data``, and ``var:NAME`` for each variable that has a value.
        """
        facts: dict[str, str] = {}
        for some in _lines_of((*IDENTITY, *variables)):
            reply = await self.action_list(
                {"Action": "Status", "Channel": channel, "Variables": some}
            )
            refuse(reply, f"Looking at {channel} on {self.node}")
            for raw in reply.items:
                facts |= _facts(raw)
        if not facts:
            raise ActionFailed(f"{channel} is gone from {self.node}. Nothing was sent.")
        return facts

    async def send_legs(
        self, call: str, legs: Sequence[tuple[LegPlan, str, Facts]], to_address: str
    ) -> None:
        """Send the legs, each to its one-time address on the other node, both at once.

        When this raises nothing was sent. Should Asterisk send one and find the other gone, the
        call has ended in that moment: what is left of it is hung up.
        """
        await self._need("evacuate")
        version = await self._version()
        channels = [leg.channel for leg, _, _ in legs]
        for leg, address, facts in legs:
            partner = next((one for one in channels if one != leg.channel), "")
            await self._set(
                leg.channel,
                {
                    "CALL": call,
                    "ROLE": leg.role.value,
                    "CARRY": leg.carry.value,
                    "TOKEN": address,
                    "TO": to_address,
                    "PARTNER": _as_pattern(partner),
                    "LINKING": "",
                    "CHALLENGED": "",
                    **back(leg, facts, version),
                },
            )
        reply = await self._redirect(channels, "s")
        if reply.ok:
            return
        if "secondary" not in reply.message.lower():
            raise ActionFailed(
                f"{self.node} did not send {' and '.join(channels)}: {reply.message}. "
                "Nothing was sent."
            )
        if not (await self._redirect(channels[1:], "s")).ok:
            await self.action({"Action": "Hangup", "Channel": channels[0]})

    async def rejoin(self, call: str, channels: Sequence[str]) -> None:
        """Bring the legs back together on this node; gone ones are as good."""
        await self._need("evacuate")
        if (await self._redirect(channels, "rejoin")).ok:
            return
        refused = []
        for channel in channels:
            reply = await self._redirect([channel], "rejoin")
            if not reply.ok and not _GONE.search(reply.message):
                refused.append(f"{channel} ({reply.message})")
        if refused:
            raise ActionFailed(f"{self.node} did not rejoin {', '.join(refused)} of call {call}.")

    async def _need(self, context: str) -> None:
        reply = await self.action_list({"Action": "ShowDialPlan", "Context": context})
        if not reply.ok:
            raise ActionFailed(
                f"{self.node} has no dialplan context [{context}] ({reply.message}). Nothing was "
                "sent. Include extensions-evacuate.conf in its extensions.conf."
            )

    async def _set(self, channel: str, variables: Mapping[str, str]) -> None:
        orders = (
            self.action(
                {
                    "Action": "Setvar",
                    "Variable": f"EVAC_{name}",
                    "Value": content,
                    "Channel": channel,
                }
            )
            for name, content in variables.items()
        )
        for reply in await asyncio.gather(*orders):
            refuse(reply, f"{channel} on {self.node} could not be made ready")

    async def _redirect(self, channels: Sequence[str], exten: str) -> Reply:
        fields = {"Action": "Redirect"}
        for extra, channel in zip(("", "Extra"), channels, strict=False):
            name = "ExtraChannel" if extra else "Channel"
            fields |= {
                name: channel,
                f"{extra}Context": "evacuate",
                f"{extra}Exten": exten,
                f"{extra}Priority": "1",
            }
        return await self.action(fields)


def _as_pattern(channel: str) -> str:
    """A channel's name for CHANNELS(), which takes a regular expression: +62811 has a plus."""
    return re.sub(r"[.+*?]", r"[\g<0>]", channel)


def _facts(raw: bytes) -> dict[str, str]:
    """A ``Status`` event: its place in the dialplan, and ``Variable: NAME=value`` lines."""
    found: dict[str, str] = {}
    for name, content in wire.pairs(raw):
        if name == "Variable":
            variable, _, itself = content.partition("=")
            if itself not in ("", "(null)"):
                found[f"var:{variable}"] = itself
        elif name in ("Context", "Exten", "Priority", "Linkedid", "Application", "Data"):
            found[name.lower()] = content
    return found


def _lines_of(names: Sequence[str]) -> Iterator[str]:
    """Comma-separated, as many at a time as a line of AMI takes."""
    line = ""
    for name in names:
        if line and len(f"Variables: {line},{name}".encode()) > LINE_BYTES:
            yield line
            line = name
        else:
            line = f"{line},{name}" if line else name
    yield line
