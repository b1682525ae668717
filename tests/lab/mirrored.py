"""What the tests of the mirror look at: both nodes' own answers, and what they were told."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Any

from contrib.lab import Lab
from contrib.lab.service import Service


@dataclass(frozen=True, slots=True)
class Member:
    """A queue's member; ``paused`` is the reason of the pause, None when there is none."""

    penalty: int = 0
    paused: str | None = None
    dynamic: bool = True


OURS = re.compile(r"DB(Put|Del) (orchestrator|evac)|DEVICE_STATE\(Custom:orchestrator", re.I)
"""What the nodes are told beside the mirror: the drain flag, tickets."""


def registrations(lab: Lab, place: str) -> dict[str, float]:
    """Of each phone that is registered the end of its registration, epoch seconds."""
    lines = lab.node(place).cli("database show registrar/contact").splitlines()
    found: dict[str, float] = {}
    for line in lines:
        name, _, text = line.partition(": ")
        if "/registrar/contact/" in name:
            phone = name.split("/")[3].partition(";")[0]
            assert phone not in found, f"{phone} is registered twice on {place}: {lines}"
            found[phone] = float(json.loads(text)["expiration_time"])
    return found


def reached(lab: Lab, place: str) -> set[str]:
    """The phones that the node reaches by its own qualify."""
    lines = lab.node(place).cli("pjsip show contacts").splitlines()
    found = (re.search(r"Contact: +(\d+)/sip:.* Avail ", line) for line in lines)
    return {one[1] for one in found if one}


def members(lab: Lab, place: str, queue: str = "support") -> dict[str, Member]:
    """The queue's members by interface, without what only this node knows (calls, states)."""
    said = re.sub(r"\x1b\[[\d;]*m", "", lab.node(place).cli(f"queue show {queue}"))
    found: dict[str, Member] = {}
    for line in said.splitlines():
        if one := re.search(r"\((PJSIP/\d+)[ )]", line):
            assert one[1] not in found, f"{one[1]} is there twice: {said}"
            penalty = re.search(r"with penalty (\d+)", line)
            paused = re.search(r"\(paused(?::(.*?))? was ", line)
            why = (paused[1] or "no reason") if paused else None
            found[one[1]] = Member(int(penalty[1]) if penalty else 0, why, "(dynamic)" in line)
    return found


def key(lab: Lab, place: str, name: str) -> str | None:
    """The value in astdb of ``family/key``."""
    family, _, rest = name.partition("/")
    said = lab.node(place).cli(f"database get {family} {rest}")
    return said.partition("Value: ")[2].strip() if "Value: " in said else None


def device(lab: Lab, place: str, name: str) -> str:
    """The state of a custom device, ``INUSE`` and so on; empty: there is none."""
    found = re.search(rf"'{name}'  State: '(\w+)'", lab.node(place).cli("devstate list"))
    return found[1] if found else ""


class Told:
    """Who was told to change something (or anything), and when, by the packets themselves."""

    def __init__(self, lab: Lab, *, everything: bool = False) -> None:
        self.changes: list[tuple[float, str, str]] = []
        """When, which place, what."""
        self._processes: list[subprocess.Popen[str]] = []
        self._threads: list[threading.Thread] = []
        for place, node in lab.nodes.items():
            which = "all" if everything else "writes"
            process = lab.popen_python(
                place, ["-m", "tests.lab.wiretap", node.address, which], stdout=subprocess.PIPE
            )
            assert process.stdout and json.loads(process.stdout.readline()) == {"listening": True}
            thread = threading.Thread(target=self._read, args=(process, place), daemon=True)
            thread.start()
            self._processes.append(process)
            self._threads.append(thread)

    def _read(self, process: subprocess.Popen[str], place: str) -> None:
        assert process.stdout
        for line in process.stdout:
            told = json.loads(line)
            if not OURS.search(told["says"]):
                self.changes.append((told["at"], place, told["says"]))

    def to(self, place: str, since: float = 0.0) -> list[str]:
        """What that node was told to change."""
        return [says for at, where, says in list(self.changes) if where == place and at >= since]

    def end(self) -> None:
        for process in self._processes:
            process.terminate()
            process.wait(5)
        for thread in self._threads:
            thread.join(5)


def standby(service: Service) -> dict[str, Any]:
    return dict(service.status()["standby"] or {})


def why_not(service: Service) -> str:
    """Everything that readiness has to say against the standby, or cannot tell."""
    checks = standby(service).get("checks", [])
    return "; ".join(check["why"] for check in checks if check["ok"] is not True)


def seconds_until_warm(service: Service, phones: int, queues: int, within_s: float) -> float:
    """How long until so many phones and queues are ready on the standby."""
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        now = standby(service)
        if (now.get("phones_ready"), now.get("queues_ready")) == (phones, queues):
            return round(time.monotonic() - began, 2)
        time.sleep(0.1)
    raise AssertionError(f"Not warm within {within_s:g} s: {standby(service)}")
