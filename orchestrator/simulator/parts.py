"""The nodes and the provider of a simulated lab, with the faults that can be done to them."""

from __future__ import annotations

from typing import Any, Protocol

from orchestrator.errors import OrchestratorError


class LabError(OrchestratorError):
    """What can go wrong with a simulated lab, in words for the person at the keyboard."""


class Controls(Protocol):
    """What the parts need of their lab."""

    def address(self, place: str) -> str: ...

    def ask(self, order: dict[str, Any]) -> dict[str, Any]: ...


class Node:
    """A node of the pair. Every fault returns the epoch second at which it was done."""

    def __init__(self, lab: Controls, place: str) -> None:
        self._lab = lab
        self.place = place
        self.name = f"pbx-{place}"
        self.address = lab.address(place)

    def _fact(self, name: str) -> Any:
        return self._lab.ask({"do": "status"})["nodes"][self.place][name]

    @property
    def state(self) -> str:
        """Of the Asterisk process: `running`, `stopped` (SIGSTOP) or `gone`."""
        return str(self._fact("asterisk"))

    @property
    def pid(self) -> int | None:
        pid = self._fact("pid")
        return int(pid) if pid else None

    @property
    def trunk(self) -> str:
        """What this node says of its trunk registration; `unknown` when it can't be asked."""
        return str(self._fact("trunk"))

    @property
    def calls(self) -> int | None:
        """Calls up on this node by its own count, None when it can't be asked."""
        calls = self._fact("calls")
        return int(calls) if calls is not None else None

    def _fault(self, what: str) -> float:
        return float(self._lab.ask({"do": "fault", "what": what, "node": self.place})["at"])

    def kill(self) -> float:
        """SIGKILL to Asterisk; returns when the process is gone."""
        return self._fault("kill")

    def stop(self) -> float:
        """SIGSTOP: Asterisk hangs, its sockets stay open."""
        return self._fault("stop")

    def cont(self) -> float:
        """SIGCONT: a hung Asterisk goes on."""
        return self._fault("continue")

    def start(self) -> float:
        """Starts Asterisk again. Its trunk registration starts with it, as in life."""
        return self._fault("start")

    def unplug(self) -> float:
        """Pulls the network cable."""
        return self._fault("unplug")

    def plug(self) -> float:
        return self._fault("plug")

    def ari_off(self) -> float:
        """Asterisk's HTTP server refuses connections; everything else goes on."""
        return self._fault("ari-off")

    def ari_on(self) -> float:
        return self._fault("ari-on")

    def set_clock(self, ahead_s: float) -> float:
        """The node's clock is that much ahead of this machine's, in seconds; until the lab ends."""
        order = {"do": "clock", "node": self.place, "ahead_s": ahead_s}
        return float(self._lab.ask(order)["at"])


class Provider:
    """The trunk provider."""

    def __init__(self, lab: Controls) -> None:
        self._lab = lab
        self.address = lab.address("trunk")

    def registered(self) -> str | None:
        """The address of the node that the provider would send a call to now."""
        address = self._lab.ask({"do": "status"})["provider"]["registered"]
        return str(address) if address else None

    def off(self) -> float:
        """Unreachable: its cable is pulled."""
        return float(self._lab.ask({"do": "trunk", "what": "off"})["at"])

    def reject(self) -> float:
        """Answers REGISTER with 403 and calls with 503; OPTIONS are still answered."""
        return float(self._lab.ask({"do": "trunk", "what": "reject"})["at"])

    def ok(self) -> float:
        """Reachable and willing again."""
        return float(self._lab.ask({"do": "trunk", "what": "ok"})["at"])
