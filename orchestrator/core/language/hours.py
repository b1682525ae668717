"""Hours of the day and days of the week, in the site's time zone; ranges may cross midnight."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime, tzinfo
from typing import Final

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN: Final = 24 * 60
_CLOCK: Final = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")


def parse_clock(text: str) -> int:
    """Minutes since midnight of ``HH:MM`` (``24:00`` is the end of the day)."""
    match = _CLOCK.fullmatch(text.strip())
    minutes = int(match[1]) * 60 + int(match[2]) if match else DAY_MIN + 1
    if minutes > DAY_MIN:
        raise ValueError(f"'{text[:20]}' is no time of day; write it as 22:00")
    return minutes


def parse_hours(text: str) -> tuple[int, int]:
    """``22:00-06:00`` as minutes since midnight; the end itself is outside."""
    first, dash, last = text.partition("-")
    if not dash:
        raise ValueError(f"'{text[:20]}' is no range of hours; write it as 22:00-06:00")
    hours = parse_clock(first), parse_clock(last)
    if hours[0] == hours[1]:
        raise ValueError(f"'{text}' begins where it ends; the whole day is 00:00-24:00")
    return hours


def within(
    now: float, zone: tzinfo, hours: tuple[int, int], days: Collection[int] = range(7)
) -> bool:
    """Whether it is within the hours. Past midnight a range belongs to the day it began on."""
    moment = datetime.fromtimestamp(now, zone)
    minute, weekday = moment.hour * 60 + moment.minute, moment.weekday()
    first, last = hours
    if first < last:
        return weekday in days and first <= minute < last
    if minute >= first:
        return weekday in days
    return minute < last and (weekday - 1) % 7 in days


def say_hours(hours: tuple[int, int], days: Collection[int] = range(7)) -> str:
    """``22:00-06:00`` or ``22:00-06:00 on mon, tue``."""
    first, last = (f"{minute // 60:02}:{minute % 60:02}" for minute in hours)
    some = ", ".join(WEEKDAYS[day] for day in sorted(days))
    return f"{first}-{last}" + (f" on {some}" if len(days) < 7 else "")
