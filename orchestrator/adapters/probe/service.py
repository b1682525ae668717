"""Proof that the service address is served: OPTIONS, then a whole test call."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

from orchestrator.adapters.probe.message import (
    Message,
    new_branch,
    new_dialog,
    offer,
    parse,
    uri_address,
)

T1_S = 0.05  # first retransmission; RFC 3261 has 0.5 s, which is a whole failover here
T2_S = 0.4
GOODBYE_S = 0.5  # for the end of a call that already proved what it had to


@dataclass(frozen=True, slots=True)
class ServiceProof:
    """What the test showed. ``contact_host`` tells own-address dialogs from the others.

    It is the node's own address where dialogs survive a move of the virtual IP.
    """

    ok: bool
    says: str
    answer_ms: float = 0.0
    contact_host: str = ""


class _Failed(Exception):
    pass


class _Socket(asyncio.DatagramProtocol):
    """Not connected: with own-address dialogs, the node's BYE comes from its own address."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[Message] = asyncio.Queue(maxsize=100)
        self.transport: asyncio.DatagramTransport | None = None
        self.hung_up = False
        self.refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        message = parse(data)
        if message and message.status:
            with contextlib.suppress(asyncio.QueueFull):
                self.inbox.put_nowait(message)
        elif message and message.method != "ACK":
            self.hung_up = self.hung_up or message.method == "BYE"
            self.send(message.reply("200 OK"), addr)

    def error_received(self, exc: Exception) -> None:
        self.refused = isinstance(exc, ConnectionRefusedError)

    def send(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self.transport
        self.transport.sendto(data, addr)


@contextlib.asynccontextmanager
async def _open(address: str, port: int) -> AsyncIterator[tuple[_Socket, tuple[str, int]]]:
    """A socket on the local address that the target is reached from."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as finder:
        finder.connect((address, port))
        own = finder.getsockname()[0]
    transport, wire = await asyncio.get_running_loop().create_datagram_endpoint(
        _Socket, local_addr=(own, 0)
    )
    try:
        yield wire, (own, transport.get_extra_info("sockname")[1])
    finally:
        transport.close()


async def _answers(
    wire: _Socket, data: bytes, addr: tuple[str, int], branch: str
) -> AsyncIterator[Message]:
    """Send, repeat until something comes, and give every answer to this branch."""
    pause_s: float | None = T1_S
    wire.send(data, addr)
    while True:
        try:
            async with asyncio.timeout(pause_s):
                message = await wire.inbox.get()
        except TimeoutError:
            wire.send(data, addr)
            pause_s = min(2 * (pause_s or T1_S), T2_S)
            continue
        if message.branch == branch:
            pause_s = None
            yield message


async def _options(address: str, port: int, until: float) -> Message:
    """The final answer to OPTIONS, by loop time ``until``; ``_Failed`` where it was refused."""
    transport, wire = await asyncio.get_running_loop().create_datagram_endpoint(
        _Socket, remote_addr=(address, port)
    )
    own = transport.get_extra_info("sockname")
    branch = new_branch()
    request = new_dialog((own[0], own[1]), address, port).request("OPTIONS", 1, branch)
    try:
        async with asyncio.timeout_at(until):
            async for answer in _answers(wire, request, (address, port), branch):
                if answer.status >= 200:
                    return answer
        raise AssertionError("answers never end")
    except TimeoutError:
        if wire.refused:
            raise _Failed(f"nobody listens on port {port} of it") from None
        raise
    finally:
        transport.close()


class _Call:
    """INVITE, 200, ACK, BYE; whatever goes wrong, the other side is left without a call."""

    def __init__(
        self, wire: _Socket, own: tuple[str, int], to: tuple[str, int], user: str, rtp_port: int
    ) -> None:
        self._wire = wire
        self._to = to
        self._dialog = new_dialog(own, *to, user)
        self._branch = new_branch()
        self._invite = self._dialog.request("INVITE", 1, self._branch, offer(own[0], rtp_port))
        self._ringing = False

    async def answered(self) -> Message:
        """The 2xx, acknowledged; ``_Failed`` for any other final answer."""
        try:
            return await self._final()
        except asyncio.CancelledError:
            if self._ringing:
                await self._cancel()
            raise

    async def _final(self) -> Message:
        async for answer in _answers(self._wire, self._invite, self._to, self._branch):
            self._ringing = True
            if 200 <= answer.status < 300:
                self._established(answer)
                return answer
            if answer.status >= 300:
                self._ringing = False
                self._acknowledge_failure(answer)
                raise _Failed(f"the test call was answered with {answer.says()}")
        raise AssertionError("answers never end")

    def _established(self, answer: Message) -> None:
        self._ringing = False
        self._dialog = self._dialog.answered(answer)
        self._send(self._dialog.request("ACK", 1, new_branch()))

    def _acknowledge_failure(self, answer: Message) -> None:
        ack = self._dialog.failed(answer).request("ACK", 1, self._branch)
        self._wire.send(ack, self._to)

    async def _cancel(self) -> None:
        """Only after a provisional answer (RFC 3261 9.1); a 2xx that crosses it is hung up."""
        self._ringing = False
        self._wire.send(self._dialog.request("CANCEL", 1, self._branch), self._to)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                while True:
                    answer = await self._wire.inbox.get()
                    if answer.method != "INVITE" or answer.branch != self._branch:
                        continue
                    if 200 <= answer.status < 300:
                        self._established(answer)
                        await self.hang_up()
                        return
                    if answer.status >= 300:
                        self._acknowledge_failure(answer)
                        return

    async def hang_up(self) -> None:
        """BYE; the call has proved itself already, so its end is not waited for long."""
        if self._wire.hung_up:
            return
        branch, dialog = new_branch(), self._dialog
        request = dialog.request("BYE", 2, branch)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                async for answer in _answers(self._wire, request, self._hop(), branch):
                    if answer.status >= 200:
                        return

    def _send(self, data: bytes) -> None:
        self._wire.send(data, self._hop())

    def _hop(self) -> tuple[str, int]:
        """Where requests of the established dialog go (RFC 3261 12.2.1.1, loose routing)."""
        route = self._dialog.route
        uri = route[0].strip("<> ") if route else self._dialog.target
        return uri_address(uri) or self._to


async def _test_call(address: str, port: int, user: str, until: float) -> tuple[Message, float]:
    """The 2xx and the loop time at which it came."""
    async with _open(address, port) as (wire, own):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as rtp:
            rtp.bind((own[0], 0))  # what is played to us must not come back as ICMP errors
            call = _Call(wire, own, (address, port), user, rtp.getsockname()[1])
            async with asyncio.timeout_at(until):
                answer = await call.answered()
            at = asyncio.get_running_loop().time()
            await call.hang_up()
            return answer, at


async def verify_service(
    address: str, port: int, test_call_to: str | None, timeout_s: float
) -> ServiceProof:
    """OPTIONS to the service address, then a call to ``test_call_to`` where one is configured.

    Never raises for what the network does: ``says`` tells what was missing.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    until, asked = start + timeout_s, "OPTIONS"
    try:
        answer = await _options(address, port, until)
        answered_at = loop.time()
        if test_call_to:
            asked, start = f"the test call to {test_call_to}", answered_at
            answer, answered_at = await _test_call(address, port, test_call_to, until)
    except TimeoutError:
        return ServiceProof(False, f"{address} gave no answer to {asked} within {timeout_s:g} s")
    except _Failed as failure:
        return ServiceProof(False, f"{address} does not serve: {failure}")
    except OSError as error:
        return ServiceProof(False, f"{asked} could not be sent to {address}: {error}")
    host = answer.contact[0] if answer.contact else ""
    says = f"{address} answered {asked} with {answer.says()}"
    return ServiceProof(True, says, (answered_at - start) * 1000, host)
