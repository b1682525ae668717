"""A small real AMI server that answers with captured lists, and misbehaves on demand."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from orchestrator.adapters.ami.client import AmiClient
from orchestrator.adapters.ami.settings import AmiSettings
from orchestrator.core.events import Event
from tests.adapters.ami.dialogues import NODE, sections

USER, SECRET, CHALLENGE = "orchestrator", "s3cret", "840415273"
ACTION_ID = re.compile(rb"(?m)^ActionID: [^\r]*")


def captured_lists(version: str) -> dict[str, list[bytes]]:
    """Action name → its captured answer, the response first."""
    lists: dict[str, list[bytes]] = {}
    for title, frames in sections(version, "snapshot").items():
        name, _, arguments = title.removeprefix("##### ").partition(" ")
        if "'1001'" not in arguments:  # PJSIPShowEndpoint: the trunk's
            lists.setdefault(name, frames)
    # the capture keeps two endpoints only: add the one with a static contact
    lists["PJSIPShowEndpoints"].insert(
        1,
        lists["PJSIPShowEndpoints"][1]
        .replace(b"ObjectName: ", b"ObjectName: trunk\r\nWas: ")
        .replace(b"\r\nContacts: ", b"\r\nContacts: trunk/sip:10.77.0.30:5060,\r\nWere: "),
    )
    # of the channels it keeps two as well, not the same ones in both lists
    lists["Status"][1:-1] = [
        raw.replace(b"CoreShowChannel", b"Status", 1) for raw in lists["CoreShowChannels"][1:-1]
    ]
    return lists


@dataclass
class FakeAmi:
    """One listening port. Change the fields at any time; ``received`` has every action."""

    version: str = "22"
    banner: bytes = b"Asterisk Call Manager/11.0.0\r\n"
    challenge: bool = True
    booted: bool = True
    refuse: dict[str, str] = field(default_factory=dict)  # action → message of the error
    mute: set[str] = field(default_factory=set)  # actions that get no answer
    endless: set[str] = field(default_factory=set)  # lists without an end
    hung: bool = False  # reads nothing, answers nothing, as after SIGSTOP
    during: dict[str, Callable[[], None]] = field(default_factory=dict)  # called inside a list
    received: list[dict[str, str]] = field(default_factory=list)
    sessions: int = 0
    port: int = 0

    def __post_init__(self) -> None:
        self.lists = captured_lists(self.version)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._client, "127.0.0.1", self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    def deaf(self) -> None:
        """Stop listening; those who are connected stay."""
        if self._server is not None:
            self._server.close()

    async def stop(self) -> None:
        """End everything, and wait for the end."""
        self.deaf()
        self.hung = False
        while self._writers:
            self.cut()
            await asyncio.sleep(0.005)

    def cut(self) -> None:
        """End every session, as a dying process does."""
        for writer in self._writers:
            writer.transport.abort()

    def send(self, *frames: bytes) -> None:
        """Events to everybody who is connected."""
        for writer in self._writers:
            writer.write(b"".join(frame + b"\r\n\r\n" for frame in frames))

    def count(self, action: str) -> int:
        return sum(fields["Action"] == action for fields in self.received)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions += 1
        self._writers.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            if not self.hung:
                writer.write(self.banner)
            while True:
                raw = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.split(": ", 1) for line in raw.strip().split("\r\n"))
                while self.hung:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                self.received.append(fields)
                self._answer(writer, fields)
        self._writers.discard(writer)
        writer.close()

    def _answer(self, writer: asyncio.StreamWriter, fields: dict[str, str]) -> None:
        name, action_id = fields["Action"], fields["ActionID"].encode()
        if name in self.mute:
            return
        if name in self.refuse:
            frames = [f"Response: Error\r\nActionID: x\r\nMessage: {self.refuse[name]}".encode()]
        elif name in ("Login", "Challenge"):
            frames = self._login(name, fields)
        else:
            frames = self.lists.get(name, [b"Response: Success\r\nActionID: x"])
        head, items = frames[0], frames[1:]
        writer.write(ACTION_ID.sub(b"ActionID: " + action_id, head) + b"\r\n\r\n")
        if name in self.during:
            self.during[name]()
        for frame in items[: -1 if name in self.endless else None]:
            writer.write(ACTION_ID.sub(b"ActionID: " + action_id, frame) + b"\r\n\r\n")

    def _login(self, name: str, fields: dict[str, str]) -> list[bytes]:
        if name == "Challenge":
            if not self.challenge:
                return [b"Response: Error\r\nActionID: x\r\nMessage: Invalid/unknown command"]
            return [b"Response: Success\r\nActionID: x\r\nChallenge: " + CHALLENGE.encode()]
        digest = hashlib.md5(f"{CHALLENGE}{SECRET}".encode()).hexdigest()
        right = fields.get("Key") == digest if self.challenge else fields.get("Secret") == SECRET
        if not right:
            return [b"Response: Error\r\nActionID: x\r\nMessage: Authentication failed"]
        frames = [b"Response: Success\r\nActionID: x\r\nMessage: Authentication accepted"]
        if self.booted:
            frames.append(b"Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 92")
        return frames


class Seen:
    """A sink that keeps every event and lets a test wait for one."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.full = False  # no room for events of the picture

    def __call__(self, event: Event) -> bool:
        if self.full and type(event).__name__ in ("ContactSeen", "ChannelSeen"):
            return False
        self.events.append(event)
        return True

    def all(self, kind: type) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, true: Callable[[], bool], within_s: float = 10.0) -> None:
        """Wait until the condition holds."""
        async with asyncio.timeout(within_s):
            while not true():  # noqa: ASYNC110
                await asyncio.sleep(0.005)


def settings_of(fake: FakeAmi, **changes: object) -> AmiSettings:
    fields: dict[str, object] = {
        "host": "127.0.0.1",
        "username": USER,
        "secret": SECRET,
        "port": fake.port,
        "silence_s": 0.2,
        **changes,
    }
    return AmiSettings(**fields)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def running(fake: FakeAmi, seen: Seen, **changes: object) -> AsyncIterator[AmiClient]:
    """A client that runs against the fake."""
    client = AmiClient(NODE, settings_of(fake, **changes), seen)
    task = asyncio.create_task(client.run())
    try:
        yield client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await fake.stop()
