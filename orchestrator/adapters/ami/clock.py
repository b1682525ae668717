"""A node's clock against ours, from the time stamps in the answers to AMI Pings. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

KEPT = 20  # Pings; at four in a silence deadline of 2 s: the last ten seconds
CHANGED_S = 0.05
SAY_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class Reading:
    """``ahead_s``: the node's clock minus ours; ``error_s``: half of the Ping's round trip."""

    ahead_s: float
    error_s: float


class Clock:
    """Believes the quickest of the last Pings, as NTP does (RFC 5905, clock filter)."""

    def __init__(self) -> None:
        self._last: deque[Reading] = deque(maxlen=KEPT)
        self._said: Reading | None = None
        self._said_at = 0.0

    def hear(self, stamp: str, sent_at: float, answered_at: float, now: float) -> Reading | None:
        """What is news: a change of more than 0.05 s, and every 30 s; None otherwise.

        ``stamp``: the answer's ``Timestamp``, epoch seconds; ``sent_at`` and ``answered_at``: our
        clock, epoch seconds; ``now``: any steady clock, seconds.
        """
        try:
            theirs = float(stamp)
        except ValueError:
            return None  # a version that prints none: the clock stays unknown
        half_s = max(0.0, answered_at - sent_at) / 2
        latest = Reading(theirs - (sent_at + half_s), half_s)
        if self._last and abs(latest.ahead_s - self._last[-1].ahead_s) > CHANGED_S + half_s:
            self._last.clear()  # a clock was set: what was measured before is history
        self._last.append(latest)
        best = min(self._last, key=lambda one: one.error_s)
        said = self._said
        steady = said is not None and abs(best.ahead_s - said.ahead_s) <= CHANGED_S
        if steady and now - self._said_at < SAY_EVERY_S:
            return None
        self._said, self._said_at = best, now
        return best
