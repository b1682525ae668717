from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.adapters.host import HostClient, HostLink, HostSettings, Transport
from tests.adapters.host import places
from tests.adapters.host.places import Cable, Events, FakeAsterisk, until_true


@pytest.fixture
def cable() -> Iterator[Cable]:
    yield from places.cable()


@pytest.fixture
def asterisk(tmp_path: Path) -> Iterator[FakeAsterisk]:
    fake = FakeAsterisk(tmp_path)
    yield fake
    fake.end()


Connect = Callable[[HostSettings, Transport, Events], Awaitable[HostClient]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Starts a link; the client is given back once the agent answers."""
    tasks: list[asyncio.Task[None]] = []

    async def start(settings: HostSettings, transport: Transport, events: Events) -> HostClient:
        link = HostLink(settings, transport, events)
        tasks.append(asyncio.create_task(link.run()))
        await until_true(lambda: link.connected)
        return HostClient(link)

    yield start
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
