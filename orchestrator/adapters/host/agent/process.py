"""The Asterisk process of this host: running, stopped or gone."""

# ruff: noqa: UP031

import os
import signal
from typing import Callable  # noqa: UP035 (collections.abc has no subscript before 3.9)

from .loop import Loop
from .process_events import KernelEvents
from .procfs import by_name, from_pidfile, read_stat, tasks_alive


class Process:
    """Watches one process. A pid counts only together with its start time and its name."""

    def __init__(self, loop: Loop, pidfile: str, name: str, changed: "Callable[[], None]") -> None:
        self.loop = loop
        self.pidfile = pidfile
        self.name = name[:15]
        self.changed = changed
        self.pid = 0
        self.started = 0
        self.state = "gone"
        self.detail = "not looked for yet"
        self.pidfd = -1
        self.doomed = ""  # why it counts as gone although its remains are still in /proc
        self.next_search = 0.0
        self.kernel: KernelEvents | None = None
        try:
            self.kernel = KernelEvents()
            loop.watch(self.kernel.sock.fileno(), self._kernel_ready)
        except OSError:
            self.kernel = None  # a container, say: the pidfd and the polling remain

    def close(self) -> None:
        self._drop_pidfd()
        if self.kernel:
            self.loop.unwatch(self.kernel.sock.fileno())
            self.kernel.close()

    def look(self) -> None:
        """Find out the present state; tells when it changed."""
        before = (self.state, self.pid)
        if not self.alive():
            self._find()
        stat = read_stat(self.pid) if self.pid else None
        if stat and self.alive():
            if self.doomed:
                self.state, self.detail = "gone", self.doomed
            elif stat[1] in "Tt":
                self.state, self.detail = "stopped", "process %d is stopped" % self.pid
            else:
                self.state, self.detail = "running", "process %d" % self.pid
        elif self.state != "gone" or not self.doomed:
            self.state = "gone"
            self.detail = self.doomed or (
                "process %d is gone" % self.pid
                if self.pid
                else "no process in %s and none named %s" % (self.pidfile, self.name)
            )
        if (self.state, self.pid) != before:
            self.changed()

    def alive(self) -> bool:
        """Is there anything left of the watched process that could still run?"""
        stat = read_stat(self.pid) if self.pid else None
        if stat is None or stat[2] != self.started:
            return False
        return stat[1] not in "ZX" or tasks_alive(self.pid)

    def _find(self) -> None:
        pid = from_pidfile(self.pidfile, self.name)
        if not pid and self.loop.lived >= self.next_search:
            self.next_search = self.loop.lived + 0.5
            pid = by_name(self.name)
        stat = read_stat(pid) if pid else None
        if not stat or (pid, stat[2]) == (self.pid, self.started):
            return
        self._drop_pidfd()
        self.pid, self.started, self.doomed = pid, stat[2], ""
        if self.kernel:
            self.kernel.only(pid)
        opener = getattr(os, "pidfd_open", None)
        if opener:
            try:
                self.pidfd = opener(pid)
                self.loop.watch(self.pidfd, lambda mask: self._pidfd_ready())
            except OSError:
                self.pidfd = -1

    def _kernel_ready(self, mask: int) -> None:
        for pid, how in self.kernel.deaths() if self.kernel else []:
            if pid == self.pid:
                self.doomed = "process %d %s" % (pid, how)
                self.look()

    def _pidfd_ready(self) -> None:
        self._drop_pidfd()
        self.look()

    def _drop_pidfd(self) -> None:
        if self.pidfd >= 0:
            self.loop.unwatch(self.pidfd)
            os.close(self.pidfd)
            self.pidfd = -1

    def kill(self) -> None:
        """SIGKILL to exactly the watched process."""
        if self.pidfd >= 0 and hasattr(signal, "pidfd_send_signal"):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        elif self.alive():
            os.kill(self.pid, signal.SIGKILL)
