"""A client that is in step with a small real AMI server; tests may bring a server of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from orchestrator.adapters.ami.client import AmiClient
from orchestrator.core.events import Snapshot
from tests.adapters.ami.fake import FakeAmi, Seen, running


@pytest.fixture
async def fake() -> FakeAmi:
    server = FakeAmi()
    await server.listen()
    return server


@pytest.fixture
async def client(fake: FakeAmi) -> AsyncIterator[AmiClient]:
    """Connected; what it asked so far is forgotten."""
    seen = Seen()
    async with running(fake, seen) as one:
        await seen.until(lambda: bool(seen.all(Snapshot)))
        fake.received.clear()
        yield one
