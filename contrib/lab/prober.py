"""The prober: a full call (INVITE, 200, ACK, BYE) every 20 ms, and how long none was answered.

Run it in the client namespace: python -m contrib.lab.prober --target 10.77.1.100:5060
It prints one line of JSON a call and, when it ends (--seconds, SIGINT, SIGTERM), a summary.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from contrib.lab.reporting import address_of, stop_on_signals, tell
from contrib.lab.sip import Agent, NoAnswer, Refused, account_for


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which no call was answered, in epoch seconds."""

    began: float
    ended: float

    @property
    def ms(self) -> float:
        return round((self.ended - self.began) * 1000, 1)


def longest_gap(answered: Sequence[float], since: float = 0.0) -> Gap | None:
    """The longest time between two answers one after the other, of those ending after `since`.

    With `since` the moment of a fault it is the downtime. None with fewer than two answers.
    """
    gaps = [Gap(one, next_) for one, next_ in pairwise(sorted(answered)) if next_ > since]
    return max(gaps, key=lambda gap: gap.ended - gap.began, default=None)


@dataclass(slots=True)
class Prober:
    """`timeout_s` after its start a call without a final response counts as unanswered."""

    agent: Agent
    number: str
    interval_s: float
    timeout_s: float
    quiet: bool = False
    results: Counter[str] = field(default_factory=Counter)
    answered: list[float] = field(default_factory=list)
    most_late_s: float = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Starts calls until `stop`; then waits for those that are under way."""
        loop = asyncio.get_running_loop()
        under_way: set[asyncio.Task[None]] = set()
        due = loop.time()
        while not stop.is_set():
            one = loop.create_task(self._call(sum(self.results.values()) + len(under_way) + 1))
            under_way.add(one)
            one.add_done_callback(under_way.discard)
            due += self.interval_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await stop.wait()
            self.most_late_s = max(self.most_late_s, loop.time() - due)
        if under_way:
            await asyncio.wait(under_way)

    async def _call(self, number: int) -> None:
        began = time.time()
        facts: dict[str, object] = {}
        try:
            call = await self.agent.call(self.number, self.timeout_s)
        except NoAnswer:
            result = "unanswered"
        except Refused as refused:
            result = "refused"
            facts["status"] = refused.status
        else:
            result = "answered"
            self.answered.append(call.up_at)
            facts = {"answered": round(call.up_at, 4), "server": call.server}
            facts["answer_ms"] = round((call.up_at - began) * 1000, 1)
            await call.hang_up()
        self.results[result] += 1
        if not self.quiet:
            tell("call", call=number, began=round(began, 4), result=result, **facts)

    def summary(self) -> dict[str, object]:
        gap = longest_gap(self.answered)
        return {
            "calls": sum(self.results.values()),
            **{name: self.results[name] for name in ("answered", "refused", "unanswered")},
            "gap_ms": gap.ms if gap else None,
            "gap_began": round(gap.began, 4) if gap else None,
            "gap_ended": round(gap.ended, 4) if gap else None,
            "prober_late_ms": round(self.most_late_s * 1000, 1),
        }


async def _main(arguments: argparse.Namespace) -> None:
    stop = stop_on_signals()
    agent = Agent(account_for(arguments.phone, "prober", address_of(arguments.target)))
    await agent.open(arguments.address)
    interval_s = arguments.interval_ms / 1000
    prober = Prober(agent, arguments.number, interval_s, arguments.timeout_s, arguments.quiet)
    if arguments.seconds:
        asyncio.get_running_loop().call_later(arguments.seconds, stop.set)
    await prober.run(stop)
    tell("summary", **prober.summary())
    agent.close()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, metavar="HOST[:PORT]")
    parser.add_argument("--address", default="0.0.0.0", help="our own, as it stands in SIP")
    parser.add_argument("--number", default="600")
    parser.add_argument("--phone", help="call as this phone, with its password (from .21 to .29)")
    parser.add_argument("--interval-ms", type=float, default=20)
    parser.add_argument("--timeout-s", type=float, default=5)
    parser.add_argument("--seconds", type=float, help="end by itself after that")
    parser.add_argument("--quiet", action="store_true", help="the summary only")
    asyncio.run(_main(parser.parse_args(argv)))


if __name__ == "__main__":
    main()
