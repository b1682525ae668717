"""Small real parts for the tests of the runtime: a pair, a core that does as told, fake ports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from immutables import Map

from orchestrator.core.commands import AnyCommand
from orchestrator.core.events import ChannelGone, Event
from orchestrator.core.state import Node, NodePolicy, Pair, Policy
from orchestrator.errors import ActionFailed
from orchestrator.runtime.ports import NodePorts, Ports, Proof

POLICY = Policy(
    nodes=(
        NodePolicy("pbx-a", "10.77.0.11", preferred=True),
        NodePolicy("pbx-b", "10.77.0.12"),
    )
)


def pair() -> Pair:
    return Pair(nodes=Map({"pbx-a": Node("pbx-a"), "pbx-b": Node("pbx-b")}))


@dataclass(frozen=True)
class FakeProof:
    ok: bool
    says: str
    answer_ms: float
    contact_host: str


PROOF = FakeProof(True, "OPTIONS answered in 2 ms", 2.0, "10.77.0.12")
Step = Callable[[Pair, Sequence[Event], float], tuple[Pair, Sequence[AnyCommand]]]


@dataclass
class ScriptedCore:
    """A core whose step is a function of the test; remembers its batches."""

    do: Step = lambda state, events, now: (state, ())
    batches: list[list[Event]] = field(default_factory=list)

    def step(
        self, state: Pair, events: Sequence[Event], now: float
    ) -> tuple[Pair, Sequence[AnyCommand]]:
        self.batches.append(list(events))
        return self.do(state, events, now)


@dataclass(frozen=True)
class FakeReply:
    ok: bool = True
    message: str = "done"


@dataclass
class FakeNode:
    """Manager, host and prober of one node in one: notes what it is asked, obeys or refuses."""

    refuses: dict[str, str] = field(default_factory=dict)
    hangs: set[str] = field(default_factory=set)
    asked: list[tuple[object, ...]] = field(default_factory=list)
    reply: FakeReply = FakeReply()
    over: list[ChannelGone] = field(default_factory=list)  # what `ghosts` says

    async def _obey(self, *asked: object) -> None:
        self.asked.append(asked)
        name = str(asked[0])
        if name in self.hangs:
            await asyncio.Event().wait()
        if name in self.refuses:
            raise ActionFailed(self.refuses[name])

    async def register_trunk(self, name: str, timeout_s: float, *, afresh: bool = False) -> None:
        await self._obey("register_trunk", name, *(["afresh"] if afresh else []))

    async def unregister_trunk(self, name: str, timeout_s: float) -> None:
        await self._obey("unregister_trunk", name)

    async def set_drain_flag(self, on: bool) -> None:
        await self._obey("set_drain_flag", on)

    async def set_maintenance(self, endpoint: str, on: bool) -> None:
        await self._obey("set_maintenance", endpoint, on)

    async def hang_up(self, channels: Sequence[str]) -> None:
        await self._obey("hang_up", tuple(channels))

    async def ghosts(self) -> list[ChannelGone]:
        await self._obey("ghosts")
        return self.over

    async def action(self, fields: Sequence[tuple[str, str]], timeout_s: float) -> FakeReply:
        await self._obey("action", tuple(fields))
        return self.reply

    async def address_add(self, epoch: int) -> None:
        await self._obey("address_add", epoch)

    async def address_remove(self, epoch: int) -> None:
        await self._obey("address_remove", epoch)

    async def process_kill(self) -> None:
        await self._obey("process_kill")

    async def run(self, argv: Sequence[str], timeout_s: float) -> None:
        await self._obey("run", tuple(argv))

    def probe_now(self) -> None:
        self.asked.append(("probe_now",))


@dataclass
class FakeAnnouncer:
    told: list[tuple[str, str, str]] = field(default_factory=list)

    def tell(self, severity: str, title: str, text: str) -> None:
        self.told.append((severity, title, text))


@dataclass
class World:
    a: FakeNode = field(default_factory=FakeNode)
    b: FakeNode = field(default_factory=FakeNode)
    announcer: FakeAnnouncer = field(default_factory=FakeAnnouncer)
    proof: Proof = PROOF
    fence_command: tuple[str, ...] = ()

    async def _test_service(self, timeout_s: float) -> Proof:
        return self.proof

    def ports(self) -> Ports:
        return Ports(
            nodes={
                "pbx-a": NodePorts(self.a, self.a, (self.a,)),
                "pbx-b": NodePorts(self.b, None, (self.b,)),
            },
            test_service=self._test_service,
            announcer=self.announcer,
            hooks={"on-promote": ("/bin/promote", "now")},
            fence_commands={"pbx-a": self.fence_command},
        )
