"""What the lab's programs share: one line of JSON per happening, a clean end on a signal."""

from __future__ import annotations

import asyncio
import json
import signal
import time


def tell(event: str, **facts: object) -> None:
    """One line of JSON on stdout, at once. `at` is in epoch seconds."""
    print(json.dumps({"event": event, "at": round(time.time(), 4), **facts}), flush=True)


def stop_on_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


def address_of(target: str) -> tuple[str, int]:
    """`HOST[:PORT]` as host and port, 5060 unless told."""
    host, _, port = target.partition(":")
    return host, int(port or 5060)
