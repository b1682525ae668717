"""The processes a lab started: recorded with their start time, so that no other is ever ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """`started` is field 22 of /proc/PID/stat, in clock ticks since boot: a reused pid differs."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process with that pid now; None when there is none (a zombie is none)."""
        found = _stat(Path(f"/proc/{pid}"))
        return cls(pid, found[1]) if found and found[0] not in "ZX" else None

    @property
    def state(self) -> str:
        """`running`, `stopped` (SIGSTOP) or `gone`."""
        found = _stat(Path(f"/proc/{self.pid}"))
        if not found or found[1] != self.started or found[0] in "ZX":
            return "gone"
        return "stopped" if found[0] in "Tt" else "running"

    def signal(self, number: signal.Signals) -> bool:
        """Sends a signal to this very process; False when it is gone."""
        if self.state == "gone":
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def wait_gone(self, timeout_s: float) -> bool:
        """True as soon as it is gone, False when `timeout_s` has passed."""
        return _wait_until(lambda: self.state == "gone", timeout_s)

    def wait_stopped(self, timeout_s: float) -> bool:
        """True as soon as each of its threads has stopped (kill returns earlier), or it is gone."""
        return _wait_until(lambda: self.state == "gone" or self._all_stopped(), timeout_s)

    def _all_stopped(self) -> bool:
        threads = (_stat(path) for path in Path(f"/proc/{self.pid}/task").glob("*"))
        return all(found[0] in "Tt" for found in threads if found)


def _wait_until(true: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def _stat(process: Path) -> tuple[str, int] | None:
    try:
        text = (process / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])


def start(argv: Sequence[str], record: Path, log: Path, cwd: Path | None = None) -> Process:
    """Starts `argv` detached, its output into `log`, and records it in the file `record`."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=cwd,
        )
    # Whoever keeps the lab in one long-lived program must not be left with zombies of dead nodes.
    threading.Thread(target=child.wait, daemon=True).start()
    process = Process.of(child.pid) or Process(child.pid, 0)
    record.write_text(json.dumps(asdict(process)), encoding="utf-8")
    return process


def recorded(record: Path) -> Process | None:
    """The process in a record, dead or alive; None without a readable record."""
    try:
        return Process(**json.loads(record.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def end(processes: Iterable[Process], patience_s: float = 1.0) -> None:
    """Ends them and their descendants: SIGTERM, then SIGKILL (a stopped one only dies of that)."""
    doomed = _with_descendants([one for one in processes if one.state != "gone"])
    for one in doomed:
        one.signal(signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    for one in doomed:
        if one.state != "stopped":
            one.wait_gone(max(0.0, deadline - time.monotonic()))
    for one in doomed:
        one.signal(signal.SIGKILL)
    for one in doomed:
        one.wait_gone(5)


def _with_descendants(roots: list[Process]) -> list[Process]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
                parent = int(text.rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found = {one.pid: one for one in roots}
    waiting = [one.pid for one in roots]
    while waiting:
        for pid in parents.get(waiting.pop(), []):
            child = Process.of(pid)
            if child and pid not in found:
                found[pid] = child
                waiting.append(pid)
    return list(found.values())
