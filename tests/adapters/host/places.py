"""Two hosts on one cable: network namespaces with random names, gone after the test."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.adapters.host import CommandTransport, HostSettings, local_transport
from orchestrator.core.events import Event

VIRTUAL_IP = "10.77.9.100/24"
NODE, OTHER = "10.77.9.11", "10.77.9.20"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces")


def ip(*words: str) -> str:
    return subprocess.run(("ip", *words), check=True, capture_output=True, text=True).stdout


@dataclass(frozen=True)
class Cable:
    """``node`` is the host under test, ``other`` is the rest of the world."""

    node: str
    other: str

    def inside(self, *argv: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.node, *argv)

    def outside(self, *argv: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.other, *argv)

    def agent(self) -> CommandTransport:
        return local_transport(*self.inside())

    def other_agent(self) -> CommandTransport:
        return local_transport(*self.outside())

    def freeze(self, on: bool) -> None:
        """Stop the node's agent, or let it go on; the kernel goes on holding the address."""
        for pid in ip("netns", "pids", self.node).split():
            os.kill(int(pid), signal.SIGSTOP if on else signal.SIGCONT)

    def holders(self) -> tuple[bool, bool]:
        """Does the node, does the other one hold the address?"""
        shown = (ip("-n", n, "-o", "addr", "show", "dev", "eth0") for n in (self.node, self.other))
        node, other = ("10.77.9.100/" in text for text in shown)
        return node, other

    def addresses(self) -> str:
        return ip("-n", self.node, "-o", "addr", "show", "dev", "eth0")

    def holds(self) -> bool:
        return "10.77.9.100/" in self.addresses()

    def unplug(self) -> None:
        ip("-n", self.other, "link", "set", "eth0", "down")

    def drop_all(self) -> None:
        """The other end takes no packet any more, while the link stays up."""
        ip("-n", self.other, "addr", "flush", "dev", "eth0")


def cable() -> Iterator[Cable]:
    tail = secrets.token_hex(3)
    both = Cable(f"hn-{tail}", f"ho-{tail}")
    try:
        for name in (both.node, both.other):
            ip("netns", "add", name)
        peer = ("peer", "name", "eth0", "netns", both.other)
        ip("-n", both.node, "link", "add", "eth0", "type", "veth", *peer)
        for name, address in ((both.node, NODE), (both.other, OTHER)):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", both.node, "route", "add", "default", "via", OTHER)
        yield both
    finally:
        for name in (both.node, both.other):
            subprocess.run(("ip", "netns", "del", name), check=False, capture_output=True)


class FakeAsterisk:
    """A process named ``asterisk`` with a pid file. It sleeps."""

    def __init__(self, folder: Path, name: str = "asterisk") -> None:
        self.pidfile = folder / "asterisk.pid"
        self._program = folder / name
        self._program.symlink_to("/bin/sleep")
        self.start()

    def start(self, *before: str) -> None:
        self.process = subprocess.Popen((*before, str(self._program), "300"))
        self.pidfile.write_text(f"{self.process.pid}\n")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def settings(pidfile: Path, **changes: object) -> HostSettings:
    values: dict[str, object] = {
        "node": "pbx-a",
        "interface": "eth0",
        "virtual_ip": VIRTUAL_IP,
        "pidfile": str(pidfile),
        "lease_s": 0.3,
        "silence_s": 0.4,
        "peer_node": "pbx-b",
        "peer_address": OTHER,
        "witnesses": (OTHER,),
    }
    return HostSettings(**{**values, **changes})  # type: ignore[arg-type]


async def until_true(true: Callable[[], bool], within_s: float = 15.0) -> None:
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < within_s, f"not within {within_s} s"
        await asyncio.sleep(0.005)


class Events(list[Event]):
    """A sink that can be waited on."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    async def until(self, wanted: Callable[[Event], bool], within_s: float = 8.0) -> Event:
        """The first event that fits, from those still unread; all before it count as read."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            while self:
                event = self.pop(0)
                if wanted(event):
                    return event
            await asyncio.sleep(0.002)
        raise AssertionError(f"nothing of the kind within {within_s} s")
