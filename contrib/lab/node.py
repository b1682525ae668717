"""A node of the pair, with the faults that can be done to it."""

from __future__ import annotations

import re
import signal
import time

from contrib.lab.asterisk import Asterisk
from contrib.lab.errors import LabError
from contrib.lab.network import Network


class Node:
    """Every fault returns the epoch second at which it was done."""

    def __init__(self, place: str, asterisk: Asterisk, network: Network) -> None:
        self.place = place
        self.name = f"pbx-{place}"
        self.address = network.address(place)
        self.namespace = network.namespace(place)
        self.asterisk = asterisk
        self._network = network

    @property
    def state(self) -> str:
        """Of the Asterisk process: `running`, `stopped` (SIGSTOP) or `gone`."""
        return self.asterisk.state

    @property
    def pid(self) -> int | None:
        """Of the Asterisk process, None when it is gone."""
        process = self.asterisk.process
        return process.pid if process and process.state != "gone" else None

    def cli(self, command: str) -> str:
        return self.asterisk.cli(command)

    @property
    def trunk(self) -> str:
        """What this node says of its trunk registration; `unknown` when it can't be asked."""
        return self._ask("pjsip show registrations", r"^ *trunk-reg/\S+ +\S+ +(\w+)")

    @property
    def calls(self) -> int | None:
        """Calls up on this node by its own count, None when it can't be asked."""
        found = self._ask("core show channels count", r"(\d+) active call")
        return int(found) if found.isdigit() else None

    def _ask(self, command: str, pattern: str) -> str:
        if self.state != "running":
            return "unknown"
        found = re.search(pattern, self.cli(command), re.MULTILINE)
        return found[1] if found else "unknown"

    def kill(self) -> float:
        """SIGKILL to Asterisk; returns when the process is gone."""
        at = self._signal(signal.SIGKILL)
        process = self.asterisk.process
        if process and not process.wait_gone(10):
            raise LabError(f"Asterisk of {self.name} (pid {process.pid}) outlived SIGKILL by 10 s.")
        return at

    def stop(self) -> float:
        """SIGSTOP: Asterisk hangs, its sockets stay open. Returns when each thread has stopped."""
        at = self._signal(signal.SIGSTOP)
        process = self.asterisk.process
        if process and not process.wait_stopped(10):
            raise LabError(f"Asterisk of {self.name} (pid {process.pid}) ran on after SIGSTOP.")
        return at

    def cont(self) -> float:
        """SIGCONT: a hung Asterisk goes on."""
        return self._signal(signal.SIGCONT)

    def start(self, *, wait: bool = True) -> float:
        """Starts Asterisk again. Its trunk registration starts with it, as in life."""
        at = time.time()
        self.asterisk.start()
        if wait:
            self.asterisk.wait_booted()
        return at

    def unplug(self) -> float:
        """Pulls the network cable: the interface loses its carrier, everything else stays."""
        self._network.plug(self.place, plugged=False)
        return time.time()

    def plug(self) -> float:
        self._network.plug(self.place, plugged=True)
        return time.time()

    def lossy(self, percent: int = 20) -> float:
        """Loses that part of the packets in each direction."""
        self._network.lose(self.place, percent)
        return time.time()

    def cut_from(self, other: str) -> float:
        """Loses every packet to and from that place (`b`, `trunk`, `ctl`, …), and no other."""
        self._network.cut(self.place, other)
        return time.time()

    def close(self, port: int, protocol: str = "tcp", *, refuse: bool = False) -> float:
        """Drops what comes to that port, e.g. 5038 (AMI); `refuse`: as if nobody listened there."""
        self._network.close(self.place, port, protocol, refuse=refuse)
        return time.time()

    def heal(self) -> float:
        """Ends `lossy`, `cut_from` and `close`."""
        self._network.lose(self.place, 0)
        self._network.open_all(self.place)
        return time.time()

    def _signal(self, number: signal.Signals) -> float:
        process = self.asterisk.process
        at = time.time()
        if not process or not process.signal(number):
            raise LabError(f"Asterisk of {self.name} is not running: {number.name} was not sent.")
        return at
