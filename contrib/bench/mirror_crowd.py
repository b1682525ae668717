"""Many phones on one socket that do nothing but register, refresh and answer OPTIONS.

Runs in a lab's client namespace for contrib/bench/mirror. Prints lines of JSON: {"all_at": epoch
seconds} when every phone is registered; after SIGUSR1 {"stale_ms": …} for each refresh that is
followed: the time from its 200 OK to the new expiry on the other node, seen there by ARI.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import aiohttp
from yarl import URL

from contrib.lab.reporting import stop_on_signals
from contrib.lab.sip_message import Message, authorization, build, respond
from contrib.lab.sip_transaction import Address, NoAnswer, Transactions
from orchestrator.adapters.ari.contacts import PLACE
from orchestrator.adapters.ari.settings import AriSettings

LOOK_EVERY_S = 0.02
FOLLOW_AT_MOST_S = 30.0
RAMP_PER_S = 100
SO_RCVBUFFORCE = 33  # Linux; the socket module lacks it


class Crowd(Transactions):
    """All phones of the numbers given; each has its own Contact on the same address and port."""

    def __init__(self, server: Address, expires_s: int) -> None:
        super().__init__("crowd")
        self._server = server
        self._expires_s = expires_s
        self._cseq = 0

    def make_room(self) -> None:
        """Both nodes send OPTIONS to thousands of phones at once, and all come to this socket."""
        assert self._transport is not None
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)

    def incoming(self, request: Message, source: Address) -> None:
        self.send(respond(request, "200 OK", "crowd"), source)

    def uri_of(self, number: int) -> str:
        """The contact's URI, and with it (MD5) its name in Asterisk."""
        return f"sip:{number}@{self.local[0]}:{self.local[1]}"

    def request_bytes(
        self, method: str, uri: str, headers: list[tuple[str, str]], body: str, branch: str
    ) -> bytes:
        host, port = self.local
        via = ("Via", f"SIP/2.0/UDP {host}:{port};rport;branch={branch}")
        return build(f"{method} {uri} SIP/2.0", [via, ("Max-Forwards", "70"), *headers], body)

    async def register(self, number: int) -> bool:
        """One registration or refresh, with the digest; False when it was not accepted."""
        uri = f"sip:{self._server[0]}"
        who = f"<sip:{number}@{self._server[0]}>"
        extra: list[tuple[str, str]] = []
        for _ in range(2):
            self._cseq += 1
            headers = [
                ("From", f"{who};tag={number}"),
                ("To", who),
                ("Call-ID", f"crowd-{number}"),
                ("CSeq", f"{self._cseq} REGISTER"),
                ("Contact", f"<{self.uri_of(number)}>"),
                ("Expires", str(self._expires_s)),
                ("User-Agent", "crowd"),
                *extra,
            ]
            answer = await self.transact("REGISTER", uri, headers, "", self._server, 8)
            if answer.status != 401:
                break
            proof = authorization(
                answer.get("www-authenticate"), "REGISTER", uri, str(number), f"secret{number}"
            )
            extra = [("Authorization", proof)]
        return answer.status == 200


async def follow(session: aiohttp.ClientSession, url: str, until: float, since: float) -> None:
    """Looks at the copy until it has the new expiry."""
    where = URL(url, encoded=True)
    while time.time() < since + FOLLOW_AT_MOST_S:
        async with session.get(where) as answer:
            found = await answer.json() if answer.status == 200 else []
        fields = {one["attribute"]: one["value"] for one in found}
        if int(fields.get("expiration_time", "0")) >= until:
            break
        await asyncio.sleep(max(LOOK_EVERY_S, (time.time() - since) / 10))
    print(json.dumps({"stale_ms": round((time.time() - since) * 1000, 1)}), flush=True)


async def live(
    crowd: Crowd,
    number: int,
    wait_s: float,
    arguments: argparse.Namespace,
    copies: str,
    session: aiohttp.ClientSession,
    done: asyncio.Semaphore,
    following: asyncio.Event,
) -> None:
    """One phone's life."""
    await asyncio.sleep(wait_s)
    first = True
    contact = f"{number};@{hashlib.md5(crowd.uri_of(number).encode()).hexdigest()}"
    url = copies + quote(contact, safe="")
    while True:
        try:
            accepted = await crowd.register(number)
        except NoAnswer:
            accepted = False
        if not accepted:
            await asyncio.sleep(2)
            continue
        if first:
            first = False
            done.release()
        elif following.is_set() and random.random() < arguments.follow:
            now = time.time()
            await follow(session, url, int(now) + arguments.expires_s - 2, now)
        # spread over the period from the second time on, as many phones are in life
        await asyncio.sleep(arguments.every_s * random.uniform(0.95, 1.0))


async def run(arguments: argparse.Namespace, node: AriSettings) -> None:
    crowd = Crowd((arguments.target, 5060), arguments.expires_s)
    await crowd.open(arguments.address, 5070)
    crowd.make_room()
    stop, done = stop_on_signals(), asyncio.Semaphore(0)
    following = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, following.set)
    copies = node.url + PLACE
    numbers = range(arguments.first, arguments.first + arguments.phones)
    async with aiohttp.ClientSession(headers=node.headers) as session:
        lives = [
            asyncio.create_task(
                live(crowd, number, index / RAMP_PER_S, arguments, copies, session, done, following)
            )
            for index, number in enumerate(numbers)
        ]
        for _ in numbers:
            await done.acquire()
        print(json.dumps({"all_at": time.time()}), flush=True)
        await stop.wait()
        for one in lives:
            one.cancel()
        await asyncio.gather(*lives, return_exceptions=True)
    crowd.close()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, help="where they register: the virtual IP")
    parser.add_argument("--copy", required=True, help="the node whose copies are looked at")
    parser.add_argument("--secret-file", required=True, help="of its ARI user")
    parser.add_argument("--address", required=True, help="our own")
    parser.add_argument("--first", type=int, required=True, help="the first number")
    parser.add_argument("--phones", type=int, required=True)
    parser.add_argument("--expires-s", type=int, default=120)
    parser.add_argument("--every-s", type=float, default=60)
    parser.add_argument("--follow", type=float, default=0.0, help="share of refreshes followed")
    with contextlib.suppress(KeyboardInterrupt):
        arguments = parser.parse_args(argv)
        secret = Path(arguments.secret_file).read_text(encoding="utf-8").strip()
        asyncio.run(run(arguments, AriSettings(arguments.copy, "orchestrator", secret)))


if __name__ == "__main__":
    main()
