"""What a configure request says."""

from typing import Any

from .trouble import Trouble

SHORTEST_INTERVAL_S = 0.005


class Settings:
    """KeyError, TypeError, ValueError or Trouble when the request is not usable."""

    def __init__(self, request: "dict[str, Any]") -> None:
        self.interface = request["interface"]
        self.virtual_ip = request["virtual_ip"]
        self.route_source = bool(request.get("route_source"))
        self.pidfile = str(request["pidfile"])
        self.process_name = str(request.get("process_name", "asterisk"))
        self.witnesses = [str(witness) for witness in request.get("witnesses", [])]
        self.watch_only = bool(request.get("watch_only"))
        self.lease_s = float(request["lease_s"])
        self.heartbeat_s = float(request["heartbeat_s"])
        self.process_poll_s = float(request["process_poll_s"])
        self.peer_interval_s = float(request["peer_interval_s"])
        self.peer_timeout_s = float(request["peer_timeout_s"])
        intervals = (
            self.lease_s,
            self.heartbeat_s,
            self.process_poll_s,
            self.peer_interval_s,
            self.peer_timeout_s,
        )
        if min(intervals) < SHORTEST_INTERVAL_S:
            raise Trouble("every interval must be at least %g s" % SHORTEST_INTERVAL_S)  # noqa: UP031
        peer = request.get("peer")
        self.peer = (str(peer["address"]), int(peer["port"])) if peer else None
        self.peer_name = str(peer["name"]) if peer else "the peer"
