"""The service on the simulated pair, with phones in the test's own process."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import yaml

from orchestrator.simulator.lab import Lab
from tests.runtime.test_app import Process
from tests.simulator.dialogue import Frame, name
from tests.simulator.phone import Listener, Phone

WITHIN_S = 20.0


class WarmPair:
    """A lab, its service, phones that know only the virtual IP, and AMI sessions to look with."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.phones: list[Phone] = []
        configured = yaml.safe_load(lab.config_path.read_text(encoding="utf-8"))
        configured |= {
            "mirror": {"astdb": ["CF"], "compare_every": "5s"},
            "evacuation": {"user_agents": ["test"]},
        }
        lab.config_path.write_text(yaml.safe_dump(configured, sort_keys=False), encoding="utf-8")
        self.service = Process(lab)

    def close(self) -> None:
        for phone in self.phones:
            phone.stack.close()
        self.service.__exit__()

    async def phone(self, number: str, expires_s: int = 300) -> Phone:
        """Registers once, through the virtual IP; then it only answers."""
        host = self.lab.address("client").rsplit(".", 1)[0] + ".21"
        self.phones.append(Phone(number, host, 20000 + int(number), self.lab.virtual_ip))
        assert await self.phones[-1].register(expires_s) == 200
        return self.phones[-1]

    async def session(self, place: str) -> Listener:
        secret = (self.lab.directory / "ami.secret").read_text(encoding="utf-8").strip()
        return await Listener.login(self.lab.address(place), secret, user="orchestrator")

    async def ask(self, place: str, action: str, **headers: str) -> list[Frame]:
        session = await self.session(place)
        try:
            return await session.ask(action, **headers)
        finally:
            session.writer.close()

    async def contacts(self, place: str) -> dict[str, dict[str, str]]:
        """By phone what the node knows of it."""
        listed = [_plain(f) for f in await self.ask(place, "PJSIPShowContacts")]
        return {f["Endpoint"]: f for f in listed if f.get("Event") == "ContactList"}

    async def members(self, place: str) -> dict[str, dict[str, str]]:
        listed = [_plain(f) for f in await self.ask(place, "QueueStatus")]
        return {f["Location"]: f for f in listed if f.get("Event") == "QueueMember"}

    async def ready(self, places: str = "ab", *numbers: str) -> None:
        """Every one of these phones is reachable from these nodes."""

        async def so() -> bool:
            for place in places:
                known = await self.contacts(place)
                if any(known.get(n, {}).get("Status") != "Reachable" for n in numbers):
                    return False
            return True

        await until(so)

    async def status(self, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Wait until the service's status is so."""
        seen: dict[str, Any] = {}

        async def so() -> bool:
            nonlocal seen
            assert self.service.process.poll() is None, self.service.log.read_text()
            seen = await asyncio.to_thread(self.service.status)
            return bool(seen) and bool(wanted(seen))

        try:
            await until(so, 40.0)
        except AssertionError:
            raise AssertionError(f"{json.dumps(seen)}\n{self.service.log.read_text()}") from None
        return seen


async def until(what: Callable[[], Any], seconds: float = WITHIN_S) -> None:
    """``what`` is awaited again and again until it is true."""
    end = time.monotonic() + seconds
    while not await what():
        assert time.monotonic() < end, f"not within {seconds:g} s"
        await asyncio.sleep(0.1)


def succeeded(reply: list[Frame]) -> bool:
    return name(reply[0]) == "Success"


def check(status: dict[str, Any], what: str) -> dict[str, Any]:
    """One row of the standby's readiness."""
    rows = (status["standby"] or {}).get("checks", ())
    return next((row for row in rows if row["name"] == what), {})


def _plain(frame: Frame) -> dict[str, str]:
    return {key: text.strip() for key, text in frame}
