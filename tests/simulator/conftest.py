"""The site that the dialogue tests speak with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.simulator.site import Site, built


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with built(tmp_path) as made:
        yield made
