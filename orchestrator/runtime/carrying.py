"""Carries calls from one node to the other: tickets there first, then the legs are sent."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from orchestrator.core.commands import Evacuate, ProbePhone
from orchestrator.core.events import Event, PhoneProbed
from orchestrator.runtime.ports import Ports

ADDRESS_BYTES = 16  # of a one-time address: cannot be guessed


class Carrying:
    """Spans both nodes, which no adapter may."""

    def __init__(self, ports: Ports, put: Callable[[Event], object]) -> None:
        self._ports = ports
        self._put = put

    async def evacuate(self, command: Evacuate) -> None:
        """Nothing is touched on the old node before every ticket is written on the new one."""
        raise NotImplementedError(command, secrets, PhoneProbed)

    async def probe(self, command: ProbePhone, timeout_s: float) -> None:
        """Tell by a test call what the phone does with a REFER."""
        raise NotImplementedError(command, timeout_s)
