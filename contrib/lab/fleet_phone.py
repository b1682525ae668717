"""A phone of the fleet: it rings before it answers, and can fall silent as if unplugged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from contrib.lab.sip import Account, Agent
from contrib.lab.sip_message import Message, respond, tag_in, uri_in
from contrib.lab.sip_transaction import Address


class Phone(Agent):
    """Rings for `ring_s` seconds, then answers; `on_ring` is told who calls (the user in From)."""

    def __init__(self, account: Account, ring_s: float, on_ring: Callable[[str], None]) -> None:
        super().__init__(account, with_audio=True)
        self.silent = False
        self._ring_s = ring_s
        self._on_ring = on_ring
        self._ringing: dict[str, asyncio.Event] = {}

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        if not self.silent:
            super().datagram_received(data, addr)

    def send(self, packet: bytes, to: Address) -> None:
        if not self.silent:
            super().send(packet, to)

    def incoming(self, request: Message, source: Address) -> None:
        call_id = request.get("call-id")
        given_up = self._ringing.get(call_id)
        if request.method == "CANCEL":
            self.send(respond(request, "200 OK", self._tag), source)
            if given_up:
                given_up.set()
        elif request.method != "INVITE" or call_id in self.calls or tag_in(request.get("to")):
            super().incoming(request, source)
        else:
            self.send(self._rings(request), source)
            if not given_up:  # an INVITE that comes again hears the ringing once more
                self.in_background(self._ring(request, source))

    def _rings(self, request: Message) -> bytes:
        return respond(request, "180 Ringing", self._tag, [("Contact", self.contact)])

    async def _ring(self, request: Message, source: Address) -> None:
        call_id = request.get("call-id")
        given_up = self._ringing[call_id] = asyncio.Event()
        self._on_ring(uri_in(request.get("from")).removeprefix("sip:").partition("@")[0])
        try:
            async with asyncio.timeout(self._ring_s):
                await given_up.wait()
            self.send(respond(request, "487 Request Terminated", self._tag), source)
        except TimeoutError:
            super().incoming(request, source)
        finally:
            del self._ringing[call_id]
