"""Whether this host holds the virtual IP, whoever changes that."""

import socket
from typing import Callable  # noqa: UP035 (collections.abc has no subscript before 3.9)

from .address import Address
from .loop import Loop
from .netlink import RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR, RTMGRP_LINK


class Holding:
    """``holds`` is what was last seen; None: not known."""

    def __init__(self, loop: Loop, address: Address, changed: "Callable[[], None]") -> None:
        self.loop = loop
        self.address = address
        self.changed = changed
        self.holds: bool | None = None
        self.changes: socket.socket | None = None

    def follow(self) -> None:
        """Hear at once of addresses and links that somebody else changes."""
        self.changes = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self.changes.bind((0, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR))
        self.changes.setblocking(False)
        self.loop.watch(self.changes.fileno(), self._addresses_changed)
        self.holds = self.address.held()

    def close(self) -> None:
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
        added = self.address.add()
        self.address.announcer.announce()
        self.learn(True)
        return added

    def remove(self) -> bool:
        """True when it was removed, False when it was not there; Trouble when it stays."""
        removed = self.address.remove()
        self.learn(False)
        return removed

    def check(self) -> bool:
        held = self.address.held()
        self.learn(held)
        return held

    def announce_again(self) -> None:
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
