"""A node's host: the agent that runs there, the link to it, and what can be asked of it."""

from __future__ import annotations

from orchestrator.adapters.host.client import HostClient
from orchestrator.adapters.host.link import HostLink
from orchestrator.adapters.host.settings import HostSettings
from orchestrator.adapters.host.transport import (
    CommandTransport,
    SshTransport,
    Transport,
    local_transport,
)

__all__ = [
    "CommandTransport",
    "HostClient",
    "HostLink",
    "HostSettings",
    "SshTransport",
    "Transport",
    "local_transport",
]
