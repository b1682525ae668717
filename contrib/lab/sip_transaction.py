"""SIP transactions over one UDP socket: a request, its retransmissions, its final response."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets

from contrib.lab.sip_message import Message, build, parse

T1_S = 0.5
T2_S = 4.0
Address = tuple[str, int]


class NoAnswer(Exception):
    """No final response came in time."""


class Transactions(asyncio.DatagramProtocol):
    """The client side is complete; requests that come in go to `incoming` (RFC 3261, 17.1)."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.user_agent = "lab"
        self.local: Address = ("", 0)
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: dict[str, asyncio.Queue[Message]] = {}

    async def open(self, address: str, port: int = 0) -> None:
        """Binds the socket; `address` is also what stands in Via and Contact."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(address, port)
        )
        name = self._transport.get_extra_info("sockname")
        self.local = (name[0], name[1])

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    @property
    def contact(self) -> str:
        return f"<sip:{self.user}@{self.local[0]}:{self.local[1]}>"

    def waits_for(self, answer: Message) -> bool:
        """Whether a request of ours still waits for this response."""
        return answer.branch in self._waiting

    def incoming(self, request: Message, source: Address) -> None:
        """A request came in."""

    def late_answer(self, answer: Message) -> bool:
        """A response came in; True when no transaction has to hear of it."""
        return False

    async def transact(
        self,
        method: str,
        uri: str,
        headers: list[tuple[str, str]],
        body: str,
        server: Address,
        timeout_s: float,
    ) -> Message:
        """Sends a request, again and again as RFC 3261 says, and returns its final response."""
        branch = new_branch()
        packet = self.request_bytes(method, uri, headers, body, branch)
        answers = self._waiting[branch] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + timeout_s, T1_S
        answer: Message | None = None
        try:
            while not answer or answer.status < 200:
                if not answer:
                    self.send(packet, server)
                left = deadline - loop.time()
                if left <= 0:
                    raise NoAnswer(f"{method} {uri}: no answer within {timeout_s:g} s")
                wait_s = left if answer else min(left, pause)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        answer = await answers.get()
                pause = min(2 * pause, T2_S)
        finally:
            del self._waiting[branch]
        if method == "INVITE" and answer.status >= 300:
            self.send(_ack_of_failure(packet, answer), server)
        return answer

    def request_bytes(
        self, method: str, uri: str, headers: list[tuple[str, str]], body: str, branch: str
    ) -> bytes:
        host, port = self.local
        own = [
            ("Via", f"SIP/2.0/UDP {host}:{port};rport;branch={branch}"),
            ("Max-Forwards", "70"),
            ("Contact", self.contact),
            ("User-Agent", self.user_agent),
        ]
        return build(f"{method} {uri} SIP/2.0", [*own, *headers], body)

    def send(self, packet: bytes, to: Address) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.sendto(packet, to)

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        message = parse(data)
        if message and message.status:
            queue = self._waiting.get(message.branch)
            if not self.late_answer(message) and queue:
                queue.put_nowait(message)
        elif message:
            self.incoming(message, (str(addr[0]), int(addr[1])))

    def error_received(self, exc: Exception) -> None:
        """An ICMP error on an unconnected socket says not whose: the deadline will tell."""


def new_branch() -> str:
    return f"z9hG4bK{secrets.token_hex(8)}"


def _ack_of_failure(invite: bytes, answer: Message) -> bytes:
    """ACK of a non-2xx: same branch, Via and CSeq number as the INVITE (RFC 3261, 17.1.1.3)."""
    head = invite.decode().partition("\r\n\r\n")[0]
    lines = [
        line
        for line in head.split("\r\n")
        if re.match(r"INVITE |(Via|Max-Forwards|From|Call-ID):", line)
    ]
    number = answer.get("cseq").split()[0]
    lines[0] = "ACK" + lines[0].removeprefix("INVITE")
    lines += [f"To: {answer.get('to')}", f"CSeq: {number} ACK", "Content-Length: 0"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
