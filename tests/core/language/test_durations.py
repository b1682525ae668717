"""Durations and hours, as people write them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from orchestrator.core.language.durations import parse_duration, say_duration
from orchestrator.core.language.hours import parse_clock, parse_hours, within


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("200ms", 0.2), ("2 s", 2), ("15m", 900), ("1h30m", 5400), ("1d 2h", 93600), ("1.5m", 90)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "5x", "m", "5m5m", "5s5m", "-5s", "5 min", "5m" * 99])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.34, "340 ms"), (2.5, "2.5 s"), (60, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"),
     (273600, "3 d 4 h"), (-5, "-5 s"), (3600, "1 h"), (0, "0 ms")],
)  # fmt: skip
def test_durations_in_words(seconds: float, text: str) -> None:
    assert say_duration(seconds) == text


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("moment", "days", "inside"),
    [
        ("2027-01-15 21:59", range(7), False),
        ("2027-01-15 22:00", range(7), True),
        ("2027-01-16 05:59", range(7), True),
        ("2027-01-16 06:00", range(7), False),
        ("2027-01-16 05:00", {4}, True),  # Saturday morning belongs to Friday's night
        ("2027-01-16 05:00", {5}, False),
        ("2027-01-16 23:00", {5}, True),
    ],
)
def test_hours_that_cross_midnight(moment: str, days: set[int], inside: bool) -> None:
    assert within(at(moment), UTC, parse_hours("22:00-06:00"), days) is inside


def test_hours_are_the_sites_own() -> None:
    assert within(at("2027-01-15 15:30"), ZoneInfo("Asia/Jakarta"), parse_hours("22:00-06:00"))


@pytest.mark.parametrize("text", ["24:01", "7", "7:5", "25:00", "", "xx:yy"])
def test_what_is_no_time_of_day(text: str) -> None:
    with pytest.raises(ValueError, match="no time of day"):
        parse_clock(text)
