"""The lines to and from the orchestrator."""

# ruff: noqa: UP031

import json
import math
import os
import select
from typing import Any, Callable  # noqa: UP035 (collections.abc has no subscript before 3.9)

from .loop import Loop

LONGEST_LINE = 256 * 1024
LONGEST_BACKLOG = 64 * 1024  # unread output after which heartbeats are left out


class Lines:
    """JSON lines on two file descriptors, never blocking."""

    def __init__(
        self,
        loop: Loop,
        source: int,
        target: int,
        received: "Callable[[Any], None]",
    ) -> None:
        self.loop = loop
        self.source = source
        self.target = target
        self.received = received
        self.open = True
        self.ended_at = math.inf  # on the lived clock
        self.input = b""
        self.skipping = False
        self.output = b""
        for fd in (source, target):
            os.set_blocking(fd, False)
        loop.watch(source, lambda mask: self._readable())

    def _readable(self) -> None:
        try:
            data = os.read(self.source, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end()
            return
        *lines, self.input = (self.input + data).split(b"\n")
        for line in lines:
            if self.skipping:
                self.skipping = False
            elif line.strip():
                self._line(line)
        if len(self.input) > LONGEST_LINE:
            self._complain("a line longer than %d bytes was thrown away" % LONGEST_LINE)
            self.input = b""
            self.skipping = True
        elif self.skipping:
            self.input = b""

    def _line(self, line: bytes) -> None:
        try:
            message = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError):
            self._complain("a line that is not JSON was ignored: %r" % line[:80])
            return
        if isinstance(message, dict):
            self.received(message)
        else:
            self._complain("a line that is not a JSON object was ignored: %r" % line[:80])

    def _complain(self, words: str) -> None:
        self.send({"event": "protocol_error", "error": words})

    def send(self, message: "dict[str, Any]") -> None:
        if not self.open:
            return
        if len(self.output) > LONGEST_BACKLOG and message.get("event") == "alive":
            return
        if len(self.output) > 16 * LONGEST_BACKLOG:
            self._end()  # nobody reads: as good as gone
            return
        self.output += json.dumps(message, separators=(",", ":")).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        try:
            self.output = self.output[os.write(self.target, self.output) :]
        except BlockingIOError:
            pass
        except OSError:
            self._end()
            return
        if self.output:
            self.loop.watch(self.target, lambda mask: self._flush(), select.POLLOUT)
        else:
            self.loop.unwatch(self.target)

    def _end(self) -> None:
        if self.open:
            self.open = False
            self.output = b""
            self.loop.unwatch(self.source)
            self.loop.unwatch(self.target)
            self.ended_at = self.loop.lived
