"""Durations and times as people read and write them."""

from __future__ import annotations

import datetime

import typer

from orchestrator.core.language.durations import parse_duration, say_duration


def lasting(seconds: float) -> str:
    """A duration that is never negative: clocks of two processes differ a little."""
    return say_duration(max(seconds, 0.0))


def ago(since: float | None, now: float) -> str:
    """``3 min``: how long something has been so."""
    return "" if since is None else lasting(now - since)


def clock_time(at: float) -> str:
    """Local date and time to the millisecond."""
    moment = datetime.datetime.fromtimestamp(at).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def duration(text: str) -> float:
    """A command line's duration, in seconds."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
