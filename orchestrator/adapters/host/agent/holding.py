"""Whether this host holds the virtual IP, whoever changes that."""

import math
import socket
import time
from functools import partial
from typing import Callable  # noqa: UP035 (collections.abc has no subscript before 3.9)

from .address import Address
from .loop import Loop, Timer
from .netlink import RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR, RTMGRP_LINK

# After the first announcement; also how old a claim is at most when its last repeat is heard.
ANNOUNCE_AGAIN_S = (0.05, 0.15, 0.4, 1.0)
# A repeat that comes later than this comes from before a pause, and may no longer be true.
LATE_S = 0.05


class Holding:
    """``holds`` is what was last seen; None: not known."""

    def __init__(self, loop: Loop, address: Address, changed: "Callable[[], None]") -> None:
        self.loop = loop
        self.address = address
        self.changed = changed
        self.holds: bool | None = None
        self.changes: socket.socket | None = None
        self.repeats: list[Timer] = []
        self.claimed_at = -math.inf  # when the last order to add came, on the monotonic clock

    def follow(self) -> None:
        """Hear at once of addresses and links that somebody else changes."""
        self.changes = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self.changes.bind((0, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR))
        self.changes.setblocking(False)
        self.loop.watch(self.changes.fileno(), self._addresses_changed)
        self.holds = self.address.held()

    def close(self) -> None:
        self._stop_repeats()
        if self.changes:
            self.loop.unwatch(self.changes.fileno())
            self.changes.close()
        self.address.close()

    def look(self) -> None:
        try:
            self.learn(self.address.held())
        except OSError:
            self.learn(None)

    def learn(self, holds: "bool | None") -> None:
        """Take it for the truth; tells when it changed."""
        if holds != self.holds:
            self.holds = holds
            self.changed()

    def add(self) -> bool:
        """True when it was added, False when it was there already."""
        self._stop_repeats()
        added = self.address.add()
        self.address.announcer.announce()
        now = self.claimed_at = time.monotonic()
        for delay_s in ANNOUNCE_AGAIN_S:
            again = partial(self._announce_again, now + delay_s)
            self.repeats.append(self.loop.after(delay_s, again))
        self.learn(True)
        return added

    def remove(self) -> bool:
        """True when it was removed, False when it was not there; Trouble when it stays."""
        removed = self.give_up()
        self.learn(False)
        return removed

    def give_up(self) -> bool:
        """Remove the address without a word; the caller has more to say than that it is gone."""
        self._stop_repeats()
        return self.address.remove()

    def young(self) -> bool:
        """An older holder's last repeats may still be under way."""
        return time.monotonic() - self.claimed_at <= ANNOUNCE_AGAIN_S[-1]

    def _stop_repeats(self) -> None:
        for timer in self.repeats:
            timer.cancelled = True
        self.repeats = []

    def check(self) -> bool:
        held = self.address.held()
        self.learn(held)
        return held

    def _announce_again(self, due: float) -> None:
        if time.monotonic() - due > LATE_S:
            return  # this host was paused: another may have the address since
        try:
            if self.address.held():
                self.address.announcer.announce()
        except OSError:
            pass  # the interface went down meanwhile

    def _addresses_changed(self, mask: int) -> None:
        try:
            while self.changes and self.changes.recv(65536):
                pass
        except OSError:
            pass  # read empty, or overrun: either way look for ourselves
        self.look()
