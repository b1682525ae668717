"""The orchestrator as a process in a lab's control namespace, as it would run in life."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from contrib.lab.errors import LabError
from contrib.lab.lab import Lab
from orchestrator.cli.client import Client, NotRunning, control_socket

READY_WITHIN_S = 30.0
LOOK_EVERY_S = 0.05


class Service:
    """Runs ``asterisk-orchestrator run`` for a lab and asks it by its command line."""

    def __init__(self, lab: Lab, *options: str) -> None:
        self.lab = lab
        self.options = options  # of ``run``
        self.config = lab.config_path
        self.journal = lab.directory / "orchestrator" / "journal.sqlite"
        self.log = lab.directory / "orchestrator.log"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        with Path(self.log).open("a", encoding="utf-8") as log:
            self.process = self.lab.popen_python(
                "ctl",
                ["-m", "orchestrator", "run", "--config", str(self.config), *self.options],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends the process (SIGKILL: as a crash would) and waits until it is gone."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(timeout=15)

    def ask(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One command of the command line, e.g. ``ask("switchover", "--at-most", "20s")``."""
        command = [sys.executable, "-m", "orchestrator", *arguments, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, check=check, timeout=120)

    def status(self) -> dict[str, Any]:
        """What ``status --json`` tells; LabError when nobody answers.

        Asked of the socket itself: it is asked so often that a process each time would be most of
        the load on this machine, and would delay what is watched.
        """
        try:
            with Client(control_socket(self.config)) as client:
                return dict(client.ask("status")["status"])
        except NotRunning as error:
            raise LabError(f"The orchestrator gave no status: {error}") from error

    def until(self, wish: str, within_s: float, **wanted: object) -> dict[str, Any]:
        """Waits until every wanted key of the status has its value; ``wish`` names it in words."""
        deadline = time.monotonic() + within_s
        said = "no answer yet"
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                raise LabError(
                    f"The orchestrator ended ({self.process.returncode}): see {self.log}."
                )
            try:
                status = self.status()
            except LabError as error:
                said = str(error)
            else:
                if all(status.get(key) == value for key, value in wanted.items()):
                    return status
                said = json.dumps({key: status.get(key) for key in wanted})
            time.sleep(LOOK_EVERY_S)
        raise LabError(f"Not within {within_s:g} s: {wish}. Last seen: {said}. Log: {self.log}")

    def until_ready(self, active: str = "pbx-a") -> None:
        """Waits until the pair is steady and both nodes are healthy."""
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            status = self.until("steady", READY_WITHIN_S, phase="steady", active=active)
            if all(node["verdict"] == "healthy" for node in status["nodes"].values()):
                return
            time.sleep(LOOK_EVERY_S)
        raise LabError(f"Not both nodes are healthy: {json.dumps(status['nodes'])[:2000]}")

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
