"""Calls beside a real pair, and what became of them."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import yaml

from contrib.lab import Lab
from contrib.lab.service import Service

UP_WITHIN_S = 10.0


def reconfigure(lab: Lab, **changes: Any) -> None:
    """Change parts of the lab's configuration; None removes a key. `drain={"mode": None}`."""
    settings = yaml.safe_load(lab.config_path.read_text(encoding="utf-8"))
    for part, values in changes.items():
        if not isinstance(values, dict):
            settings[part] = values
            continue
        for key, value in values.items():
            settings.setdefault(part, {})[key] = value
            if value is None:
                del settings[part][key]
    lab.config_path.write_text(yaml.safe_dump(settings), encoding="utf-8")


def wait_for(
    true: Callable[[], Any], what: str, within_s: float = 10.0, every_s: float = 0.02
) -> Any:
    """The first true value; AssertionError with `what` when there is none in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if value := true():
            return value
        time.sleep(every_s)
    raise AssertionError(f"Not within {within_s:g} s: {what}")


def afresh(lab: Lab) -> None:
    """Ends what a test left: peers, calls, the orchestrator's journal; `lab.mend` does the rest."""
    for peer in list(Peer.running):
        peer.kill()
    for node in lab.nodes.values():
        if node.state == "running":
            node.cli("channel request hangup all")
    shutil.rmtree(lab.directory / "orchestrator", ignore_errors=True)


class Peer:
    """One of the lab's programs in the client's place; its lines of JSON."""

    running: ClassVar[list[Peer]] = []

    def __init__(self, lab: Lab, module: str, host: int, *arguments: str, target: str = "") -> None:
        network = lab.network.address("client").rpartition(".")[0]
        self._printed = Path(lab.directory, f"{module}-{host}-{time.monotonic_ns()}.json")
        command = ["-m", f"contrib.lab.{module}", "--target", target or lab.virtual_ip]
        with self._printed.open("w", encoding="utf-8") as out:
            self._process = lab.popen_python(
                "client",
                [*command, "--address", f"{network}.{host}", *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self.running.append(self)

    @property
    def said(self) -> list[dict[str, Any]]:
        lines = self._printed.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(one) for one in lines if one.startswith("{") and one.endswith("\n")]

    def until(self, event: str, count: int = 1) -> Peer:
        """Waits until it has said that so often."""
        wait_for(
            lambda: sum(line["event"] == event for line in self.said) >= count,
            f"{event} of {self._printed.name}",
            UP_WITHIN_S,
        )
        return self

    def servers_since(self, at: float) -> set[str]:
        """Who answered its calls that began after that."""
        return {
            line["server"] for line in self.said if line.get("began", 0) > at and "server" in line
        }

    def end(self) -> dict[str, Any]:
        """Ends it; the last line, which is its summary."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=20)
        return self.said[-1]

    def kill(self) -> None:
        """Ends it without a word, if it still runs."""
        self.running.remove(self)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def held(lab: Lab, calls: int, *, host: int = 22, phone: str = "1005", number: str = "600") -> Peer:
    """Calls of a phone that stay up until `end`."""
    peer = Peer(lab, "held", host, "--phone", phone, "--number", number, "--calls", str(calls),
                "--no-audio")  # fmt: skip
    return peer.until("up")


def held_from_trunk(lab: Lab, calls: int) -> Peer:
    """Calls of customers, by way of the provider, that stay up until `end`."""
    peer = Peer(lab, "held", 20, "--number", "5550100", "--calls", str(calls), "--no-audio",
                target=lab.provider.address)  # fmt: skip
    return peer.until("up")


def stream(lab: Lab, *, host: int = 23, phone: str = "1006") -> Peer:
    """A phone's new call every 50 ms."""
    return Peer(lab, "prober", host, "--phone", phone, "--interval-ms", "50").until("call")


def stream_from_trunk(lab: Lab) -> Peer:
    """A customer's new call every 100 ms, by way of the provider."""
    peer = Peer(lab, "prober", 20, "--number", "5550100", "--interval-ms", "100",
                target=lab.provider.address)  # fmt: skip
    return peer.until("call")


def phones(lab: Lab) -> Peer:
    """1001 to 1003, the agents of queue 700: registered, they answer every call."""
    return Peer(lab, "phones", 21, "--no-audio").until("registered", 3)


def none_lost(peer: Peer) -> dict[str, Any]:
    """Ends a peer of which no call may have been cut, refused or left unanswered."""
    told = peer.end()
    lost = [line for line in peer.said if line.get("result") not in (None, "answered")]
    wrong = {key: told.get(key, 0) for key in ("cut", "refused", "unanswered")}
    assert wrong == {"cut": 0, "refused": 0, "unanswered": 0}, (told, lost[:5])
    return told


def story(service: Service) -> str:
    return service.ask("history", "--limit", "200").stdout


def trunk_is_only_on(lab: Lab, place: str) -> bool:
    trunks = {name: node.trunk for name, node in lab.nodes.items()}
    return trunks == {**dict.fromkeys(trunks, "Unregistered"), place: "Registered"}


def straggler(lab: Lab, place: str) -> bool:
    """A customer's call that the provider still sends to that node: is it answered?"""
    node, ask = lab.node(place), lab.provider.asterisk.cli
    channel = f"PJSIP/labtrunk/sip:5550100@{node.address}:5060"
    ask(f"channel originate {channel} application Wait 1")
    deadline = time.monotonic() + 0.8
    while time.monotonic() < deadline:
        if "Wait(1)" in ask("core show channels"):  # it runs when the other end has answered
            return True
        time.sleep(0.05)
    return False
