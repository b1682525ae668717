"""SIP probes against a small real UDP server that plays its part of RFC 3261."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import cast

import pytest

from orchestrator.adapters.probe import SipProbe, verify_service
from orchestrator.adapters.probe.message import Message, new_branch, new_dialog, parse
from orchestrator.core.events import Event, Observed
from orchestrator.core.words import Observer, Outcome

Answers = Callable[["Server", Message, bytes], list[str]]


@dataclass
class Server(asyncio.DatagramProtocol):
    """Answers each request with the statuses that ``answers`` gives; notes all it got."""

    answers: Answers
    got: list[str] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    transport: asyncio.DatagramTransport | None = None
    port: int = 0
    invite: Message | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        message = parse(data)
        assert message and self.transport
        self.got.append(message.method)
        self.raw.append(data)
        if message.method == "INVITE":
            self.invite = message
        for status in self.answers(self, message, data):
            about = self.invite if status.startswith("487") and self.invite else message
            contact = f"\r\nContact: <sip:127.0.0.1:{self.port}>\r\nContent-Length"
            reply = about.reply(status).decode().replace("\r\nContent-Length", contact)
            to = f"{about.header('to')};tag=srv"
            self.transport.sendto(reply.replace(about.header("to"), to, 1).encode(), addr)


@contextlib.asynccontextmanager
async def serving(answers: Answers, port: int = 0) -> AsyncIterator[Server]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Server(answers), local_addr=("127.0.0.1", port)
    )
    yield server
    transport.close()


def always(status: str) -> Answers:
    return lambda server, message, data: [status]


def call(**statuses: list[str]) -> Answers:
    """Answers by method; OPTIONS and BYE are answered with 200 unless said otherwise."""
    known = {"OPTIONS": ["200 OK"], "BYE": ["200 OK"], **statuses}
    return lambda server, message, data: known.get(message.method, [])


async def outcomes(port: int, count: int, **times: float) -> list[Observed]:
    seen: list[Event] = []
    settings = {"interval_s": 0.02, "timeout_s": 0.1, **times}
    probe = SipProbe("pbx-a", "127.0.0.1", port, seen.append, **settings)
    running = asyncio.create_task(probe.run())
    start = time.monotonic()
    while len(seen) < count and time.monotonic() - start < 10:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    running.cancel()
    assert len(seen) >= count
    return [event for event in seen[:count] if isinstance(event, Observed)]


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized", "404 Not Found", "503 Busy"])
async def test_any_final_answer_is_an_answer(status: str) -> None:
    async with serving(always(status)) as server:
        seen = await outcomes(server.port, 3)
    assert {(e.node, e.observer, e.outcome) for e in seen} == {
        ("pbx-a", Observer.SIP, Outcome.ANSWERS)
    }
    assert status in seen[0].detail
    branches = {message.branch for data in server.raw if (message := parse(data))}
    assert len(branches) == len(server.raw)


async def test_an_answer_from_another_address_counts() -> None:
    """A node with one transport answers from the virtual IP when asked at its own address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as virtual_ip:
        virtual_ip.bind(("127.0.0.2", 0))

        def from_there(server: Server, message: Message, data: bytes) -> list[str]:
            via = next(line for line in data.decode().split("\r\n") if line.startswith("Via:"))
            port = int(via.partition("127.0.0.1:")[2].partition(";")[0])
            virtual_ip.sendto(message.reply("200 OK"), ("127.0.0.1", port))
            return []

        async with serving(from_there) as server:
            seen = await outcomes(server.port, 3)
    assert {e.outcome for e in seen} == {Outcome.ANSWERS}


async def test_a_closed_port_refuses() -> None:
    seen = await outcomes(free_port(), 3)
    assert {e.outcome for e in seen} == {Outcome.REFUSED}


async def test_no_answer_is_silence_and_one_probe_is_in_flight() -> None:
    async with serving(lambda server, message, data: []) as server:
        seen = await outcomes(server.port, 3)
    assert {e.outcome for e in seen} == {Outcome.SILENT}
    assert len(server.got) <= 4  # not one each 20 ms


async def test_answers_to_other_probes_and_garbage_count_for_nothing() -> None:
    def confused(server: Server, message: Message, data: bytes) -> list[str]:
        assert server.transport
        server.invite = parse(data.replace(message.branch.encode(), b"z9hG4bKother"))
        return ["487 x", "100 Trying"]

    async with serving(confused) as server:
        seen = await outcomes(server.port, 2)
    assert {e.outcome for e in seen} == {Outcome.SILENT}


async def test_silence_right_after_a_refusal_is_that_refusal() -> None:
    """Linux sends one port unreachable a second; the probes between get nothing."""
    port = free_port()
    seen: list[Event] = []
    probe = SipProbe("pbx-a", "127.0.0.1", port, seen.append, interval_s=0.02, timeout_s=0.05)
    running = asyncio.create_task(probe.run())
    await asyncio.sleep(0.3)
    async with serving(lambda server, message, data: [], port):
        seen.clear()
        await asyncio.sleep(0.6)
        assert seen == []
        await asyncio.sleep(1.0)
        running.cancel()
    assert seen and all(isinstance(e, Observed) and e.outcome is Outcome.SILENT for e in seen)


async def test_probe_now_does_not_wait_for_the_interval() -> None:
    async with serving(always("200 OK")) as server:
        seen: list[Event] = []
        probe = SipProbe("pbx-a", "127.0.0.1", server.port, seen.append, interval_s=60, timeout_s=1)
        probe.probe_now()  # before it runs there is nothing to send with
        running = asyncio.create_task(probe.run())
        await asyncio.sleep(0.2)
        probe.probe_now()
        await asyncio.sleep(0.2)
        running.cancel()
    assert len(seen) == 2


async def test_a_whole_call_proves_the_service() -> None:
    async with serving(call(INVITE=["100 Trying", "180 Ringing", "200 OK"])) as server:
        proof = await verify_service("127.0.0.1", server.port, "601", 3)
    assert proof.ok and proof.contact_host == "127.0.0.1" and proof.answer_ms > 0
    assert server.got == ["OPTIONS", "INVITE", "ACK", "BYE"]
    invite, ack, bye = server.raw[1:]
    assert b"INVITE sip:601@127.0.0.1" in invite and b"m=audio" in invite
    assert ack.startswith(b"ACK sip:127.0.0.1") and b"tag=srv" in ack and b"tag=srv" in bye


async def test_without_test_call_options_are_enough() -> None:
    async with serving(always("404 Not Found")) as server:
        proof = await verify_service("127.0.0.1", server.port, None, 3)
    assert proof.ok and "404" in proof.says and server.got == ["OPTIONS"]


async def test_a_lost_request_is_repeated_soon() -> None:
    def forgetful(server: Server, message: Message, data: bytes) -> list[str]:
        lost = server.got.count(message.method) == 1 and message.method != "ACK"
        return [] if lost or message.method == "ACK" else ["200 OK"]

    async with serving(forgetful) as server:
        start = time.monotonic()
        proof = await verify_service("127.0.0.1", server.port, "601", 5)
        assert proof.ok and time.monotonic() - start < 2
    assert server.got.count("INVITE") == 2


async def test_a_rejected_call_is_no_proof() -> None:
    async with serving(call(INVITE=["503 Service Unavailable"])) as server:
        proof = await verify_service("127.0.0.1", server.port, "601", 3)
        await asyncio.sleep(0.05)
    assert not proof.ok and "503" in proof.says
    assert server.got == ["OPTIONS", "INVITE", "ACK"]
    invite, ack = parse(server.raw[1]), parse(server.raw[2])
    assert invite and ack and invite.branch == ack.branch  # RFC 3261 17.1.1.3


async def test_a_call_that_only_rings_is_cancelled() -> None:
    ringing = call(INVITE=["180 Ringing"], CANCEL=["200 OK", "487 Request Terminated"])
    async with serving(ringing) as server:
        proof = await verify_service("127.0.0.1", server.port, "601", 0.4)
        await asyncio.sleep(0.05)
    assert not proof.ok and "test call to 601" in proof.says
    assert server.got == ["OPTIONS", "INVITE", "CANCEL", "ACK"]


async def test_an_answer_that_crosses_the_cancel_is_hung_up() -> None:
    def crossing(server: Server, message: Message, data: bytes) -> list[str]:
        if message.method == "CANCEL":
            assert server.invite and server.transport
            return ["200 OK"]
        return {"INVITE": ["180 Ringing"], "ACK": []}.get(message.method, ["200 OK"])

    def late(server: Server, message: Message, data: bytes) -> list[str]:
        found = crossing(server, message, data)
        if message.method == "CANCEL" and server.invite:
            reply = server.invite.reply("200 OK").decode()
            contact = f"\r\nContact: <sip:127.0.0.1:{server.port}>\r\nContent-Length"
            reply = reply.replace("\r\nContent-Length", contact)
            assert server.transport
            via = server.invite.header("via")
            port = int(via.split(";")[0].rsplit(":", 1)[1])
            server.transport.sendto(reply.encode(), ("127.0.0.1", port))
        return found

    async with serving(late) as server:
        proof = await verify_service("127.0.0.1", server.port, "601", 0.4)
        await asyncio.sleep(0.05)
    assert not proof.ok
    assert server.got == ["OPTIONS", "INVITE", "CANCEL", "ACK", "BYE"]


async def test_no_provisional_answer_no_cancel() -> None:
    async with serving(call(INVITE=[])) as server:
        proof = await verify_service("127.0.0.1", server.port, "601", 0.4)
        await asyncio.sleep(0.1)
    assert not proof.ok and "CANCEL" not in server.got


async def test_a_refused_service_says_so() -> None:
    proof = await verify_service("127.0.0.1", free_port(), "601", 0.3)
    assert not proof.ok and "nobody listens" in proof.says


async def test_a_silent_service_says_so() -> None:
    async with serving(call(OPTIONS=[])) as server:
        proof = await verify_service("127.0.0.1", server.port, "601", 0.3)
    assert not proof.ok and "no answer to OPTIONS" in proof.says


async def test_the_callee_may_hang_up_first() -> None:
    def hasty(server: Server, message: Message, data: bytes) -> list[str]:
        if message.method == "ACK":
            assert server.transport and server.invite
            port = int(server.invite.header("via").split(";")[0].rsplit(":", 1)[1])
            own = ("127.0.0.1", server.port)
            bye = new_dialog(own, "127.0.0.1", port).request("BYE", 1, new_branch())
            server.transport.sendto(bye, ("127.0.0.1", port))
            return []
        return ["481 Gone"] if message.method == "BYE" else ["200 OK"]

    async with serving(hasty) as server:
        proof = await verify_service("127.0.0.1", server.port, "601", 3)
    assert proof.ok


def test_compact_headers_and_garbage() -> None:
    message = parse(
        b"SIP/2.0 200 OK\r\nv: SIP/2.0/UDP h;branch=z9hG4bKx\r\nm: <sip:[::1]:5070>\r\n\r\n"
    )
    assert message and (message.branch, message.contact) == ("z9hG4bKx", ("::1", 5070))
    for garbage in (b"", b"\r\n\r\n", b"\xff\xfe\x00", b"SIP/2.0 abc", b"HTTP/1.1 200 OK\r\n\r\n"):
        assert parse(garbage) is None
