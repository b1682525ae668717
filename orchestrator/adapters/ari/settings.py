"""How to reach one node's ARI."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AriSettings:
    """``silence_s`` is the site's silence deadline in seconds."""

    host: str
    username: str
    secret: str = field(repr=False)
    port: int = 8088
    tls: ssl.SSLContext | None = None
    silence_s: float = 2.0

    @property
    def url(self) -> str:
        """Where ARI begins, without a slash at its end."""
        scheme = "https" if self.tls else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}/ari"

    @property
    def headers(self) -> dict[str, str]:
        """Who we are (basic authentication), for every request."""
        user = f"{self.username}:{self.secret}".encode()
        return {"Authorization": f"Basic {base64.b64encode(user).decode()}"}
