"""One call of the SIP user agent: its dialog, its audio, and where both have gone by REFER."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from typing import Protocol

from contrib.lab.rtp import Audio
from contrib.lab.sip_message import Headers, Message, endpoint_of, media_of, sdp
from contrib.lab.sip_transaction import Address, NoAnswer


class Owner(Protocol):
    """What a call needs of its agent."""

    calls: dict[str, Call]
    local: Address

    async def ask(
        self, method: str, uri: str, headers: Headers, body: str, server: Address, timeout_s: float
    ) -> Message:
        """A request, answered with our credentials when it is challenged."""

    def acknowledge(self, call: Call, answer: Message) -> None:
        """ACK of a 2xx."""


class Call:
    """A call that is up. `moved`: how often it followed a REFER to another dialog."""

    def __init__(self, agent: Owner, call_id: str, local: str, remote: str, cseq: int) -> None:
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
        self.moved = 0
        self.follows = False  # a REFER, at this moment
        self.let_go = False  # the far end hung up while it did

    @property
    def server(self) -> str:
        """The address that this call's dialog lives on: the far end's Contact."""
        return endpoint_of(self.target)[0]

    async def request(
        self,
        method: str,
        timeout_s: float = 32,
        extra: Sequence[tuple[str, str]] = (),
        body: str = "",
    ) -> Message:
        """A request inside the dialog, sent to the far end's Contact."""
        self.cseq += 1
        headers = [
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self.cseq} {method}"),
            *extra,
        ]
        where = endpoint_of(self.target)
        answer = await self.agent.ask(method, self.target, headers, body, where, timeout_s)
        self.cseq = max(self.cseq, int(answer.get("cseq").split()[0]))
        return answer

    async def hold(self, *, on: bool) -> Message:
        """Puts the far end on hold, or takes it back (RFC 3264, 8.4)."""
        port = self.audio.port if self.audio else 9
        body = sdp(self.agent.local[0], port, "sendonly" if on else "sendrecv")
        answer = await self.request("INVITE", body=body)
        if answer.status < 300:
            self.agent.acknowledge(self, answer)
        return answer

    async def transfer(self, number: str) -> Message:
        """Blind transfer: asks the far end to let the other one call `number` (RFC 3515)."""
        host, port = endpoint_of(self.target)
        refer = [("Refer-To", f"<sip:{number}@{host}:{port}>"), ("Referred-By", self.local)]
        return await self.request("REFER", extra=refer)

    async def hang_up(self, timeout_s: float = 2) -> bool:
        """BYE; False when the far end did not know the call any more, or did not answer."""
        if self.ended.is_set():
            return self.ended_by == "us"
        self.end("us")
        try:
            return (await self.request("BYE", timeout_s)).status == 200
        except NoAnswer:
            return False

    def hear(self, body: str) -> None:
        """Talks to where the far end wants its audio."""
        far_end = media_of(body)
        if self.audio and far_end:
            self.audio.talk_to(far_end)

    def become(self, other: Call) -> Call:
        """Goes on in the dialog of `other`; what is left of the old one, until its BYE comes."""
        left = copy.copy(self)
        left.audio, left.ended, left.follows = None, asyncio.Event(), False
        if self.let_go:
            self.agent.calls.pop(left.call_id, None)
        else:
            self.agent.calls[left.call_id] = left
        self.call_id, self.local, self.remote = other.call_id, other.local, other.remote
        self.target, self.cseq = other.target, other.cseq
        self.moved += 1
        self.agent.calls[self.call_id] = self
        return left

    def bye(self) -> None:
        """The far end hangs up; a phone that is about to go elsewhere does not mind."""
        if self.follows:
            self.let_go = True
        else:
            self.end("them")

    def end(self, by: str) -> None:
        self.ended_by = self.ended_by or by
        self.ended.set()
        self.agent.calls.pop(self.call_id, None)
        if self.audio:
            self.audio.close()
