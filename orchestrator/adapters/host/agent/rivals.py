"""Who else on the network has the virtual IP. IPv4 only.

Never two: whoever announces it later is the newer holder, so this host gives it up when another
MAC announces it. Not within a second of its own order to add: then what it hears may be the last
repeats of the older holder, and that one yields to ours. And after a pause of its own (a stopped
machine, a stopped agent) it asks before it says anything: another may have been given the address
meanwhile. It asks, too, when the orchestrator goes: after a pause that the machine's clock does not
show, the broken connection is the first sign.
"""

# ruff: noqa: UP031, PTH123

import socket

from .guard import Guard
from .lines import Lines
from .loop import Loop, Timer
from .settings import Settings

ASK_AT_S = (0.0, 0.03, 0.15)  # an ARP probe may be lost
ANSWERED_S = 0.2
ANSWER = b"\0\0\0\0"  # target IP of an answer to a probe, which has no sender IP (RFC 5227 1.1)


class Rivals:
    def __init__(self, loop: Loop, lines: Lines, guard: Guard, settings: Settings) -> None:
        self.loop = loop
        self.lines = lines
        self.guard = guard
        self.settings = settings
        self.address = guard.holding.address
        self.announcer = self.address.announcer
        self.asking: list[Timer] = []
        self.asking_until = 0.0  # on the lived clock
        self.because = ""
        self.asked_at_end = False

    def follow(self) -> None:
        if not self.address.v6:
            self.loop.watch(self.announcer.frames.fileno(), lambda mask: self._readable())

    def close(self) -> None:
        self._stop_asking()
        self.loop.unwatch(self.announcer.frames.fileno())

    def look(self) -> None:
        """Ask when there is a reason to."""
        if not self.guard.holding.holds or self.address.v6:
            return
        ended = not self.lines.open and not self.asked_at_end
        self.asked_at_end = not self.lines.open
        if self.loop.stalled > self.settings.lease_s / 2:
            self._ask("this host was paused for %.1f s" % self.loop.stalled)
        elif ended:
            self._ask("the orchestrator is gone")

    def waiting(self) -> bool:
        """An answer may still come."""
        return self.loop.lived < self.asking_until

    def _ask(self, because: str) -> None:
        self._stop_asking()
        self.asking_until = self.loop.lived + ANSWERED_S
        self.because = because
        self.asking = [self.loop.after(delay_s, self._send) for delay_s in ASK_AT_S]

    def _stop_asking(self) -> None:
        for timer in self.asking:
            timer.cancelled = True
        self.asking = []
        self.asking_until = 0.0

    def _send(self) -> None:
        try:
            if self.guard.holding.holds:
                self.announcer.ask()
        except OSError:
            pass  # the interface is down: nobody is reached from here either

    def _readable(self) -> None:
        while True:
            try:
                frame = self.announcer.frames.recv(64, socket.MSG_DONTWAIT)
            except OSError:
                return  # read empty, or the interface went down
            if self.guard.holding.holds and len(frame) >= 42:
                self._claimed(frame[22:28], frame[38:42])

    def _claimed(self, mac: bytes, target: bytes) -> None:
        if mac in self.address.own_macs():
            return
        if target == ANSWER:
            words = "%s, and %s has the address" % (self.because, self._name(mac))
        elif self.guard.holding.young():
            return
        else:
            words = "%s announced the address: it has it now" % self._name(mac)
        self._stop_asking()
        self.guard.give_up(words)

    def _name(self, mac: bytes) -> str:
        text = ":".join("%02x" % byte for byte in mac)
        try:
            with open("/proc/net/arp") as table:
                neighbours = [line.split() for line in table]
        except OSError:
            neighbours = []
        peer = self.settings.peer
        known = peer and any(n[0] == peer[0] and n[3] == text for n in neighbours if len(n) > 3)
        return "%s (MAC %s)" % (self.settings.peer_name if known else "another machine", text)
