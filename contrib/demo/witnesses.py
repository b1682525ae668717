"""Who testifies in the demo: callers that know nothing of the orchestrator.

A stream of new calls (one every 20 ms) says who answers the virtual IP and how long nobody did;
talkers say which calls in progress were cut; phones that registered once say who rings them.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from typing import IO, Any, Protocol

from contrib.lab.prober import longest_gap

END_S = 20.0
REGISTERED_S = 7200


class Place(Protocol):
    """What the witnesses need of a lab, the real or the simulated one."""

    virtual_ip: str

    def popen_python(
        self, place: str, argv: list[str], **options: Any
    ) -> subprocess.Popen[str]: ...


class Witness:
    """A program in the client place that prints lines of JSON."""

    def __init__(self, lab: Place, client: str, program: str, *options: str) -> None:
        argv = ["-m", program, "--target", lab.virtual_ip, "--address", client, *options]
        self.lines: list[dict[str, Any]] = []
        self._process = lab.popen_python("client", argv, stdout=subprocess.PIPE)
        assert self._process.stdout
        self._reader = threading.Thread(target=self._read, args=[self._process.stdout])
        self._reader.daemon = True
        self._reader.start()

    def _read(self, output: IO[str]) -> None:
        for line in output:
            with contextlib.suppress(ValueError):
                self.lines.append(json.loads(line))

    def signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)

    def end(self) -> dict[str, Any]:
        """Make it end; its summary."""
        self.signal(signal.SIGINT)
        return self.finish()

    def finish(self) -> dict[str, Any]:
        """Let it come to its end; its summary."""
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(END_S)
        return self.lines[-1] if self.lines else {}


class Callers(Witness):
    """The stream of new calls."""

    def __init__(self, lab: Place, client: str) -> None:
        super().__init__(lab, client, "contrib.lab.prober", "--interval-ms", "20")

    def _calls(self, since: float) -> list[dict[str, Any]]:
        return [line for line in list(self.lines) if line.get("began", 0.0) >= since]

    def answered_by(self, since: float) -> set[str]:
        """The addresses that answered calls begun after that moment."""
        calls = self._calls(since)
        return {line["server"] for line in calls if line["result"] == "answered"}

    def count(self, result: str, since: float) -> int:
        return sum(line["result"] == result for line in self._calls(since))

    def gap_ms(self, since: float) -> float | None:
        """The longest time without an answer that ended after that moment."""
        answers = [line["answered"] for line in list(self.lines) if "answered" in line]
        gap = longest_gap([at for at in answers if isinstance(at, float)], since)
        return gap.ms if gap else None


class Talkers(Witness):
    """Calls in progress; one caller hangs up at a time."""

    def __init__(self, lab: Place, client: str, calls: int) -> None:
        super().__init__(lab, client, "contrib.demo.talkers", "--calls", str(calls))

    def wait_up(self, within_s: float) -> tuple[int, list[str]]:
        """How many calls came up, and on which addresses."""
        deadline = time.monotonic() + within_s
        while not self.lines and time.monotonic() < deadline:
            time.sleep(0.05)
        return (self.lines[0]["calls"], self.lines[0]["servers"]) if self.lines else (0, [])

    def one_hangs_up(self) -> None:
        self.signal(signal.SIGUSR1)


class Phones(Witness):
    """Phones that know the virtual IP only and register once, for longer than the story lasts."""

    def __init__(self, lab: Place, client: str, numbers: list[str]) -> None:
        self.numbers = numbers
        self._lab, self._client = lab, client
        theirs = client.rpartition(".")[0] + ".21"
        lasting = ("--expires-s", str(REGISTERED_S), "--no-audio")
        super().__init__(lab, theirs, "contrib.lab.phones", *lasting, "--numbers", *numbers)

    def registrations(self) -> int:
        """How often any of them registered, with success or without."""
        return sum(line["event"].startswith("register") for line in list(self.lines))

    def rung_by(self, server: str) -> list[str]:
        """Call each of them through the virtual IP: those that this node rang."""
        already = len(self.lines)
        numbers = ("--numbers", *self.numbers)
        Witness(self._lab, self._client, "contrib.demo.ringer", *numbers).finish()
        calls = [line for line in self.lines[already:] if line["event"] == "call"]
        return sorted({line["phone"] for line in calls if line["server"] == server})


def wait_for(what: Callable[[], bool], within_s: float, every_s: float = 0.1) -> bool:
    """Look again and again until it is so; False when the time is over."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(every_s)
    return what()
