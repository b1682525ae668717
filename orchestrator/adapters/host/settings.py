"""What the agent on a node's host has to know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostSettings:
    """One node's host. Times follow from ``silence_s``, the site's silence deadline.

    ``lease_s`` is how long the guard goes unheard before it gives the address up; it must be what
    the core believes (``Policy.lease_s``). ``witnesses`` are IPv4 addresses that answer ping.
    ``watch_only``: the agent changes nothing, arms no guard and lets another agent be.
    """

    node: str
    interface: str
    virtual_ip: str  # with prefix length
    pidfile: str
    lease_s: float
    silence_s: float = 2.0
    peer_node: str = ""
    peer_address: str = ""
    peer_port: int = 5060
    witnesses: tuple[str, ...] = ()
    route_source: bool = False
    process_poll_s: float = 0.02
    watch_only: bool = False

    @property
    def heartbeat_s(self) -> float:
        """Pause between two heartbeats: 0.4 s at a silence deadline of 2 s, 40 ms at 200 ms."""
        return self.silence_s / 5

    def request(self) -> dict[str, object]:
        """The ``configure`` request for the agent."""
        peer = {
            "name": self.peer_node,
            "address": self.peer_address,
            "port": self.peer_port,
        }
        return {
            "interface": self.interface,
            "virtual_ip": self.virtual_ip,
            "pidfile": self.pidfile,
            "peer": peer if self.peer_address else None,
            "witnesses": list(self.witnesses),
            "watch_only": self.watch_only,
            "lease_s": self.lease_s,
            "route_source": self.route_source,
            "heartbeat_s": self.heartbeat_s,
            "process_poll_s": self.process_poll_s,
            "peer_interval_s": self.heartbeat_s,
            "peer_timeout_s": self.heartbeat_s,
        }
