"""A small real SIP user agent over UDP: registers, calls, answers, speaks and hears audio.

Enough of RFC 3261 to be a fair judge of a pair: transactions with retransmission, digest, dialogs
that follow the far end's Contact (so a call lives on where it was answered), 302 followed.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from contrib.lab.rtp import Audio
from contrib.lab.sip_message import (
    Message,
    authorization,
    build,
    endpoint_of,
    media_of,
    parse,
    respond,
    sdp,
    tag_in,
    uri_in,
)

T1_S = 0.5
T2_S = 4.0
Address = tuple[str, int]


class NoAnswer(Exception):
    """No final response came in time."""


class Refused(Exception):
    """A final response that is no success; `status` is its code."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Account:
    """`server` is where the agent sends what it begins: the virtual IP."""

    number: str
    server: Address
    password: str = ""


class Call:
    """A call that is up: one dialog, and its audio when asked for."""

    def __init__(self, agent: Agent, call_id: str, local: str, remote: str, cseq: int) -> None:
        self.agent = agent
        self.call_id = call_id
        self.local = local
        self.remote = remote
        self.cseq = cseq
        self.target = ""
        self.up_at = 0.0
        self.ended_by: str | None = None
        self.ended = asyncio.Event()
        self.audio: Audio | None = None

    @property
    def server(self) -> str:
        """The address that this call's dialog lives on: the far end's Contact."""
        return endpoint_of(self.target)[0]

    async def request(self, method: str, timeout_s: float = 32) -> Message:
        """A request inside the dialog, sent to the far end's Contact."""
        self.cseq += 1
        headers = [
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self.cseq} {method}"),
        ]
        where = endpoint_of(self.target)
        return await self.agent.transact(method, self.target, headers, "", where, timeout_s)

    async def hang_up(self, timeout_s: float = 2) -> bool:
        """BYE; False when the far end did not know the call any more, or did not answer."""
        if self.ended.is_set():
            return self.ended_by == "us"
        self.end("us")
        try:
            return (await self.request("BYE", timeout_s)).status == 200
        except NoAnswer:
            return False

    def end(self, by: str) -> None:
        self.ended_by = self.ended_by or by
        self.ended.set()
        self.agent.calls.pop(self.call_id, None)
        if self.audio:
            self.audio.close()


class Agent(asyncio.DatagramProtocol):
    """One UDP socket. `on_call` is told of every call that came in and was answered."""

    def __init__(self, account: Account, *, with_audio: bool = False) -> None:
        self.account = account
        self.with_audio = with_audio
        self.calls: dict[str, Call] = {}
        self.on_call: Callable[[Call], None] = lambda call: None
        self.local: Address = ("", 0)
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: dict[str, asyncio.Queue[Message]] = {}
        self._tag = secrets.token_hex(4)

    async def open(self, address: str, port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(address, port)
        )
        name = self._transport.get_extra_info("sockname")
        self.local = (name[0], name[1])

    def close(self) -> None:
        for call in list(self.calls.values()):
            call.end("us")
        if self._transport:
            self._transport.close()

    @property
    def contact(self) -> str:
        return f"<sip:{self.account.number}@{self.local[0]}:{self.local[1]}>"

    # -- what the agent begins

    async def register(self, expires_s: int = 120, timeout_s: float = 32) -> None:
        """Registers with the server; `expires_s` 0 takes the registration away."""
        host, port = self.account.server
        us = f"<sip:{self.account.number}@{host}>"
        headers = [
            ("From", f"{us};tag={secrets.token_hex(4)}"),
            ("To", us),
            ("Call-ID", secrets.token_hex(8)),
            ("CSeq", "1 REGISTER"),
            ("Expires", str(expires_s)),
        ]
        answer = await self._with_digest(
            "REGISTER", f"sip:{host}:{port}", headers, "", (host, port), timeout_s
        )
        _check(answer)

    async def call(self, number: str, timeout_s: float = 32) -> Call:
        """Calls a number at the server; returns when it is answered. NoAnswer, Refused."""
        server = self.account.server
        for _ in range(3):  # 302 is followed, but not round in circles
            call, answer = await self._invite(number, server, timeout_s)
            if answer.status != 302:
                break
            number, _, _ = uri_in(answer.get("contact")).removeprefix("sip:").partition("@")
            server = endpoint_of(uri_in(answer.get("contact")))
        if answer.status >= 300 and call.audio:
            call.audio.close()
        _check(answer)
        return call

    async def _invite(self, number: str, server: Address, timeout_s: float) -> tuple[Call, Message]:
        uri = f"sip:{number}@{server[0]}:{server[1]}"
        local = f"<sip:{self.account.number}@{self.local[0]}>;tag={secrets.token_hex(4)}"
        call = Call(self, secrets.token_hex(8), local, f"<{uri}>", 1)
        port = 9
        if self.with_audio:
            call.audio = await Audio.open(self.local[0])
            port = call.audio.port
        headers = [
            ("From", local),
            ("To", call.remote),
            ("Call-ID", call.call_id),
            ("CSeq", "1 INVITE"),
        ]
        body = sdp(self.local[0], port)
        answer = await self._with_digest("INVITE", uri, headers, body, server, timeout_s)
        if answer.status < 300:
            self._answered(call, answer)
        return call, answer

    def _answered(self, call: Call, answer: Message) -> None:
        call.remote = answer.get("to")
        call.target = uri_in(answer.get("contact"))
        call.cseq = int(answer.get("cseq").split()[0])
        call.up_at = time.time()
        self.calls[call.call_id] = call
        self._acknowledge(call, answer)
        far_end = media_of(answer.body)
        if call.audio and far_end:
            call.audio.talk_to(far_end)

    def _acknowledge(self, call: Call, answer: Message) -> None:
        """ACK of a 2xx, to the Contact in it, with a branch of its own (RFC 3261, 13.2.2.4)."""
        headers = [
            ("From", call.local),
            ("To", answer.get("to")),
            ("Call-ID", call.call_id),
            ("CSeq", f"{answer.get('cseq').split()[0]} ACK"),
        ]
        target = uri_in(answer.get("contact"))
        self._send(self._request("ACK", target, headers, "", _branch()), endpoint_of(target))

    async def _with_digest(
        self,
        method: str,
        uri: str,
        headers: list[tuple[str, str]],
        body: str,
        server: Address,
        timeout_s: float,
    ) -> Message:
        answer = await self.transact(method, uri, headers, body, server, timeout_s)
        if answer.status not in (401, 407) or not self.account.password:
            return answer
        asked, told = (
            ("www-authenticate", "Authorization")
            if answer.status == 401
            else ("proxy-authenticate", "Proxy-Authorization")
        )
        credentials = authorization(
            answer.get(asked), method, uri, self.account.number, self.account.password
        )
        again = [(name, value) for name, value in headers if name != "CSeq"]
        again += [("CSeq", f"2 {method}"), (told, credentials)]
        return await self.transact(method, uri, again, body, server, timeout_s)

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
        branch = _branch()
        packet = self._request(method, uri, headers, body, branch)
        answers = self._waiting[branch] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + timeout_s, T1_S
        answer: Message | None = None
        try:
            while not answer or answer.status < 200:
                if not answer:
                    self._send(packet, server)
                left = deadline - loop.time()
                if left <= 0:
                    raise NoAnswer(f"{method} {uri}: no answer within {timeout_s:g} s")
                wait_s = left if answer else min(left, pause)
                with contextlib.suppress(TimeoutError):
                    answer = await asyncio.wait_for(answers.get(), wait_s)
                pause = min(2 * pause, T2_S)
        finally:
            # late copies of a final response are still acknowledged, see _response
            loop.call_later(5, self._waiting.pop, branch, None)
        if method == "INVITE" and answer.status >= 300:
            self._send(_ack_of_failure(packet, answer), server)
        return answer

    def _request(
        self, method: str, uri: str, headers: list[tuple[str, str]], body: str, branch: str
    ) -> bytes:
        host, port = self.local
        own = [
            ("Via", f"SIP/2.0/UDP {host}:{port};rport;branch={branch}"),
            ("Max-Forwards", "70"),
            ("Contact", self.contact),
            ("User-Agent", "lab"),
        ]
        return build(f"{method} {uri} SIP/2.0", [*own, *headers], body)

    def _send(self, packet: bytes, to: Address) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.sendto(packet, to)

    # -- what comes in

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        message = parse(data)
        source = (str(addr[0]), int(addr[1]))
        if message and message.status:
            self._response(message)
        elif message:
            self._incoming(message, source)

    def error_received(self, exc: Exception) -> None:
        """An ICMP error on an unconnected socket says not whose: the deadline will tell."""

    def _response(self, message: Message) -> None:
        queue = self._waiting.get(message.branch)
        call = self.calls.get(message.get("call-id"))
        if call and message.method == "INVITE" and message.status // 100 == 2 and call.up_at:
            self._acknowledge(call, message)  # the ACK was lost: the far end repeats its 200
        elif queue:
            queue.put_nowait(message)

    def _incoming(self, request: Message, source: Address) -> None:
        call = self.calls.get(request.get("call-id"))
        if request.method == "ACK":
            return
        if request.method == "INVITE":
            asyncio.get_running_loop().create_task(self._answer(request, source, call))
            return
        known = call is not None or request.method in ("OPTIONS", "NOTIFY", "CANCEL")
        status = "200 OK" if known else "481 Call/Transaction Does Not Exist"
        self._send(respond(request, status, self._tag), source)
        if request.method == "BYE" and call:
            call.end("them")

    async def _answer(self, request: Message, source: Address, call: Call | None) -> None:
        """Answers a call, or a re-INVITE of one that is up."""
        if not call:
            ours = f"{request.get('to')};tag={self._tag}"
            call = Call(self, request.get("call-id"), ours, request.get("from"), 1)
            self.calls[call.call_id] = call
            call.target = uri_in(request.get("contact"))
            call.up_at = time.time()
            if self.with_audio:
                call.audio = await Audio.open(self.local[0])
            self.on_call(call)
        far_end = media_of(request.body)
        if call.audio and far_end:
            call.audio.talk_to(far_end)
        body = sdp(self.local[0], call.audio.port if call.audio else 9)
        extra = [("Contact", self.contact)]
        self._send(respond(request, "200 OK", tag_in(call.local), extra, body), source)


def _branch() -> str:
    return f"z9hG4bK{secrets.token_hex(8)}"


def _check(answer: Message) -> None:
    if answer.status >= 300:
        raise Refused(answer.status, answer.start.removeprefix("SIP/2.0 "))


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
