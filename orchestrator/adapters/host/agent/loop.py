"""The loop that everything runs in: poll() and timers."""

import heapq
import math
import select
import time
from typing import Callable  # noqa: UP035 (collections.abc has no subscript before 3.9)

# A turn of the loop counts for at most this much silence: a stalled host must not look isolated.
LONGEST_TURN_S = 0.05


class Timer:
    def __init__(self, call: "Callable[[], None]", interval: float) -> None:
        self.call = call
        self.interval = interval
        self.cancelled = False


class Loop:
    """poll() and timers. ``lived`` is a clock of the time that the loop really lived through."""

    def __init__(self) -> None:
        self.lived = 0.0
        self.stalled = 0.0  # how long the last turn was beyond what it may count
        self._poll = select.poll()
        self._ready: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = 0
        self._last = time.monotonic()

    def watch(self, fd: int, call: "Callable[[int], None]", mask: int = select.POLLIN) -> None:
        self._ready[fd] = call
        self._poll.register(fd, mask)

    def unwatch(self, fd: int) -> None:
        if self._ready.pop(fd, None):
            self._poll.unregister(fd)

    def after(self, delay: float, call: "Callable[[], None]") -> Timer:
        return self._push(Timer(call, 0.0), delay)

    def every(self, interval: float, call: "Callable[[], None]") -> Timer:
        return self._push(Timer(call, interval), 0.0)

    def _push(self, timer: Timer, delay: float) -> Timer:
        self._count += 1
        heapq.heappush(self._timers, (time.monotonic() + delay, self._count, timer))
        return timer

    def turn(self) -> None:
        wait = LONGEST_TURN_S / 2
        if self._timers:
            wait = min(wait, max(0.0, self._timers[0][0] - time.monotonic()))
        ready = self._poll.poll(math.ceil(wait * 1000))
        now = time.monotonic()
        spent = now - self._last
        self._last = now
        self.lived += min(spent, LONGEST_TURN_S)
        self.stalled = max(0.0, spent - LONGEST_TURN_S)
        for fd, mask in ready:
            call = self._ready.get(fd)
            if call:
                call(mask)
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if timer.cancelled:
                continue
            if timer.interval:
                self._push(timer, timer.interval)
            timer.call()
