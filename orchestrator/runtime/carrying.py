"""Carries calls from one node to the other: tickets there first, then the legs are sent."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from orchestrator.core.commands import Evacuate, LegPlan, ProbePhone
from orchestrator.core.events import Event, PhoneProbed
from orchestrator.core.words import LegRole
from orchestrator.runtime.ports import Manager, Ports

log = logging.getLogger(__name__)

ADDRESS_BYTES = 16  # of a one-time address: cannot be guessed
TICKETS_KEPT_S = 60.0  # twice their life: whoever could still come, has come
_FILE = "var:MIXMONITOR_FILENAME"


class Carrying:
    """Spans both nodes, which no adapter may."""

    def __init__(self, ports: Ports, put: Callable[[Event], object]) -> None:
        self._ports = ports
        self._put = put
        self._written_at: dict[str, float] = {}  # node -> monotonic time of its newest ticket

    async def evacuate(self, command: Evacuate) -> None:
        """Nothing is touched on the old node before every ticket is written on the new one."""
        old, new = self._manager(command.node), self._manager(command.to_node)
        names = command.variables
        facts = await asyncio.gather(*(old.leg_facts(leg.channel, names) for leg in command.legs))
        told, parts = _with_recording(command.legs, facts)
        await self._sweep(command.to_node)
        addressed = [
            (leg, secrets.token_hex(ADDRESS_BYTES), own)
            for leg, own in zip(command.legs, told, strict=True)
        ]
        await asyncio.gather(
            *(new.write_ticket(address, command.call, leg, own) for leg, address, own in addressed)
        )
        to_address = self._ports.nodes[command.to_node].sip_address
        await old.send_legs(command.call, addressed, to_address)
        if parts:
            self._note(command, told[0].get("linkedid", ""), parts)

    async def probe(self, command: ProbePhone, timeout_s: float) -> None:
        """Tell by a test call what the phone does with a REFER."""
        node, endpoint = command.node, command.endpoint
        to_address = self._ports.nodes[node].sip_address
        address = secrets.token_hex(ADDRESS_BYTES)
        habit, why = await self._manager(node).probe_phone(endpoint, address, to_address, timeout_s)
        self._put(PhoneProbed(node, endpoint, command.user_agent, habit, why))

    def _manager(self, node: str) -> Manager:
        return self._ports.nodes[node].manager

    async def _sweep(self, node: str) -> None:
        """Tickets that nobody can use any more go when none was written for a while."""
        now = time.monotonic()
        last = self._written_at.get(node)
        self._written_at[node] = now
        if last is None or now - last > TICKETS_KEPT_S:
            await self._manager(node).forget_tickets()

    def _note(self, command: Evacuate, linkedid: str, parts: tuple[str, str]) -> None:
        """One line of the manifest; a file that cannot be written stops no call."""
        path = self._ports.recordings
        line = {
            "at": round(time.time(), 3),
            "call": command.call,
            "linkedid": linkedid,
            "parts": [
                {"node": command.node, "file": parts[0]},
                {"node": command.to_node, "file": parts[1]},
            ],
        }
        log.info("Recording of call %s: %s, then %s.", command.call, *parts)
        if path is None:
            return
        try:
            with path.open("a", encoding="utf-8") as manifest:
                manifest.write(json.dumps(line, ensure_ascii=False) + "\n")
        except OSError as error:
            log.warning(
                "%s could not be written (%s): the parts of a recording are only in this log. "
                "Make room or set its rights.",
                path,
                error.strerror,
            )


def _with_recording(
    legs: Sequence[LegPlan], facts: Sequence[Mapping[str, str]]
) -> tuple[list[Mapping[str, str]], tuple[str, str] | None]:
    """The facts, the recording's next part with the leg that shall run it; both parts' names."""
    first = next((one[_FILE] for one in facts if one.get(_FILE)), "")
    if not first:
        return list(facts), None
    part = next_part(first)
    told = [
        own if leg.role is LegRole.FIRST else {**own, "record": part}
        for leg, own in zip(legs, facts, strict=True)
    ]
    return told, (first, part)


def next_part(recording: str) -> str:
    """The name of the part that follows, below the new node's own monitor directory.

    ``.../monitor/2026/11/q-1.wav`` → ``2026/11/q-1-part2.wav``, and on a way back ``-part3``.
    """
    _, marker, below = recording.rpartition("/monitor/")
    path = PurePosixPath(below if marker else PurePosixPath(recording).name)
    if ".." in path.parts:
        path = PurePosixPath(path.name)
    found = re.fullmatch(r"(.*)-part(\d+)", path.stem)
    stem, number = (found[1], int(found[2]) + 1) if found else (path.stem, 2)
    name = path.with_name(f"{stem}-part{number}{path.suffix}")
    return re.sub(r"[^\w./@+-]", "_", str(name))  # a comma would end MixMonitor's first argument
