"""SIP over UDP: sockets, transactions and retransmissions (RFC 3261 17), nothing above them.

A node has a socket on its own address and, while its host holds the virtual IP, a second one
there. Requests are answered on the socket they came to; everything a node starts leaves from its
own address.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.simulator import sip
from orchestrator.simulator.sip import Address, Message

T1_S = 0.5
GIVE_UP_S = 32.0  # 64 * T1: timers B, F and H
DATAGRAM = 65535


@dataclass(slots=True)
class Incoming:
    """A request with the way back to whoever sent it."""

    stack: Stack
    message: Message
    source: Address
    sock: socket.socket
    tag: str
    answered: bytes = b""
    final: int = 0

    def reply(
        self, status: int, extra: list[tuple[str, str]] | None = None, body: str = ""
    ) -> None:
        answer = sip.response(self.message, status, self.tag, self.source, extra, body)
        self.answered = answer.render()
        if status >= 200:
            self.final = status
        self.repeat()

    def repeat(self) -> None:
        if self.answered:
            self.stack.send(self.answered, self.source, self.sock)


class Stack:
    """Sockets and transactions of one node. ``deliver`` gets each new request once."""

    def __init__(self, address: Address, deliver: Callable[[Incoming], None]) -> None:
        self.address = address
        self.deliver = deliver
        self.plugged = True
        self._own = _bound(address)
        self._virtual: socket.socket | None = None
        self._waiting: dict[tuple[str, str], asyncio.Queue[Message]] = {}
        self._served: dict[tuple[str, str], tuple[float, Incoming]] = {}

    def start(self) -> None:
        self._watch(self._own)

    def take_virtual(self, sock: socket.socket) -> None:
        """The host has the virtual IP: serve it too."""
        self.leave_virtual()
        sock.setblocking(False)
        self._virtual = sock
        self._watch(sock)

    def leave_virtual(self) -> None:
        if self._virtual is not None:
            asyncio.get_running_loop().remove_reader(self._virtual)
            self._virtual.close()
            self._virtual = None

    def close(self) -> None:
        self.leave_virtual()
        asyncio.get_running_loop().remove_reader(self._own)
        self._own.close()

    def _watch(self, sock: socket.socket) -> None:
        asyncio.get_running_loop().add_reader(sock, self._readable, sock)

    def _readable(self, sock: socket.socket) -> None:
        while True:
            try:
                data, source = sock.recvfrom(DATAGRAM)
            except OSError:
                return
            message = sip.parse(data) if self.plugged else None
            if message is None:
                continue
            if message.is_request:
                self._request(message, source, sock)
            elif queue := self._waiting.get((message.branch, message.method)):
                queue.put_nowait(message)

    def _request(self, message: Message, source: Address, sock: socket.socket) -> None:
        key = (message.branch, message.method)
        known = self._served.get(key)
        if known is not None and message.method != "ACK":
            known[1].repeat()
            return
        incoming = Incoming(self, message, source, sock, secrets.token_hex(5))
        if message.method != "ACK":
            self._forget_old()
            self._served[key] = (time.monotonic(), incoming)
        self.deliver(incoming)

    def _forget_old(self) -> None:
        limit = time.monotonic() - GIVE_UP_S
        for key in [k for k, (at, _) in self._served.items() if at < limit]:
            del self._served[key]

    def send(self, data: bytes, target: Address, sock: socket.socket | None = None) -> None:
        if not self.plugged:
            return
        out = sock if sock is not None and sock.fileno() >= 0 else self._own
        with contextlib.suppress(OSError):  # a full buffer or an ICMP refusal: as if lost
            out.sendto(data, target)

    async def request(
        self,
        message: Message,
        target: Address,
        timeout_s: float = GIVE_UP_S,
        provisional: Callable[[Message], None] | None = None,
    ) -> Message | None:
        """Send a request and wait for its final answer; None when none came in time."""
        branch = f"z9hG4bK{secrets.token_hex(8)}"
        via = f"SIP/2.0/UDP {self.address[0]}:{self.address[1]};rport;branch={branch}"
        message.headers.insert(0, ("Via", via))
        queue: asyncio.Queue[Message] = asyncio.Queue()
        key = (branch, message.method)
        self._waiting[key] = queue
        try:
            return await self._exchange(message.render(), target, queue, timeout_s, provisional)
        finally:
            del self._waiting[key]

    async def _exchange(
        self,
        data: bytes,
        target: Address,
        queue: asyncio.Queue[Message],
        timeout_s: float,
        provisional: Callable[[Message], None] | None,
    ) -> Message | None:
        loop = asyncio.get_running_loop()
        until, interval, heard = loop.time() + timeout_s, T1_S, False
        self.send(data, target)
        while (left := until - loop.time()) > 0:
            try:
                async with asyncio.timeout(left if heard else min(interval, left)):
                    answer = await queue.get()
            except TimeoutError:
                if not heard:
                    self.send(data, target)
                    interval *= 2
                continue
            if answer.status >= 200:
                return answer
            heard, until = True, loop.time() + 180.0  # ringing: as long as the caller waits
            if provisional:
                provisional(answer)
        return None


def _bound(address: Address) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.setblocking(False)
    sock.bind(address)
    return sock
