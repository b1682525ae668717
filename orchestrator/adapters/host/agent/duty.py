"""What one configure request asks for; it goes on until the next one."""

import time
from typing import Any, Callable  # noqa: UP035 (collections.abc has no subscript before 3.9)

from .address import Address
from .guard import Guard
from .holding import Holding
from .lines import Lines
from .loop import Loop, Timer
from .only_one import OnlyOne
from .peer import PeerProbe
from .ping import Ping
from .process import Process
from .rivals import Rivals
from .settings import Settings


class Duty:
    """Watches the process, the peer and the address, and tells of them."""

    def __init__(
        self,
        loop: Loop,
        lines: Lines,
        address: Address,
        settings: Settings,
        leave: "Callable[[], None]",
    ) -> None:
        self.loop = loop
        self.lines = lines
        self.settings = settings
        self.timers: list[Timer] = []
        # Who only watches sends nobody away.
        self.only = None if settings.watch_only else OnlyOne(loop, address.text, leave)
        self.holding = Holding(loop, address, self._address_changed)
        self.guard = Guard(loop, lines, self.holding, settings.lease_s)
        self.rivals = Rivals(loop, lines, self.guard, settings)
        self.highest_epoch = 0  # that an order about the address came with
        self.process = Process(loop, settings.pidfile, settings.process_name, self._process_changed)

    def start(self) -> None:
        settings, guard = self.settings, self.guard
        if settings.peer:
            guard.peer = PeerProbe(
                self.loop, *settings.peer, settings.peer_timeout_s, self._peer_looked
            )
            self._every(settings.peer_interval_s, guard.peer.probe)
        if settings.witnesses and not settings.watch_only:
            guard.witnesses = Ping(self.loop, settings.witnesses)
            self._every(max(0.01, settings.lease_s / 4), guard.probe)
        self.holding.follow()
        if not settings.watch_only:
            self.rivals.follow()
        self.process.look()
        self._every(settings.process_poll_s, self.process.look)
        self._every(settings.heartbeat_s, self._heartbeat)

    def _every(self, interval_s: float, call: "Callable[[], None]") -> None:
        self.timers.append(self.loop.every(interval_s, call))

    def close(self) -> None:
        for timer in self.timers:
            timer.cancelled = True
        self.timers = []
        guard = self.guard
        parts = (self.rivals, self.holding, self.process, guard.peer, guard.witnesses, self.only)
        for part in parts:
            if part:
                part.close()

    def look(self) -> bool:
        """After each turn; True when the agent need not stay."""
        if self.settings.watch_only:
            return not self.lines.open
        self.rivals.look()
        return self.guard.look() and not self.rivals.waiting()

    def picture(self) -> "dict[str, Any]":
        process = self.process
        return {
            "process": process.state,
            "pid": process.pid,
            "detail": process.detail,
            "address": self.holding.holds,
            "guarded": self.guard.armed(),
        }

    def _heartbeat(self) -> None:
        self.holding.look()
        alive = {"event": "alive", "clock": time.time(), "stamp": round(self.loop.lived, 6)}
        self.lines.send(dict(alive, **self.picture()))

    def _process_changed(self) -> None:
        process = self.process
        if self.timers:
            words = {"state": process.state, "pid": process.pid, "detail": process.detail}
            self.lines.send(dict({"event": "process"}, **words))

    def _peer_looked(self) -> None:
        if self.guard.peer:
            self.lines.send({"event": "peer", "outcome": self.guard.peer.outcome})

    def _address_changed(self) -> None:
        holds = self.holding.holds
        if holds:
            self.guard.forget_silence()
        self.lines.send({"event": "address", "address": holds, "guarded": self.guard.armed()})
