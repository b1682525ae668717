"""Somebody who calls each phone once, through the virtual IP, and hangs up when it has answered.

Run it in the client place:
python -m contrib.demo.ringer --target 10.77.1.100 --address 10.77.1.20 --numbers 1001 1002
It prints one line of JSON: which phones answered.
"""

from __future__ import annotations

import argparse
import asyncio

from contrib.lab.reporting import address_of, tell
from contrib.lab.sip import Account, Agent, NoAnswer, Refused

ANSWERS_WITHIN_S = 5.0


async def _main(arguments: argparse.Namespace) -> None:
    agent = Agent(Account("caller", address_of(arguments.target)))
    await agent.open(arguments.address)
    answered = []
    for number in arguments.numbers:
        try:
            call = await agent.call(number, ANSWERS_WITHIN_S)
        except (NoAnswer, Refused):
            continue
        answered.append(number)
        await call.hang_up()
    tell("summary", answered=answered)
    agent.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, metavar="HOST[:PORT]")
    parser.add_argument("--address", required=True, help="our own, as it stands in SIP")
    parser.add_argument("--numbers", nargs="+", required=True)
    asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
