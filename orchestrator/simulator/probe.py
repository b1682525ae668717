"""SIP OPTIONS from one node's host to the other node, as the host agent sends them."""

from __future__ import annotations

import asyncio
import time

from orchestrator.simulator.sip import Address


class PeerProbe(asyncio.DatagramProtocol):
    """``outcome`` is ``answers``, ``refused``, ``host_only``, ``silent`` or ``unknown``."""

    def __init__(self, source: str, target: Address) -> None:
        self.outcome = "unknown"
        self._source = source
        self._target = target
        self._transport: asyncio.DatagramTransport | None = None
        self._branch = ""
        self._count = 0
        self._sent_at = 0.0

    async def open(self) -> None:
        """A connected socket, so that a refusal (ICMP) is seen."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(self._source, 0), remote_addr=self._target
        )

    def every(self, interval_s: float, timeout_s: float, cut: bool) -> None:
        """Called often: sends the next probe when it is time, judges the last one."""
        now = time.monotonic()
        if self._branch and now - self._sent_at >= timeout_s:
            self._branch = ""
            self.outcome = "silent" if cut else "host_only"  # as ping would tell
        if not self._branch and now - self._sent_at >= interval_s:
            self._send(now, cut)

    def _send(self, now: float, cut: bool) -> None:
        self._count += 1
        self._sent_at = now
        self._branch = f"z9hG4bK-host-{id(self):x}-{self._count}"
        if cut or self._transport is None:
            return
        host, port = self._transport.get_extra_info("sockname")
        lines = [
            f"OPTIONS sip:{self._target[0]}:{self._target[1]} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};rport;branch={self._branch}",
            "Max-Forwards: 70",
            f"From: <sip:orchestrator@{host}>;tag={self._count}",
            f"To: <sip:{self._target[0]}:{self._target[1]}>",
            f"Call-ID: {self._branch}",
            "CSeq: 1 OPTIONS",
            "Content-Length: 0",
        ]
        self._transport.sendto(("\r\n".join(lines) + "\r\n\r\n").encode())

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        if self._branch and self._branch.encode() in data:
            self._branch, self.outcome = "", "answers"

    def error_received(self, error: Exception) -> None:
        if isinstance(error, ConnectionRefusedError):
            self._branch, self.outcome = "", "refused"
