"""Why a rule did what it did, and why it did not: its kept changes, in sentences. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from orchestrator.core.rulebook.traces import Trace, What

NEAR: Final = (What.ENDED, What.LIMITED, What.SILENCED)  # it came near, and did nothing
_TERM: Final = re.compile(r"(.+?) is (true|false|unknown)(?: \(|$)")


@dataclass(frozen=True, slots=True)
class Past:
    """What the journal keeps of one rule, each oldest first."""

    newest: Sequence[Trace]
    fired: Sequence[Trace]  # the last firing
    near: Sequence[Trace]  # the last times it came near, with their beginnings


def tell_past(past: Past, now: float, zone: tzinfo) -> list[str]:
    """Lines for under the rule's present state; none when nothing was kept."""
    if not past.newest:
        return []
    return [*_did(past, now, zone), *_did_not(past, now, zone), *_changes(past, now, zone)]


def _did(past: Past, now: float, zone: tzinfo) -> Iterator[str]:
    if not past.fired:
        yield "  it has not fired as far back as the journal goes"
    for fired in past.fired:
        yield f"  why it did: {_stamp(fired.at, now, zone)} {fired.says}"
        yield from (f"    {term}" for term in fired.terms)


def _did_not(past: Past, now: float, zone: tzinfo) -> Iterator[str]:
    """The last time it came near; a firing after it is the better answer."""
    last = next((trace for trace in reversed(past.near) if trace.what in NEAR), None)
    if last is None or any(fired.at > last.at for fired in past.fired):
        return
    began = _beginning(past.near, last)
    yield f"  why it did not: {_stamp(last.at, now, zone)} {_says(last, began)}"
    yield from (f"    {term}" for term in last.terms)


def _changes(past: Past, now: float, zone: tzinfo) -> Iterator[str]:
    yield "  its changes, the newest last:"
    for trace in past.newest:
        began = _beginning(past.newest, trace)
        yield f"    {_stamp(trace.at, now, zone)} {_says(trace, began)}"


def _beginning(traces: Sequence[Trace], of: Trace) -> Trace | None:
    """When the condition that this change is about began to hold, as far as it is there."""
    before = traces[: traces.index(of)]
    return next((trace for trace in reversed(before) if trace.what is What.BEGAN), None)


def _says(trace: Trace, began: Trace | None) -> str:
    if trace.what is not What.ENDED or began is None:
        return trace.says
    turned = ", ".join(_turned(began.terms, trace.terms))
    return f"{trace.says}: {turned}" if turned else trace.says


def _turned(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """The terms whose truth is another; none of those that were cut short."""
    for old, new in zip(before, after, strict=False):
        was, now = _TERM.match(old), _TERM.match(new)
        if was and now and was[1] == now[1] and was[2] != now[2]:
            yield f"{now[1]} is now {now[2]}"


def _stamp(at: float, now: float, zone: tzinfo) -> str:
    """The site's time; with the day when it is not today's."""
    moment, today = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone)
    return f"{moment:%H:%M:%S}" if moment.date() == today.date() else f"{moment:%d %b %H:%M:%S}"
