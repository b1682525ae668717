"""The stage of tests/lab/carried.py: two AMI connections, phones, and looks at their calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from contrib.lab import Lab
from contrib.lab.sip import Account, Agent, Call, Habit
from orchestrator.adapters.ami.client import AmiClient
from orchestrator.adapters.ami.settings import AmiSettings
from orchestrator.core.commands import Evacuate, LegPlan
from orchestrator.core.events import Event, LegSeen, Snapshot
from orchestrator.core.words import Carry, LegRole, LegStep
from orchestrator.runtime.carrying import Carrying
from orchestrator.runtime.ports import NodePorts, Ports


class Stage:
    """Two AMI connections, and phones that were registered at pbx-a and are known on pbx-b."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.events: list[Event] = []
        secret = (lab.directory / "ami.secret").read_text(encoding="utf-8").strip()
        self.ami = {
            place: AmiClient(
                node.name, AmiSettings(node.address, "orchestrator", secret), self.events.append
            )
            for place, node in lab.nodes.items()
        }
        self.agents: dict[str, Agent] = {}
        nodes = {
            lab.node(place).name: NodePorts(
                client, None, sip_address=f"{lab.node(place).address}:5060"
            )
            for place, client in self.ami.items()
        }
        manifest = lab.directory / "recordings.jsonl"
        ports = Ports(nodes, None, None, {}, {}, manifest)  # type: ignore[arg-type]
        self.carrying = Carrying(ports, self.events.append)

    async def __aenter__(self) -> Stage:
        self._stack = AsyncExitStack()
        for client in self.ami.values():
            task = asyncio.create_task(client.run())
            self._stack.callback(task.cancel)
        await self.until(lambda: len([e for e in self.events if isinstance(e, Snapshot)]) > 1)
        return self

    async def __aexit__(self, *_: object) -> None:
        for agent in self.agents.values():
            for call in list(agent.calls.values()):
                await call.hang_up()
            agent.close()
        await self._stack.aclose()

    async def until(self, true: Callable[[], object], within_s: float = 10) -> None:
        async with asyncio.timeout(within_s):
            while not true():  # noqa: ASYNC110 - many conditions
                await asyncio.sleep(0.01)

    async def phone(self, number: str, habit: Habit = Habit.HONOUR) -> Agent:
        """A phone on an address of its own, registered at pbx-a."""
        network = self.lab.network.address("client").rpartition(".")[0]
        server = (self.lab.node("a").address, 5060)
        agent = Agent(Account(number, server, f"secret{number}"), with_audio=True)
        agent.habit = habit
        await agent.open(f"{network}.{21 + int(number) % 9}")
        await agent.register()
        self.agents[number] = agent
        return agent

    async def channels(self, place: str = "a") -> dict[str, str]:
        """Number of the phone -> its channel.

        Not by CoreShowChannels: a leg that was hung up while its phone owed a NOTIFY haunts that.
        """
        reply = await self.ami[place].action_list({"Action": "Status"})
        found = {}
        for raw in reply.items:
            name = raw.decode().partition("\nChannel: ")[2].partition("\r\n")[0]
            found[name.removeprefix("PJSIP/").rpartition("-")[0]] = name
        return found

    async def carry(self, call: str, *legs: LegPlan, variables: tuple[str, ...] = ()) -> None:
        await self.carrying.evacuate(
            Evacuate(id=1, epoch=1, timeout_s=5, node="pbx-a", to_node="pbx-b", call=call,
                     legs=legs, variables=variables)
        )  # fmt: skip

    def kill_before_sending(self) -> None:
        """pbx-b dies when its tickets are written and nothing is sent yet."""
        send = self.ami["a"].send_legs

        async def kill_and_send(*arguments: Any) -> None:
            self.lab.node("b").kill()
            await send(*arguments)

        self.ami["a"].send_legs = kill_and_send  # type: ignore[method-assign]

    def steps(self, call: str) -> list[str]:
        """What the dialplans told, in the order of its coming."""
        return [
            f"{e.node} {e.role} {e.step}" + (f" {e.detail}" if e.detail else "")
            for e in self.events
            if isinstance(e, LegSeen) and e.call == call
        ]

    async def hang_up_challenged(self, call: str, channels: dict[LegRole, str]) -> None:
        """What the core does when a leg that was challenged has arrived."""
        challenged: set[LegRole] = set()
        seen = 0
        while True:
            for event in self.events[seen:]:
                if isinstance(event, LegSeen) and event.call == call:
                    if event.step is LegStep.CHALLENGED:
                        challenged.add(event.role)
                    if event.step is LegStep.ARRIVED and event.role in challenged:
                        await self.ami["a"].hang_up([channels[event.role]])
            seen = len(self.events)
            await asyncio.sleep(0.01)


def leg(
    channel: str, number: str, role: LegRole, carry: Carry = Carry.REFER, **more: Any
) -> LegPlan:
    return LegPlan(channel, number, role, carry, **more)


async def told(calls: dict[str, Call]) -> dict[str, Any]:
    """Each leg as it is now; it hears when packets come within a fifth of a second."""
    before = {who: call.audio.heard if call.audio else 0 for who, call in calls.items()}
    await asyncio.sleep(0.2)
    return {
        who: {
            "up": not call.ended.is_set(),
            "moved": call.moved,
            "server": call.server.rpartition(".")[2],
            "hears": bool(call.audio and call.audio.heard > before[who]),
            "silence_ms": round(call.audio.longest_silence_s * 1000) if call.audio else 0,
        }
        for who, call in calls.items()
    }


async def talk(stage: Stage, caller: Agent, callee: Agent) -> dict[str, Call]:
    """A conversation that has gone on for a second."""
    answered: asyncio.Future[Call] = asyncio.get_running_loop().create_future()
    callee.on_call = lambda call: None if answered.done() else answered.set_result(call)
    first = await caller.call(callee.account.number)
    second = await answered
    await asyncio.sleep(1)
    return {caller.account.number: first, callee.account.number: second}
