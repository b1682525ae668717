"""One simulated node and the provider, in the test's process, with a listener that hears all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from orchestrator.simulator.ami import User
from orchestrator.simulator.node import Node
from orchestrator.simulator.registrar import REGISTER_AFTER_S
from orchestrator.simulator.settings import NodeSettings
from tests.simulator.dialogue import Frame, name
from tests.simulator.phone import Listener, Phone

NET = f"127.79.{os.getpid() % 250 + 1}"
NOISE = ("Newexten", "ChallengeSent", "SuccessfulAuth")  # the site's dialplan; class security
QUIET_S = 0.4


def settings(kind: str, host: int, directory: Path) -> NodeSettings:
    return NodeSettings(
        kind=kind,
        name="nodea",
        address=f"{NET}.{host}",
        peer=f"{NET}.12",
        provider=f"{NET}.30",
        client=f"{NET}.20",
        directory=str(directory),
        ami_secret="hidden",
        ari_secret="hidden",
        trunk_secret="hidden",
    )


class Site:
    """One node and the provider, in this process; a user who may hear and do everything."""

    def __init__(self, node: Node, provider: Node, listener: Listener) -> None:
        self.node = node
        self.provider = provider
        self.listener = listener
        self.phones: list[Phone] = []

    def new_phone(self, number: str, port: int) -> Phone:
        self.phones.append(Phone(number, f"{NET}.20", port, self.node.settings.address))
        return self.phones[-1]

    async def phone(self, number: str, port: int) -> Phone:
        made = self.new_phone(number, port)
        assert await made.register(60) == 200
        await self.listener.hear(QUIET_S)
        self.listener.cut()
        return made

    async def heard(self, seconds: float = QUIET_S) -> list[Frame]:
        frames = await self.listener.hear(seconds)
        self.listener.cut()
        return [frame for frame in frames if name(frame) not in NOISE and not about_peer(frame)]


def about_peer(frame: Frame) -> bool:
    return any("peernode" in value for _, value in frame)


@asynccontextmanager
async def built(tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "a").mkdir()
    (tmp_path / "trunk").mkdir()
    provider = Node(settings("provider", 30, tmp_path / "trunk"))
    node = Node(settings("node", 11, tmp_path / "a"))
    everything = frozenset({"all"})
    node.server.users["tester"] = User("tester", "hidden", everything, everything)
    await provider.start()
    await node.start()
    await asyncio.sleep(REGISTER_AFTER_S + 0.2)  # the trunk registers itself after the boot
    listener = await Listener.login(node.settings.address, "hidden")
    made = Site(node, provider, listener)
    yield made
    listener.writer.close()
    for phone in made.phones:
        phone.stack.close()
    for one in (node, provider):
        await one.shut_down()
