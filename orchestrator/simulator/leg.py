"""One SIP dialog of a node: the leg of a call to one phone, caller or provider."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable

from orchestrator.simulator import sip
from orchestrator.simulator.sip import Address, Message
from orchestrator.simulator.stack import Incoming, Stack

AGENT = "Asterisk PBX 22.10.1+dfsg+~cs6.17.60671434-1"
ALLOW = "OPTIONS, INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, REGISTER, NOTIFY, REFER, MESSAGE"
ACK_WAIT_S = 0.5


class Leg:
    """A dialog.

    ``gone`` is set when the far end has ended it or does not answer any more, ``taken`` when its
    channel was sent elsewhere in the dialplan; ``over`` with either of them.
    """

    def __init__(self, stack: Stack, call_id: str) -> None:
        self.stack = stack
        self.call_id = call_id
        self.over = asyncio.Event()
        self.gone = _Also(self.over)
        self.taken = _Also(self.over)
        self.notified: asyncio.Queue[int] = asyncio.Queue()
        self.acked = asyncio.Event()
        self.up = False
        self.local = ""
        self.remote = ""
        self.remote_uri = ""
        self.target: Address = ("", 0)
        self.cseq = 1
        self.invite: Incoming | None = None
        self._sent: Message | None = None  # our INVITE, for a CANCEL

    # --- the far end calls us ---

    @classmethod
    def from_caller(cls, incoming: Incoming) -> Leg:
        message = incoming.message
        leg = cls(incoming.stack, message.call_id)
        leg.invite = incoming
        leg.local = f"{message.get('To')};tag={incoming.tag}"
        leg.remote = message.get("From")
        leg.remote_uri = sip.uri_of(message.get("Contact")) or sip.uri_of(leg.remote)
        leg.target = incoming.source  # rport: symmetric, as with rewrite_contact
        incoming.reply(100)
        return leg

    @property
    def contact(self) -> tuple[str, str]:
        """Always the node's own address: the dialog stays where the call was accepted."""
        host, port = self.stack.address
        return ("Contact", f"<sip:{host}:{port}>")

    def _sdp(self) -> str:
        return sip.sdp(self.stack.address[0], 10000 + secrets.randbelow(5000) * 2)

    def ring(self) -> None:
        if self.invite and not self.up:
            self.invite.reply(180, [self.contact])

    def answer(self) -> None:
        """200 OK, repeated until the ACK comes (RFC 3261 13.3.1.4)."""
        if self.invite and not self.up:
            self.up = True
            headers = [self.contact, ("Allow", ALLOW), ("Server", AGENT)]
            self.invite.reply(200, headers, self._sdp())
            asyncio.get_running_loop().create_task(self._until_acked(self.invite))

    async def _until_acked(self, invite: Incoming) -> None:
        wait = ACK_WAIT_S
        while wait < 20 and not self.gone.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self.acked.wait()
                return
            invite.repeat()
            wait *= 2
        if not self.gone.is_set():
            await self.hang_up()  # no ACK for 32 s: the caller is gone

    def refuse(self, status: int, extra: list[tuple[str, str]] | None = None) -> None:
        if self.invite and not self.up and not self.gone.is_set():
            self.invite.reply(status, [*(extra or []), ("Server", AGENT)])
        self.gone.set()

    # --- we call the far end ---

    async def call(
        self,
        uri: str,
        target: Address,
        caller: str,
        credentials: tuple[str, str] = ("", ""),
        ringing: Callable[[], None] | None = None,
    ) -> int:
        """INVITE; the final status, 0 when there was none. Answers one challenge."""
        host = self.stack.address[0]
        self.local = f'"{caller}" <sip:{caller}@{host}>;tag={secrets.token_hex(5)}'
        self.remote, self.remote_uri, self.target = f"<{uri}>", uri, target
        body = self._sdp()
        request = self._sent = self._out("INVITE", body)
        answer = await self.stack.request(request, target, provisional=_on_ringing(ringing))
        if answer is not None and answer.status == 401 and credentials[1]:
            self._ack(answer)
            self.cseq += 1
            proof = sip.authorization(answer.get("WWW-Authenticate"), *credentials, "INVITE", uri)
            request = self._sent = self._out("INVITE", body)
            request.headers.append(("Authorization", proof))
            answer = await self.stack.request(request, target, provisional=_on_ringing(ringing))
        if answer is not None:
            self.remote = answer.get("To")
            if contact := sip.uri_of(answer.get("Contact")):
                self.remote_uri = contact
            self._ack(answer)
            self.up = answer.status < 300
        if not self.up:
            self.gone.set()
        return answer.status if answer else 0

    def cancel(self) -> None:
        """CANCEL our INVITE (RFC 3261 9.1); its final answer ends ``call``."""
        if self._sent is None:
            return
        cancel = self._out("CANCEL")
        cancel.start = f"CANCEL {self._sent.uri} SIP/2.0"
        cancel.headers.insert(0, ("Via", self._sent.get("Via")))
        self.stack.send(cancel.render(), self.target)

    def _ack(self, answer: Message) -> None:
        ack = self._out("ACK")
        via = answer.get("Via") if answer.status >= 300 else self._via()
        ack.headers.insert(0, ("Via", via))
        ack.headers = [(n, answer.get("To") if n == "To" else v) for n, v in ack.headers]
        self.stack.send(ack.render(), self.target)

    def _via(self) -> str:
        host, port = self.stack.address
        return f"SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{secrets.token_hex(8)}"

    def _out(self, method: str, body: str = "") -> Message:
        headers = [
            ("Max-Forwards", "70"),
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self.cseq} {method}"),
            self.contact,
            ("User-Agent", AGENT),
        ]
        if body:
            headers.append(("Content-Type", "application/sdp"))
        return Message(f"{method} {self.remote_uri} SIP/2.0", headers, body)

    async def refer(self, target: str) -> int:
        """REFER (RFC 3515): what became of it, 500 when nothing was heard; 0 when the leg was
        taken or ended meanwhile. A phone that does not answer at all loses the dialog."""
        self.cseq += 1
        request = self._out("REFER")
        request.headers.append(("Refer-To", f"<{target}>"))
        answer = await self.stack.request(request, self.target)
        if answer is None:
            await self.hang_up()
            return 500
        status = answer.status
        while 200 <= status < 300 and not self.over.is_set():
            heard = asyncio.ensure_future(self.notified.get())
            ends = asyncio.ensure_future(self.over.wait())
            await asyncio.wait({heard, ends}, return_when=asyncio.FIRST_COMPLETED)
            ends.cancel()
            if not heard.done():
                heard.cancel()
                return 0
            if heard.result() >= 200:
                return heard.result()
        return status

    # --- both ---

    async def hang_up(self) -> None:
        """End the dialog: BYE when it is up, otherwise a refusal."""
        if self.gone.is_set():
            return
        self.gone.set()
        if self.up:
            self.cseq += 1
            await self.stack.request(self._out("BYE"), self.target, timeout_s=4.0)
        elif self.invite:
            self.invite.reply(480, [("Server", AGENT)])

    def received(self, incoming: Incoming) -> None:
        """A request within the dialog, to be answered and obeyed."""
        method = incoming.message.method
        if method == "ACK":
            self.acked.set()
        elif method == "BYE":
            incoming.reply(200, [("Server", AGENT)])
            self.gone.set()
        elif method == "INVITE":  # hold, session refresh: nothing changes here
            incoming.reply(200, [self.contact, ("Allow", ALLOW)], self._sdp())
        elif method == "CANCEL":
            incoming.reply(200)
            if self.invite and not self.up:
                self.invite.reply(487)
            self.gone.set()
        else:
            incoming.reply(200, [self.contact, ("Allow", ALLOW)])
            fragment = incoming.message.body.split(" ")
            if method == "NOTIFY" and len(fragment) > 1 and fragment[1].isdigit():
                self.notified.put_nowait(int(fragment[1]))


class _Also(asyncio.Event):
    """Sets another one with it; cleared together."""

    def __init__(self, other: asyncio.Event) -> None:
        super().__init__()
        self._other = other

    def set(self) -> None:
        super().set()
        self._other.set()

    def clear(self) -> None:
        super().clear()
        self._other.clear()


def _on_ringing(ringing: Callable[[], None] | None) -> Callable[[Message], None] | None:
    if ringing is None:
        return None
    call = ringing

    def heard(message: Message) -> None:
        if message.status == 180:
            call()

    return heard
