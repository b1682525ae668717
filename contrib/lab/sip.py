"""A small real SIP user agent over UDP: registers, calls, answers, speaks and hears audio.

Enough of RFC 3261 to be a fair judge of a pair: transactions with retransmission, digest, dialogs
that follow the far end's Contact (so a call lives on where it was answered), 302 followed.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from contrib.lab.rtp import Audio
from contrib.lab.sip_call import Call
from contrib.lab.sip_message import (
    Headers,
    Message,
    authorization,
    endpoint_of,
    respond,
    sdp,
    tag_in,
    uri_in,
    user_of,
)
from contrib.lab.sip_refer import Habit, referred
from contrib.lab.sip_transaction import Address, NoAnswer, Transactions, new_branch

__all__ = ["Account", "Agent", "Call", "Habit", "NoAnswer", "Refused", "account_for"]


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


def account_for(phone: str | None, otherwise: str, server: Address) -> Account:
    """The account of one of the lab's phones, or that of a caller without a password."""
    return Account(phone, server, f"secret{phone}") if phone else Account(otherwise, server)


class Agent(Transactions):
    """`on_call` is told of every call that came in and was answered."""

    def __init__(self, account: Account, *, with_audio: bool = False) -> None:
        super().__init__(account.number)
        self.account = account
        self.with_audio = with_audio
        self.calls: dict[str, Call] = {}
        self.habit = Habit.HONOUR  # what it does with a REFER
        self.on_call: Callable[[Call], None] = lambda call: None
        self._tag = secrets.token_hex(4)
        self._background: set[asyncio.Task[object]] = set()

    def close(self) -> None:
        for call in list(self.calls.values()):
            call.end("us")
        super().close()

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
        answer = await self.ask(
            "REGISTER", f"sip:{host}:{port}", headers, "", (host, port), timeout_s
        )
        _check(answer)

    async def call(self, number: str, timeout_s: float = 32) -> Call:
        """Calls a number at the server; returns when it is answered. NoAnswer, Refused."""
        server = self.account.server
        for _ in range(3):  # 302 is followed, but not round in circles
            call, answer = await self.invite(number, server, timeout_s)
            if answer.status != 302:
                break
            elsewhere = uri_in(answer.get("contact"))
            number, server = user_of(elsewhere), endpoint_of(elsewhere)
        _check(answer)
        return call

    async def invite(
        self,
        number: str,
        server: Address,
        timeout_s: float,
        *,
        audio: Audio | None = None,
        challenged: Callable[[Message], None] = lambda answer: None,
    ) -> tuple[Call, Message]:
        """One INVITE and its final answer; the audio of a call that moves goes on in it."""
        uri = f"sip:{number}@{server[0]}:{server[1]}"
        local = f"<sip:{self.account.number}@{self.local[0]}>;tag={secrets.token_hex(4)}"
        call = Call(self, secrets.token_hex(8), local, f"<{uri}>", 1)
        call.audio = audio or (await Audio.open(self.local[0]) if self.with_audio else None)
        headers = [
            ("From", local),
            ("To", call.remote),
            ("Call-ID", call.call_id),
            ("CSeq", "1 INVITE"),
        ]
        body = sdp(self.local[0], call.audio.port if call.audio else 9)
        try:
            answer = await self.ask("INVITE", uri, headers, body, server, timeout_s, challenged)
        except NoAnswer:
            _close(call.audio, unless=audio)
            raise
        if answer.status < 300:
            self._answered(call, answer)
        else:
            _close(call.audio, unless=audio)
        return call, answer

    def _answered(self, call: Call, answer: Message) -> None:
        call.remote = answer.get("to")
        call.target = uri_in(answer.get("contact"))
        call.cseq = int(answer.get("cseq").split()[0])
        call.up_at = time.time()
        self.calls[call.call_id] = call
        self.acknowledge(call, answer)
        call.hear(answer.body)

    def acknowledge(self, call: Call, answer: Message) -> None:
        """ACK of a 2xx, to the Contact in it, with a branch of its own (RFC 3261, 13.2.2.4)."""
        headers = [
            ("From", call.local),
            ("To", answer.get("to")),
            ("Call-ID", call.call_id),
            ("CSeq", f"{answer.get('cseq').split()[0]} ACK"),
        ]
        target = uri_in(answer.get("contact"))
        self.send(self.request_bytes("ACK", target, headers, "", new_branch()), endpoint_of(target))

    async def ask(
        self,
        method: str,
        uri: str,
        headers: Headers,
        body: str,
        server: Address,
        timeout_s: float,
        challenged: Callable[[Message], None] = lambda answer: None,
    ) -> Message:
        """A request; when it is challenged (`challenged` is told), again with credentials."""
        answer = await self.transact(method, uri, headers, body, server, timeout_s)
        if answer.status not in (401, 407) or not self.account.password:
            return answer
        challenged(answer)
        asked, told = (
            ("www-authenticate", "Authorization")
            if answer.status == 401
            else ("proxy-authenticate", "Proxy-Authorization")
        )
        credentials = authorization(
            answer.get(asked), method, uri, self.account.number, self.account.password
        )
        number = int(answer.get("cseq").split()[0]) + 1
        again = [(name, value) for name, value in headers if name != "CSeq"]
        again += [("CSeq", f"{number} {method}"), (told, credentials)]
        return await self.transact(method, uri, again, body, server, timeout_s)

    # -- what comes in

    def late_answer(self, answer: Message) -> bool:
        if answer.method != "INVITE" or answer.status // 100 != 2 or self.waits_for(answer):
            return False
        call = self.calls.get(answer.get("call-id"))
        if call:  # our ACK was lost: the far end repeats its 200
            self.acknowledge(call, answer)
            return True
        self._decline_late(answer)
        return True

    def _decline_late(self, answer: Message) -> None:
        """We had given up (a node that hung, say): the call is taken and ended at once."""
        number = int(answer.get("cseq").split()[0])
        local, remote = answer.get("from"), answer.get("to")
        call = Call(self, answer.get("call-id"), local, remote, number)
        call.target = uri_in(answer.get("contact"))
        self.acknowledge(call, answer)
        self.in_background(call.hang_up())

    def in_background(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def incoming(self, request: Message, source: Address) -> None:
        call = self.calls.get(request.get("call-id"))
        if request.method == "ACK":
            return
        if request.method == "INVITE":
            self.in_background(self._answer(request, source, call))
            return
        if request.method == "REFER" and call:
            referred(self, call, request, source)
            return
        known = call is not None or request.method in ("OPTIONS", "NOTIFY", "CANCEL")
        status = "200 OK" if known else "481 Call/Transaction Does Not Exist"
        self.reply(request, status, source)
        if request.method == "BYE" and call:
            call.bye()

    def reply(self, request: Message, status: str, source: Address) -> None:
        """A response without a body."""
        extra = [("Contact", self.contact)]
        self.send(respond(request, status, self._tag, extra), source)

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
        call.hear(request.body)
        body = sdp(self.local[0], call.audio.port if call.audio else 9)
        extra = [("Contact", self.contact)]
        self.send(respond(request, "200 OK", tag_in(call.local), extra, body), source)


def _check(answer: Message) -> None:
    if answer.status >= 300:
        raise Refused(answer.status, answer.start.removeprefix("SIP/2.0 "))


def _close(audio: Audio | None, *, unless: Audio | None) -> None:
    """Of a call that did not come up; that of a call that wanted to move goes on."""
    if audio and audio is not unless:
        audio.close()
