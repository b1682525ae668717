"""How to reach one node's manager interface, and how patient to be."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AmiSettings:
    """Times in seconds. The others follow from ``silence_s``, the site's silence deadline."""

    host: str
    username: str
    secret: str = field(repr=False)
    port: int = 5038
    tls: ssl.SSLContext | None = None
    challenge: bool = True  # MD5 challenge; falls back to plain where the peer offers none
    silence_s: float = 2.0
    action_timeout_s: float = 5.0
    list_timeout_s: float = 15.0

    @property
    def ping_every_s(self) -> float:
        """A Ping costs Asterisk 40 microseconds: four in each silence deadline."""
        return self.silence_s / 4

    @property
    def ping_timeout_s(self) -> float:
        """An unanswered Ping is reported after this; the core adds up how long that lasts."""
        return self.silence_s / 2

    @property
    def connect_timeout_s(self) -> float:
        """For each step of connecting: TCP and TLS, banner, login."""
        return max(self.silence_s, 0.5)

    @property
    def give_up_s(self) -> float:
        """A silent session is kept so long (a node that hung comes back on it), then remade."""
        return max(10 * self.silence_s, 3.0)

    @property
    def retry_at_most_s(self) -> float:
        """Upper end of the backoff between attempts to connect."""
        return min(max(self.silence_s / 2, 0.1), 2.0)
