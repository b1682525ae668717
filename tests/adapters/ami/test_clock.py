"""A node's clock from Ping answers: the quickest is believed, and only news is told."""

from __future__ import annotations

import time

import pytest

from orchestrator.adapters.ami.clock import KEPT, SAY_EVERY_S, Clock
from orchestrator.core.events import ClockSeen
from tests.adapters.ami.fake import FakeAmi, Seen, running


def hear(clock: Clock, at: float, ahead_s: float, out_s: float, back_s: float) -> float | None:
    """A Ping sent at ``at`` whose way there and back took so long."""
    stamp = f"{at + out_s + ahead_s:.6f}"
    news = clock.hear(stamp, at, at + out_s + back_s, at)
    return None if news is None else news.ahead_s


def test_the_quickest_of_the_last_pings_is_believed() -> None:
    clock = Clock()
    assert hear(clock, 1000.0, 3.0, 0.001, 0.001) == pytest.approx(3.0)
    assert hear(clock, 1000.5, 3.0, 0.0, 0.09) is None, "a slow answer says less"
    assert hear(clock, 1001.0, 3.0, 0.09, 0.0) is None


def test_a_clock_that_is_set_is_told_at_once() -> None:
    clock = Clock()
    hear(clock, 1000.0, 3.0, 0.001, 0.001)
    assert hear(clock, 1000.5, 0.0, 0.002, 0.002) == pytest.approx(0.0)


def test_a_clock_that_drifts_is_told_when_the_old_pings_are_forgotten() -> None:
    clock = Clock()
    told = [hear(clock, 1000 + i * 0.5, i * 0.005, 0.001, 0.001) for i in range(3 * KEPT)]
    news = [one for one in told if one is not None]
    assert len(news) >= 3
    assert news[-1] > 0.15


def test_it_is_said_again_every_half_minute_and_without_a_stamp_never() -> None:
    clock = Clock()
    assert hear(clock, 1000.0, 0.0, 0.001, 0.001) is not None
    assert hear(clock, 1000.0 + SAY_EVERY_S / 2, 0.0, 0.001, 0.001) is None
    assert hear(clock, 1000.0 + SAY_EVERY_S, 0.0, 0.001, 0.001) is not None
    assert Clock().hear("", 1000.0, 1000.1, 1000.0) is None


async def test_pings_of_a_session_tell_it() -> None:
    fake, seen = FakeAmi(), Seen()
    fake.lists["Ping"] = [
        f"Response: Success\r\nActionID: x\r\nPing: Pong\r\nTimestamp: {time.time() + 500}".encode()
    ]
    await fake.listen()
    async with running(fake, seen):
        await seen.until(lambda: bool(seen.all(ClockSeen)))
    [first, *_] = seen.all(ClockSeen)
    assert isinstance(first, ClockSeen)
    assert 400 < first.ahead_s <= 500.1
    assert 0 <= first.error_s < 5
