"""Calls in progress whose callers hang up one after the other: what a drain waits for.

Run it in the client place:
python -m contrib.demo.talkers --target 10.77.1.100 --address 10.77.1.20
SIGUSR1 makes one caller hang up. It prints one line of JSON when the calls are up, and a summary
when it ends (SIGINT, SIGTERM).
"""

from __future__ import annotations

import argparse
import asyncio
import signal

from contrib.lab.held import HeldCalls
from contrib.lab.reporting import address_of, stop_on_signals, tell
from contrib.lab.sip import Account, Agent, Call

OURS = (None, "us")  # how a call ended that nobody cut


def cut(calls: list[Call]) -> list[Call]:
    """Those that the far end, or its silence, has ended."""
    return [call for call in calls if call.ended_by not in OURS]


async def _one_hangs_up(calls: list[Call]) -> None:
    call = next((call for call in calls if not call.ended.is_set()), None)
    if call is not None:
        await call.hang_up()


async def _main(arguments: argparse.Namespace) -> None:
    stop = stop_on_signals()
    agent = Agent(Account("caller", address_of(arguments.target)))
    await agent.open(arguments.address)
    held = HeldCalls(agent, "600", patience_s=3.0)
    await held.begin(arguments.calls)
    tell("up", calls=len(held.up), refused=held.refused, servers=_servers(held.up))
    loop = asyncio.get_running_loop()
    leaving: set[asyncio.Task[None]] = set()

    def leave() -> None:
        task = loop.create_task(_one_hangs_up(held.up))
        leaving.add(task)
        task.add_done_callback(leaving.discard)

    loop.add_signal_handler(signal.SIGUSR1, leave)
    await held.watch(stop)
    lost = cut(held.up)
    ended = sum(call.ended_by == "us" for call in held.up)
    tell("summary", calls=len(held.up), cut=len(lost), ended_in_peace=ended)
    await held.finish()
    agent.close()


def _servers(calls: list[Call]) -> list[str]:
    return sorted({call.server for call in calls})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, metavar="HOST[:PORT]")
    parser.add_argument("--address", required=True, help="our own, as it stands in SIP")
    parser.add_argument("--calls", type=int, default=10)
    asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
