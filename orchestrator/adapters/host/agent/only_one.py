"""One agent for each virtual IP."""

# ruff: noqa: UP031, SIM105

import os
import socket
import struct
import time
from typing import Callable  # noqa: UP035 (collections.abc has no subscript before 3.9)

from .loop import Loop
from .trouble import Trouble


class OnlyOne:
    """At most one agent per virtual IP and host: the newer one asks the older to leave.

    An abstract Unix socket, so that nothing is left behind; only root or the same user is obeyed.
    """

    def __init__(self, loop: Loop, name: str, leave: "Callable[[], None]") -> None:
        self.loop = loop
        self.leave = leave
        self.address = "\0asterisk-orchestrator-agent/" + name
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        deadline = time.monotonic() + 0.5
        while True:
            try:
                self.sock.bind(self.address)
                break
            except OSError:
                if time.monotonic() > deadline:
                    self.sock.close()
                    raise Trouble(
                        "another agent on this host serves %s and does not leave" % name
                    ) from None
                self._ask()
                time.sleep(0.002)
        self.sock.setblocking(False)
        loop.watch(self.sock.fileno(), self._readable)

    def _ask(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            try:
                sock.sendto(b"leave", self.address)
            except OSError:
                pass  # it is leaving, or its queue is full of such wishes

    def _readable(self, mask: int) -> None:
        try:
            _, extra, _, _ = self.sock.recvmsg(16, socket.CMSG_SPACE(12))
        except OSError:
            return
        for _, kind, data in extra:
            sender = struct.unpack("=iii", data[:12])[1] if kind == socket.SCM_CREDENTIALS else -1
            if sender in (0, os.geteuid()):
                self.leave()

    def close(self) -> None:
        self.loop.unwatch(self.sock.fileno())
        self.sock.close()
