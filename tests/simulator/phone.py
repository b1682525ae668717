"""A phone of the tests: registers, rings, answers, calls. And an AMI session that hears all."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib

from orchestrator.simulator import sip
from orchestrator.simulator.leg import Leg
from orchestrator.simulator.stack import Incoming, Stack
from tests.simulator.dialogue import Frame, frames


class Phone:
    """``habit``: what it does with a REFER in a call. ``honour``: calls there and reports the
    answer; ``naive``: reports the challenge too; ``decline`` (603); ``failing``: takes it and
    reports 503; ``half-way``: takes it and does nothing; ``ignore``: does not even answer.
    """

    def __init__(
        self, number: str, address: str, port: int, server: str, habit: str = "honour"
    ) -> None:
        self.number = number
        self.habit = habit
        self.server = (server, 5060)
        self.stack = Stack((address, port), self._deliver)
        self.stack.start()
        self.legs: dict[str, Leg] = {}
        self.registrations = 0
        self._cseq = 0

    @property
    def password(self) -> str:
        return f"secret{self.number}"

    def _deliver(self, incoming: Incoming) -> None:
        message = incoming.message
        leg = self.legs.get(message.call_id)
        if leg and message.method == "REFER":
            self._work = asyncio.get_running_loop().create_task(self._referred(incoming, leg))
        elif leg:
            leg.received(incoming)
        elif message.method == "INVITE":
            leg = self.legs[message.call_id] = Leg.from_caller(incoming)
            leg.ring()
            asyncio.get_running_loop().call_later(0.05, leg.answer)
        elif message.method == "OPTIONS":
            incoming.reply(200)

    async def _referred(self, incoming: Incoming, leg: Leg) -> None:
        if self.habit == "ignore":
            return
        if self.habit == "decline":
            incoming.reply(603)
            return
        incoming.reply(202)
        if self.habit == "half-way":
            return
        await self._notify(leg, 503 if self.habit == "failing" else 100)
        if self.habit == "failing":
            return
        if self.habit == "naive":
            await self._notify(leg, 401)
        uri = sip.uri_of(incoming.message.get("Refer-To"))
        there = Leg(self.stack, f"refer-{self.number}-{len(self.legs)}")
        self.legs[there.call_id] = there
        status = await there.call(
            uri, sip.target_of(uri), self.number, (self.number, self.password)
        )
        if self.habit != "naive":
            await self._notify(leg, status)

    async def _notify(self, leg: Leg, status: int) -> None:
        leg.cseq += 1
        host, port = self.stack.address
        headers = [("Max-Forwards", "70"), ("From", leg.local), ("To", leg.remote)]
        headers += [("Call-ID", leg.call_id), ("CSeq", f"{leg.cseq} NOTIFY")]
        headers += [("Contact", f"<sip:{self.number}@{host}:{port}>"), ("Event", "refer")]
        headers.append(("Content-Type", "message/sipfrag"))
        body = f"SIP/2.0 {status} {sip.REASONS[status]}"
        request = sip.Message(f"NOTIFY {leg.remote_uri} SIP/2.0", headers, body)
        await self.stack.request(request, leg.target, timeout_s=3)

    def talking(self) -> list[Leg]:
        """The calls that are up."""
        return [leg for leg in self.legs.values() if leg.up and not leg.gone.is_set()]

    async def register(self, expires: int) -> int:
        host, port = self.stack.address
        proof, status = "", 0
        self.registrations += 1
        for _ in range(2):
            self._cseq += 1
            us = f"<sip:{self.number}@{self.server[0]}>"
            headers = [("From", f"{us};tag=x"), ("To", us), ("Call-ID", f"reg{self.number}")]
            headers += [("CSeq", f"{self._cseq} REGISTER"), ("Expires", str(expires))]
            headers += [("Contact", f"<sip:{self.number}@{host}:{port}>"), ("User-Agent", "test")]
            if proof:
                headers.append(("Authorization", proof))
            uri = f"sip:{self.server[0]}"
            request = sip.Message(f"REGISTER {uri} SIP/2.0", headers)
            answer = await self.stack.request(request, self.server, timeout_s=3)
            assert answer is not None
            status = answer.status
            if status != 401:
                break
            challenge = answer.get("WWW-Authenticate")
            proof = sip.authorization(challenge, self.number, self.password, "REGISTER", uri)
        return status

    async def call(self, number: str) -> tuple[Leg, int]:
        leg = Leg(self.stack, f"call-{number}-{self.number}-{len(self.legs)}")
        self.legs[leg.call_id] = leg
        uri = f"sip:{number}@{self.server[0]}"
        status = await leg.call(uri, self.server, self.number, (self.number, self.password))
        return leg, status


class Listener:
    """An AMI session: every byte it heard, as frames since the last ``cut``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.text = ""
        self.banner = ""

    @classmethod
    async def login(
        cls, address: str, secret: str, md5: bool = False, user: str = "tester"
    ) -> Listener:
        made = cls(*await asyncio.open_connection(address, 5038))
        made.banner = (await made.reader.readline()).decode()
        if md5:
            await made.ask("Challenge", AuthType="MD5")
            challenge = made.text.split("Challenge: ")[1].split("\r\n")[0]
            made.text = ""
            key = hashlib.md5((challenge + secret).encode()).hexdigest()
            await made.ask("Login", Username=user, AuthType="MD5", Key=key)
        else:
            await made.ask("Login", Username=user, Secret=secret)
        return made

    async def ask(self, action: str, **headers: str) -> list[Frame]:
        self.text = ""
        lines = [f"Action: {action}", "ActionID: 7-1", *(f"{k}: {v}" for k, v in headers.items())]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        return [frame for frame in await self.hear(0.15) if ("ActionID", " 7-1") in frame]

    async def hear(self, seconds: float) -> list[Frame]:
        """Listen until nothing came for that long; all frames since the last ``ask`` or ``cut``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds) as quiet:
                while data := await self.reader.read(65536):
                    self.text += data.decode()
                    quiet.reschedule(asyncio.get_running_loop().time() + seconds)
        return frames(self.text)

    def cut(self) -> None:
        self.text = ""
