"""Commands that the orchestrator has run on this host."""

# ruff: noqa: SIM105

import os
import signal
import subprocess
import time
from typing import Any, Callable  # noqa: UP035 (collections.abc has no subscript before 3.9)

from .loop import Loop

OUTPUT_TAIL = 4096


class Run:
    """One running command; its output is read as it comes, its tail is kept."""

    def __init__(
        self, loop: Loop, argv: "list[str]", timeout_s: float, done: "Callable[[Run], None]"
    ) -> None:
        self.loop = loop
        self.done = done
        self.timed_out = False
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.tails = {self._fd(pipe): b"" for pipe in (self.process.stdout, self.process.stderr)}
        for fd in self.tails:
            os.set_blocking(fd, False)
            loop.watch(fd, lambda mask, fd=fd: self._read(fd))  # type: ignore[misc]
        self.deadline = loop.after(timeout_s, self._expired)
        self.poll = loop.every(0.005, self._ended)

    @staticmethod
    def _fd(pipe: Any) -> int:
        return int(pipe.fileno())

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, 65536)
        except OSError:
            return
        if not data:
            self.loop.unwatch(fd)
        self.tails[fd] = (self.tails[fd] + data)[-OUTPUT_TAIL:]

    def _expired(self) -> None:
        self.timed_out = True
        self.kill()

    def kill(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except OSError:
            pass

    def _ended(self) -> None:
        if self.process.poll() is None:
            return
        for fd in self.tails:
            self._read(fd)  # what is left; a grandchild that keeps the pipe is not waited for
            self.loop.unwatch(fd)
        self.deadline.cancelled = self.poll.cancelled = True
        self.done(self)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()

    def result(self) -> "dict[str, Any]":
        out, err = (tail.decode("utf-8", "replace") for tail in self.tails.values())
        return {
            "exit_code": self.process.returncode,
            "stdout": out,
            "stderr": err,
            "timed_out": self.timed_out,
            "took_s": round(time.monotonic() - self.started, 4),
        }
