"""The peer node, as seen from this host."""

# ruff: noqa: UP031

import ipaddress
import math
import os
import socket
from functools import partial
from typing import Callable  # noqa: UP035 (collections.abc has no subscript before 3.9)

from .loop import Loop
from .ping import Ping

# Linux sends one ICMP port unreachable a second to each destination (icmp_ratelimit): silence
# within this time after a refusal is still that refusal.
REFUSAL_LASTS_S = 1.2


class PeerProbe:
    """SIP OPTIONS to the peer node over a connected UDP socket (so that a refusal is seen).

    A second one on the same port takes answers from elsewhere: a node with one transport and the
    virtual IP as its preferred source answers from there, not from where it was asked.
    Any final answer counts: 401 or 404 comes from a living Asterisk as surely as 200 (RFC 3261 11).

    With each one goes an ICMP echo (to an IPv4 address): when SIP is silent it is known at the same
    moment whether the host is there (``host_only``: its guard may well hear us) or nobody.
    """

    def __init__(
        self, loop: Loop, address: str, port: int, timeout_s: float, tell: "Callable[[], None]"
    ) -> None:
        self.loop = loop
        self.target = (address, port)
        self.timeout_s = timeout_s
        self.tell = tell
        self.outcome = "unknown"
        self.heard_at = loop.lived
        self.refused_at = -math.inf
        v4 = ipaddress.ip_address(address).version == 4
        self.ping = Ping(loop, [address]) if v4 else None
        self.sock: socket.socket | None = None
        self.beside: socket.socket | None = None
        self.branch = ""
        self.sent_at = -math.inf
        self.count = 0

    def close(self) -> None:
        self._close_sip()
        if self.ping:
            self.ping.close()

    def _close_sip(self) -> None:
        for sock in (self.sock, self.beside):
            if sock:
                self.loop.unwatch(sock.fileno())
                sock.close()
        self.sock = self.beside = None

    def probe(self) -> None:
        """Send the next OPTIONS unless one is still in flight within its time."""
        if self.branch and self.loop.lived - self.sent_at < self.timeout_s:
            return
        if self.branch:
            self._unanswered()
        self.count += 1
        self.branch = "z9hG4bK-%x-%x" % (os.getpid(), self.count)
        self.sent_at = self.loop.lived
        if self.ping:
            self.ping.probe()
        try:
            if not self.sock:
                self._open()
            self.sock.send(self._request())  # type: ignore[union-attr]
        except ConnectionRefusedError:
            self._refused()
        except OSError:
            self._close_sip()  # no route, no interface: silent once the time is over

    def _open(self) -> None:
        family = socket.AF_INET6 if ":" in self.target[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.beside = socket.socket(family, socket.SOCK_DGRAM)
        for sock in (self.sock, self.beside):
            sock.setblocking(False)
            self.loop.watch(sock.fileno(), partial(self._readable, sock))
        self.sock.connect(self.target)
        for sock in (self.sock, self.beside):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.beside.bind(("", self.sock.getsockname()[1]))

    def _request(self) -> bytes:
        own, port = self.sock.getsockname()[:2]  # type: ignore[union-attr]
        host, peer = (("[%s]" % a if ":" in a else a) for a in (own, self.target[0]))
        lines = (
            "OPTIONS sip:%s:%d SIP/2.0" % (peer, self.target[1]),
            "Via: SIP/2.0/UDP %s:%d;rport;branch=%s" % (host, port, self.branch),
            "Max-Forwards: 70",
            "From: <sip:orchestrator@%s>;tag=%s" % (host, self.branch[7:]),
            "To: <sip:%s:%d>" % (peer, self.target[1]),
            "Call-ID: %s@%s" % (self.branch[7:], host),
            "CSeq: 1 OPTIONS",
            "Contact: <sip:orchestrator@%s:%d>" % (host, port),
            "Content-Length: 0",
        )
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _readable(self, sock: socket.socket, mask: int) -> None:
        try:
            data = sock.recv(65535)
        except ConnectionRefusedError:
            self._refused()
            return
        except OSError:
            return
        if self.branch and data[:8] == b"SIP/2.0 " and self.branch.encode() in data:
            self.branch = ""
            self.heard_at = self.loop.lived
            self._say("answers")

    def _refused(self) -> None:
        self.branch = ""
        self.heard_at = self.refused_at = self.loop.lived
        self._say("refused")

    def _unanswered(self) -> None:
        self.branch = ""
        if self.loop.lived - self.refused_at <= REFUSAL_LASTS_S:
            return
        if self.ping and self.ping.heard_at[self.target[0]] > self.sent_at:
            self.heard_at = self.loop.lived
            self._say("host_only")
        else:
            self._say("silent")

    def _say(self, outcome: str) -> None:
        self.outcome = outcome
        self.tell()  # each look at once: told later, an old answer would look new
