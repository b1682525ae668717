"""The queue application (apps/app_queue.c): callers wait, free agents ring one after the other."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from orchestrator.simulator.leg import Leg
from orchestrator.simulator.model import Channel, Member, Queue, Waiting
from orchestrator.simulator.pbx import Pbx
from orchestrator.simulator.shapes import channel as channel_headers

RING_S = 15.0
RETRY_S = 1.0


class Caller(Protocol):
    """What the queue needs of the dialplan."""

    pbx: Pbx

    def uri(self, endpoint: str, number: str) -> str: ...

    def outgoing(self, channel: Channel, endpoint: str, number: str) -> tuple[Channel, Leg]: ...

    async def ring(
        self, channel: Channel, leg: Leg, callee: Channel, out: Leg, uri: str, seconds: float
    ) -> int: ...

    async def talk(self, channel: Channel, leg: Leg, callee: Channel, out: Leg) -> int: ...


async def wait_in_queue(
    caller: Caller, channel: Channel, leg: Leg, queue: Queue, position: int = 0
) -> int:
    """Wait until an agent takes the call or the caller gives up; the hang-up cause.

    ``position`` is the place in line, 0 the end of it.
    """
    pbx = caller.pbx
    pbx.execute(channel, "Queue", queue.name)
    waiting = Waiting(channel)
    queue.callers.insert(position - 1 if position else len(queue.callers), waiting)
    _tell(pbx, "QueueCallerJoin", queue, waiting)
    while not leg.over.is_set():
        member = _free(pbx, queue) if queue.callers[0] is waiting else None
        uri = caller.uri(member.endpoint, "") if member else ""
        if member is None or not uri:
            await asyncio.wait({asyncio.ensure_future(leg.over.wait())}, timeout=RETRY_S)
            continue
        callee, out = caller.outgoing(channel, member.endpoint, member.name)
        pbx.dial_event("DialBegin", channel, callee, ("DialString", member.endpoint))
        member.in_call = True
        if await caller.ring(channel, leg, callee, out, uri, RING_S) == 200:
            return await _connected(caller, channel, leg, callee, out, queue, waiting, member)
        member.in_call = False
    _leave(pbx, queue, waiting, abandoned=True)
    return 0


async def _connected(
    caller: Caller,
    channel: Channel,
    leg: Leg,
    callee: Channel,
    out: Leg,
    queue: Queue,
    waiting: Waiting,
    member: Member,
) -> int:
    pbx = caller.pbx
    _leave(pbx, queue, waiting)
    hold = str(int(time.time() - waiting.since))
    agent = [*_both(queue, channel, callee), ("MemberName", member.name)]
    agent += [("Interface", member.interface)]
    pbx.emit("AgentConnect", "agent", [*agent, ("RingTime", "0"), ("HoldTime", hold)])
    began = time.time()
    cause = await caller.talk(channel, leg, callee, out)
    talked = str(int(time.time() - began))
    ended = [("HoldTime", hold), ("TalkTime", talked), ("Reason", "caller")]
    pbx.emit("AgentComplete", "agent", [*agent, *ended])
    member.in_call, member.calls_taken, member.last_call = (
        False,
        member.calls_taken + 1,
        int(time.time()),
    )
    queue.completed += 1
    return cause


def _both(queue: Queue, channel: Channel, callee: Channel) -> list[tuple[str, str]]:
    return [*channel_headers(channel), *channel_headers(callee, "Dest"), ("Queue", queue.name)]


def _free(pbx: Pbx, queue: Queue) -> Member | None:
    """The agent to ring next: rrmemory, here whoever waits longest since the last call."""
    free = [
        member
        for member in queue.members
        if not member.paused and pbx.state_of(member.device) == "NOT_INUSE"
    ]
    return min(free, key=lambda member: (member.penalty, member.last_call), default=None)


def _tell(pbx: Pbx, event: str, queue: Queue, waiting: Waiting) -> None:
    position = queue.callers.index(waiting) + 1
    tail = [("Queue", queue.name), ("Position", str(position)), ("Count", str(len(queue.callers)))]
    pbx.emit(event, "agent", [*channel_headers(waiting.channel), *tail])


def _leave(pbx: Pbx, queue: Queue, waiting: Waiting, abandoned: bool = False) -> None:
    position = queue.callers.index(waiting) + 1
    held = str(int(time.time() - waiting.since))
    head = [*channel_headers(waiting.channel), ("Queue", queue.name)]
    if abandoned:
        queue.abandoned += 1
        places = [("Position", str(position)), ("OriginalPosition", str(position))]
        pbx.emit("QueueCallerAbandon", "agent", [*head, *places, ("HoldTime", held)])
    queue.callers.remove(waiting)
    count = [("Count", str(len(queue.callers))), ("Position", str(position))]
    pbx.emit("QueueCallerLeave", "agent", [*head, *count])
