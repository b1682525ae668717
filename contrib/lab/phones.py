"""Phones: register at the virtual IP, keep registered, answer every call.

Run it in the client namespace:
python -m contrib.lab.phones --target 10.77.1.100 --address 10.77.1.21 --numbers 1001 1002 1003
It prints one line of JSON per happening (registered, register-failed, call, call-ended).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import Sequence

from contrib.lab.reporting import address_of, stop_on_signals, tell
from contrib.lab.sip import Agent, Call, NoAnswer, Refused, account_for


async def keep_registered(agent: Agent, expires_s: int, stop: asyncio.Event) -> None:
    """Registers again at half of the time, as phones do; sooner after a failure."""
    number = agent.account.number
    while not stop.is_set():
        pause_s = expires_s / 2
        try:
            await agent.register(expires_s, timeout_s=5)
            tell("registered", phone=number)
        except (NoAnswer, Refused) as error:
            tell("register-failed", phone=number, why=str(error))
            pause_s = 2.0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await stop.wait()


async def _report_end(number: str, call: Call) -> None:
    await call.ended.wait()
    tell("call-ended", phone=number, by=call.ended_by)


async def _main(arguments: argparse.Namespace) -> None:
    stop = stop_on_signals()
    loop = asyncio.get_running_loop()
    reports: set[asyncio.Task[None]] = set()
    agents = []
    for number in arguments.numbers:
        account = account_for(number, number, address_of(arguments.target))
        agent = Agent(account, with_audio=arguments.audio)

        def on_call(call: Call, number: str = number) -> None:
            tell("call", phone=number, server=call.server)
            reports.add(loop.create_task(_report_end(number, call)))

        agent.on_call = on_call
        await agent.open(arguments.address)
        agents.append(agent)
    await asyncio.gather(*(keep_registered(one, arguments.expires_s, stop) for one in agents))
    for agent in agents:
        with contextlib.suppress(NoAnswer, Refused):
            await agent.register(0, timeout_s=1)
        agent.close()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, metavar="HOST[:PORT]")
    parser.add_argument("--address", required=True, help="our own (.21 to .29: .20 is no phone)")
    parser.add_argument("--numbers", nargs="+", default=["1001", "1002", "1003"])
    parser.add_argument("--expires-s", type=int, default=120)
    parser.add_argument("--no-audio", dest="audio", action="store_false")
    asyncio.run(_main(parser.parse_args(argv)))


if __name__ == "__main__":
    main()
