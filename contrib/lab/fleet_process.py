"""Many phones in one process, which takes orders: `fleet.py` starts it and speaks with it.

One line of JSON is one order ({"n": 7, "do": "call", …}); each is answered by a line with the same
`n` when it has been carried out. Lines of their own tell that a phone rang.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from contrib.lab.fleet_phone import Phone
from contrib.lab.reporting import address_of, tell
from contrib.lab.sip import Account, Agent, Call, Habit, NoAnswer, Refused, account_for
from contrib.lab.sip_message import uri_in

AT_ONCE = 20
ANSWER_WITHIN_S = 5.0
QUIET_S = 1.0
TICK_S = 0.02


@dataclass(frozen=True, slots=True)
class Leg:
    """One end of a call: a phone or customer of ours, and who is (or was called) over there."""

    name: str
    peer: str
    call: Call


class Place:
    """The phones of this process, the customers that call from outside, and their calls."""

    def __init__(self, server: tuple[str, int], customers: str, expires_s: int) -> None:
        self.server = server
        self.customers = customers
        self.expires_s = expires_s
        self.phones: dict[str, Phone] = {}
        self.legs: list[Leg] = []
        self.late_s = 0.0
        self._outsiders: dict[tuple[str, tuple[str, int]], Agent] = {}

    async def open(self, numbers: Iterable[int], addresses: Sequence[str]) -> None:
        """Makes the phones, spread over the addresses; none is registered."""
        for position, number in enumerate(numbers):
            name = str(number)
            # agents that ring together answer one after the other: one gets the call, not all
            ring_s = 0.2 + 0.05 * (position % 8)

            def on_ring(caller: str, name: str = name) -> None:
                tell("rang", phone=name, caller=caller)

            def on_call(call: Call, name: str = name) -> None:
                caller = uri_in(call.remote).removeprefix("sip:").partition("@")[0]
                self.legs.append(Leg(name, caller, call))

            phone = Phone(account_for(name, name, self.server), ring_s, on_ring)
            phone.on_call = on_call
            await phone.open(addresses[position % len(addresses)])
            self.phones[name] = phone

    async def keep_time(self) -> None:
        """Notes how late this process itself is: no silence below that is the pair's."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK_S
            await asyncio.sleep(TICK_S)
            self.late_s = max(self.late_s, loop.time() - due)

    # -- the orders

    async def register(self, phones: Sequence[str] = ()) -> dict[str, object]:
        """Registers the phones named, or all, once."""
        gate = asyncio.Semaphore(AT_ONCE)
        failed: dict[str, str] = {}

        async def one(name: str) -> None:
            async with gate:
                try:
                    await self.phones[name].register(self.expires_s, ANSWER_WITHIN_S)
                except (NoAnswer, Refused) as error:
                    failed[name] = str(error)

        names = list(phones or self.phones)
        await asyncio.gather(*(one(name) for name in names))
        return {"asked": len(names), "failed": failed}

    async def call(self, by: str, to: str, server: str = "") -> dict[str, object]:
        """A call that stays up; `by` is a phone of ours, else a customer's number."""
        where = address_of(server) if server else self.server
        agent = self.phones.get(by) or await self._outsider(by, where, with_audio=True)
        try:
            call = await agent.call(to, ANSWER_WITHIN_S)
        except (NoAnswer, Refused) as error:
            return {"why": str(error)}
        self.legs.append(Leg(by, to, call))
        return {"server": call.server}

    async def ring(
        self, by: str, numbers: Sequence[str], pace_s: float, hold_s: float
    ) -> dict[str, object]:
        """A customer calls each number, one every `pace_s`.

        When each call began, and why those that failed did.
        """
        agent = await self._outsider(by, self.server, with_audio=False)
        failed: dict[str, str] = {}
        began: dict[str, float] = {}

        async def one(number: str) -> None:
            began[number] = time.time()
            try:
                call = await agent.call(number, ANSWER_WITHIN_S)
                await asyncio.sleep(hold_s)
                await call.hang_up()
            except (NoAnswer, Refused) as error:
                failed[number] = str(error)

        calls = []
        for number in numbers:
            calls.append(asyncio.create_task(one(number)))
            await asyncio.sleep(pace_s)
        await asyncio.gather(*calls)
        return {"failed": failed, "began": began}

    async def _outsider(self, number: str, server: tuple[str, int], *, with_audio: bool) -> Agent:
        key = (number, server)
        if key not in self._outsiders:
            agent = Agent(Account(number, server), with_audio=with_audio)
            await agent.open(self.customers)
            self._outsiders[key] = agent
        return self._outsiders[key]

    async def watch(self) -> dict[str, object]:
        """From now on the silences count; calls that are over are forgotten."""
        self.late_s = 0.0
        self.legs = [leg for leg in self.legs if not leg.call.ended.is_set()]
        for leg in self.legs:
            if leg.call.audio:
                leg.call.audio.begin_anew()
        return {"legs": len(self.legs)}

    async def report(self) -> dict[str, object]:
        """Every leg since `watch`; one that is quiet is asked whether it still lives."""
        await asyncio.gather(*(_still_there(leg.call) for leg in self.legs))
        legs = [_told(leg) for leg in self.legs]
        return {"legs": legs, "late_ms": round(self.late_s * 1000, 1)}

    async def hang_up(self, by: Sequence[str] = ()) -> dict[str, object]:
        """Ends the calls of those phones and customers, or all."""
        doomed = [leg for leg in self.legs if not by or leg.name in by]
        await asyncio.gather(*(leg.call.hang_up() for leg in doomed))
        return {"hung_up": len(doomed)}

    async def become(self, phones: Sequence[str], habit: str, user_agent: str) -> dict[str, object]:
        """From now on those phones do that with a REFER, and call themselves so."""
        for name in phones:
            self.phones[name].habit = Habit(habit)
            self.phones[name].user_agent = user_agent
        return {}

    async def silence(self, phones: Sequence[str]) -> dict[str, object]:
        """Those phones neither hear nor answer any more, as if unplugged."""
        for name in phones:
            self.phones[name].silent = True
        return {}


async def _still_there(call: Call) -> None:
    if call.ended.is_set() or (call.audio and call.audio.heard and call.audio.quiet_s < QUIET_S):
        return
    try:
        answer = await call.request("OPTIONS", 2)
    except NoAnswer:
        if not call.ended.is_set():
            call.end("no answer")
        return
    if answer.status == 481:
        call.end("the far end no longer knows the call")


def _told(leg: Leg) -> dict[str, object]:
    audio = leg.call.audio
    return {
        "phone": leg.name,
        "peer": leg.peer,
        "server": leg.call.server,
        "ended_by": leg.call.ended_by,
        "heard": audio.heard if audio else 0,
        "silence_ms": round(audio.longest_silence_s * 1000, 1) if audio else None,
    }


async def _obey(place: Place, line: str) -> None:
    order: dict[str, Any] = json.loads(line)
    number, do = order.pop("n"), order.pop("do")
    tell("done", n=number, **await getattr(place, do)(**order))


async def _main(arguments: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    place = Place(address_of(arguments.target), arguments.customers, arguments.expires_s)
    first, _, last = arguments.phones.partition("-")
    await place.open(range(int(first), int(last) + 1), arguments.addresses)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    tasks = {loop.create_task(place.keep_time())}
    tell("open", phones=len(place.phones))
    while line := await lines.readline():
        task = loop.create_task(_obey(place, line.decode()))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, metavar="HOST[:PORT]")
    parser.add_argument("--addresses", nargs="+", required=True, help="the phones' (.21 to .29)")
    parser.add_argument("--customers", required=True, help="the address of those without (.20)")
    parser.add_argument("--phones", required=True, metavar="FIRST-LAST")
    parser.add_argument("--expires-s", type=int, default=3600)
    # Two hundred phones are two hundred processors in life: they wait for nothing else that this
    # machine does. Without it we would measure ourselves.
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(2))
    asyncio.run(_main(parser.parse_args(argv)))


if __name__ == "__main__":
    main()
