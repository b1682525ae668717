"""No false verdict: profile fast, a stream of calls, a flood of AMI events, and nothing may move.

The flood is real state: the active node's custom device states are flipped over a second AMI
session. One line of JSON: what was done to the pair, and every change of mind of the orchestrator.
Ends 0 only when there was none.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from contrib.lab import Lab
from contrib.lab.calls import stream
from contrib.lab.service import Service


async def flood(host: str, secret: str, rate: float, seconds: float) -> int:
    """Flips a device state ``rate`` times a second; how often it did."""
    reader, writer = await asyncio.open_connection(host, 5038)
    login = f"Action: Login\r\nUsername: orchestrator\r\nSecret: {secret}\r\nEvents: off\r\n\r\n"
    writer.write(login.encode())
    reading = asyncio.create_task(_discard(reader))
    sent, began = 0, time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        while sent < passed * rate:
            state = "INUSE" if sent % 2 else "NOT_INUSE"
            device = f"DEVICE_STATE(Custom:flood{sent % 50})"
            writer.write(f"Action: Setvar\r\nVariable: {device}\r\nValue: {state}\r\n\r\n".encode())
            sent += 1
        await writer.drain()
        await asyncio.sleep(0.005)
    reading.cancel()
    writer.close()
    return sent


async def _discard(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


def flood_from_ctl(arguments: argparse.Namespace) -> None:
    """The flooding process; runs inside the control namespace."""
    secret = Path(arguments.secret_file).read_text(encoding="utf-8").strip()
    print(asyncio.run(flood(arguments.flood, secret, arguments.events, arguments.minutes * 60)))


def changes_of_mind(journal: Path, since: float) -> list[str]:
    """What the orchestrator told since then that it would not tell of a quiet night."""
    database = sqlite3.connect(f"file:{journal}?mode=ro", uri=True)
    rows = database.execute("SELECT text FROM history WHERE at >= ? ORDER BY at", (since,))
    return [text for (text,) in rows]


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """The whole quiet night."""
    seconds = arguments.minutes * 60
    name = f"quiet-{os.getpid()}"
    with Lab.up(name=name, asterisk=arguments.asterisk, profile="fast") as lab:
        with Service(lab) as service:
            service.until_ready()
            began = time.time()
            command = ["-m", "contrib.bench.quiet", "--minutes", str(arguments.minutes)]
            command += ["--flood", lab.node("a").address, "--events", str(arguments.events)]
            command += ["--secret-file", str(lab.directory / "ami.secret")]
            flooding = lab.popen_python("ctl", command, stdout=-1)
            calls = stream(lab, lab.virtual_ip, "600", arguments.calls, seconds, 2.0)
            flipped = int(flooding.communicate(timeout=60)[0])
            ended = time.time()
            status = service.status()
        changed = changes_of_mind(service.journal, began)
    return {
        "minutes": round((ended - began) / 60, 1),
        "calls": calls["calls"],
        "calls_refused": calls["refused"],
        "calls_cut": calls["cut"],
        "device_states_flipped": flipped,
        "active": status["active"],
        "epoch": status["epoch"],
        "changes_of_mind": changed,
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--calls", type=float, default=10, help="new calls a second")
    parser.add_argument("--events", type=float, default=500, help="state changes a second")
    parser.add_argument("--asterisk", type=int, choices=(16, 22), default=22)
    parser.add_argument("--flood", help=argparse.SUPPRESS)
    parser.add_argument("--secret-file", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.flood:
        flood_from_ctl(arguments)
        return 0
    told = run(arguments)
    print(json.dumps(told))
    return 1 if told["changes_of_mind"] else 0


if __name__ == "__main__":
    sys.exit(main())
