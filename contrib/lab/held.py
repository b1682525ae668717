"""Held calls: keeps N calls up, with audio, and says which of them were cut.

Run it in the client namespace: python -m contrib.lab.held --target 10.77.1.100 --calls 10
It prints one line of JSON per happening and, when it ends (--seconds, SIGINT, SIGTERM), a summary.
A call counts as cut when the far end hangs up, or knows the call no more, or leaves a request in
the call unanswered for --patience-s (the BYE at the end: 2 s).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from contrib.lab.reporting import address_of, stop_on_signals, tell
from contrib.lab.sip import Agent, Call, NoAnswer, Refused, account_for

CHECK_EVERY_S = 1.0
UNKNOWN_CALL = 481


@dataclass(slots=True)
class HeldCalls:
    """`cut` has a line of words for each call that was cut; `refused` those that never came up."""

    agent: Agent
    number: str
    patience_s: float
    up: list[Call] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    async def begin(self, calls: int) -> None:
        """Places the calls, one after the other."""
        for _ in range(calls):
            try:
                self.up.append(await self.agent.call(self.number))
            except (NoAnswer, Refused) as error:
                self.refused.append(str(error))

    async def watch(self, stop: asyncio.Event) -> None:
        """Watches every call until `stop`."""
        watches = [asyncio.create_task(self._watch(n, call)) for n, call in enumerate(self.up, 1)]
        await stop.wait()
        for one in watches:
            one.cancel()
        await asyncio.gather(*watches, return_exceptions=True)

    async def _watch(self, number: int, call: Call) -> None:
        while not call.ended.is_set():
            try:
                answer = await call.request("OPTIONS", self.patience_s)
            except NoAnswer:
                if not call.ended.is_set():
                    call.end(f"no answer for {self.patience_s:g} s")
                break
            if answer.status == UNKNOWN_CALL:
                call.end("the far end no longer knows the call (481)")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK_EVERY_S):
                    await call.ended.wait()
        words = "the far end hung up" if call.ended_by == "them" else str(call.ended_by)
        self.cut.append(words)
        tell("cut", call=number, why=words, server=call.server)

    async def finish(self) -> dict[str, object]:
        """Hangs up what is still up; the summary."""
        held = [call for call in self.up if not call.ended.is_set()]
        silences = [call.audio.longest_silence_s for call in held if call.audio]
        ended_well = await asyncio.gather(*(call.hang_up() for call in held))
        self.cut += ["the far end did not take our BYE" for well in ended_well if not well]
        return {
            "calls": len(self.up) + len(self.refused),
            "answered": len(self.up),
            "held": sum(ended_well),
            "cut": len(self.cut),
            "refused": len(self.refused),
            "longest_silence_ms": round(max(silences, default=0.0) * 1000, 1),
            "servers": sorted({call.server for call in self.up}),
        }


async def _main(arguments: argparse.Namespace) -> None:
    stop = stop_on_signals()
    account = account_for(arguments.phone, "caller", address_of(arguments.target))
    agent = Agent(account, with_audio=arguments.audio)
    await agent.open(arguments.address)
    held = HeldCalls(agent, arguments.number, arguments.patience_s)
    await held.begin(arguments.calls)
    tell("up", calls=len(held.up), refused=held.refused)
    if arguments.seconds:
        asyncio.get_running_loop().call_later(arguments.seconds, stop.set)
    await held.watch(stop)
    tell("summary", **await held.finish())
    agent.close()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, metavar="HOST[:PORT]")
    parser.add_argument("--address", required=True, help="our own, as it stands in SIP and SDP")
    parser.add_argument("--number", default="600")
    parser.add_argument("--phone", help="call as this phone, with its password (from .21 to .29)")
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--patience-s", type=float, default=3)
    parser.add_argument("--seconds", type=float, help="end by itself after that")
    parser.add_argument("--no-audio", dest="audio", action="store_false")
    asyncio.run(_main(parser.parse_args(argv)))


if __name__ == "__main__":
    main()
