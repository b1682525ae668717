"""SIP OPTIONS to a node's own address, again and again: the observer ``sip``."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable

from orchestrator.adapters.probe.message import new_branch, new_dialog, parse
from orchestrator.core.events import Event, Observed
from orchestrator.core.words import Observer, Outcome

# Linux sends one ICMP port unreachable a second to each destination (icmp_ratelimit): silence
# within this time after a refusal is still that refusal.
REFUSAL_LASTS_S = 1.2


def _sockets(target: tuple[str, int]) -> tuple[socket.socket, socket.socket]:
    """Two UDP sockets on one local port. The first is connected, so the kernel tells of refusals.

    The second takes answers from elsewhere: a node that serves with one transport and the virtual
    IP as its preferred source (``route_source``) answers from there, not from where it was asked.
    """
    family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
    asking = socket.socket(family, socket.SOCK_DGRAM)
    beside = socket.socket(family, socket.SOCK_DGRAM)
    try:
        asking.connect(target)
        for one in (asking, beside):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.setblocking(False)
        beside.bind(("", asking.getsockname()[1]))
    except OSError:
        asking.close()
        beside.close()
        raise
    return asking, beside


class _Wire(asyncio.DatagramProtocol):
    """Hands over what one of the two sockets gets."""

    def __init__(
        self, received: Callable[[bytes], None], failed: Callable[[Exception], None]
    ) -> None:
        self._received = received
        self._failed = failed

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._received(data)

    def error_received(self, exc: Exception) -> None:
        self._failed(exc)


class SipProbe:
    """One OPTIONS at a time, a new branch each; every outcome goes to ``sink``.

    Any final answer counts: 401 or 404 comes from a living Asterisk as surely as 200
    (RFC 3261 11). ``timeout_s`` without an answer is ``silent``.
    """

    def __init__(
        self,
        node: str,
        address: str,
        port: int,
        sink: Callable[[Event], object],
        *,
        interval_s: float,
        timeout_s: float,
    ) -> None:
        self._node = node
        self._target = (address, port)
        self._sink = sink
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._transport: asyncio.DatagramTransport | None = None
        self._beside: asyncio.DatagramTransport | None = None
        self._branch = ""
        self._sent_at = 0.0
        self._refused_at = -math.inf
        self._over: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Probe until cancelled."""
        try:
            while True:
                if self._transport is None or self._transport.is_closing():
                    await self._open()
                self.probe_now()
                await asyncio.sleep(self._interval_s)
        finally:
            self._done()
            self._close()

    def probe_now(self) -> None:
        """Look at once, unless an answer is being waited for already."""
        if self._branch or self._transport is None or self._transport.is_closing():
            return
        loop = asyncio.get_running_loop()
        own = self._transport.get_extra_info("sockname")
        self._branch, self._sent_at = new_branch(), loop.time()
        self._over = loop.call_later(self._timeout_s, self._unanswered)
        dialog = new_dialog((own[0], own[1]), *self._target)
        self._transport.sendto(dialog.request("OPTIONS", 1, self._branch))

    async def _open(self) -> None:
        try:
            asking, beside = _sockets(self._target)
        except OSError as error:
            self._say(Outcome.SILENT, f"no way to {self._target[0]}: {error}")
            return
        create = asyncio.get_running_loop().create_datagram_endpoint
        self._beside, _ = await create(
            lambda: _Wire(self._received, lambda error: None), sock=beside
        )
        self._transport, _ = await create(lambda: _Wire(self._received, self._failed), sock=asking)

    def _close(self) -> None:
        for transport in (self._transport, self._beside):
            if transport:
                transport.close()

    def _received(self, data: bytes) -> None:
        answer = parse(data)
        if not answer or not self._branch or answer.branch != self._branch or answer.status < 200:
            return
        rtt_ms = (asyncio.get_running_loop().time() - self._sent_at) * 1000
        self._done()
        self._refused_at = -math.inf
        self._say(Outcome.ANSWERS, f"{answer.says()} in {rtt_ms:.1f} ms")

    def _failed(self, error: Exception) -> None:
        if isinstance(error, ConnectionRefusedError):
            self._refused_at = asyncio.get_running_loop().time()
            self._done()
            self._say(Outcome.REFUSED, f"nobody listens on port {self._target[1]}")
        else:
            self._close()  # its own address may have gone: ask from another one

    def _unanswered(self) -> None:
        self._done()
        since_s = asyncio.get_running_loop().time() - self._refused_at
        if since_s > REFUSAL_LASTS_S:
            self._say(Outcome.SILENT, f"no answer to OPTIONS within {self._timeout_s:g} s")

    def _done(self) -> None:
        self._branch = ""
        if self._over:
            self._over.cancel()
            self._over = None

    def _say(self, outcome: Outcome, detail: str) -> None:
        self._sink(Observed(self._node, Observer.SIP, outcome, detail))
