"""What one simulated Asterisk knows: endpoints, contacts, trunk registrations, channels, queues."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import TypeAlias

Header: TypeAlias = tuple[str, str]
Frame: TypeAlias = list[Header]

VERSION = "22.10.1+dfsg+~cs6.17.60671434-1"  # what the captured nodes were
DEVICE_HINTS = {  # device state -> (ExtensionStatus Status, StatusText)
    "NOT_INUSE": (0, "Idle"),
    "INUSE": (1, "InUse"),
    "RINGING": (8, "Ringing"),
    "UNAVAILABLE": (4, "Unavailable"),
}
QUEUE_STATUS = {  # AST_DEVICE_* (include/asterisk/devicestate.h)
    "UNKNOWN": 0,
    "NOT_INUSE": 1,
    "INUSE": 2,
    "BUSY": 3,
    "INVALID": 4,
    "UNAVAILABLE": 5,
    "RINGING": 6,
    "RINGINUSE": 7,
    "ONHOLD": 8,
}
ENDPOINT_WORDS = {  # device state -> PJSIPShowEndpoints DeviceState
    "NOT_INUSE": "Not in use",
    "INUSE": "In use",
    "RINGING": "Ringing",
    "UNAVAILABLE": "Unavailable",
}


@dataclass(slots=True)
class Endpoint:
    """A PJSIP endpoint with its one AOR."""

    name: str
    context: str
    password: str = ""  # empty: identified by its address
    caller_id: str = ""
    contact: str = ""  # a static contact (trunk, other node)
    qualify_s: float = 30.0
    qualify_timeout_s: float = 2.0
    maintenance: bool = False
    min_expiry_s: int = 10


@dataclass(slots=True)
class Contact:
    """A PJSIP contact. What sorcery keeps of it is in contacts.py."""

    aor: str
    uri: str
    expires_at: float  # epoch seconds by the node's own clock; 0: static
    via: tuple[str, int] = ("", 0)
    call_id: str = ""
    user_agent: str = ""
    status: str = "NonQualified"
    rtt_us: int = 0
    object_id: str = ""  # empty: made from the address record and the URI, as Asterisk does
    endpoint: str = ""
    reg_server: str = ""
    path: str = ""
    outbound_proxy: str = ""
    qualify_s: float = 30.0
    qualify_timeout_s: float = 3.0

    def __post_init__(self) -> None:
        if not self.object_id:
            digest = hashlib.md5(self.uri.encode(), usedforsecurity=False).hexdigest()
            self.object_id = f"{self.aor}{';@' if self.expires_at else '@@'}{digest}"


@dataclass(slots=True)
class Registration:
    """An outbound registration at a provider."""

    name: str
    server_uri: str
    client_uri: str
    username: str
    password: str
    expiration_s: int = 20
    retry_s: float = 2.0
    status: str = "Unregistered"


@dataclass(slots=True)
class Channel:
    name: str
    uniqueid: str
    linkedid: str
    endpoint: str
    context: str
    exten: str
    state: int = 4
    priority: int = 1
    caller: tuple[str, str] = ("", "")  # number, name
    connected: tuple[str, str] = ("", "")
    application: str = ""
    data: str = ""
    bridge: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    created_at: float = field(default_factory=time.time)

    @property
    def state_text(self) -> str:
        return {0: "Down", 4: "Ring", 5: "Ringing", 6: "Up"}[self.state]


@dataclass(slots=True)
class Bridge:
    uniqueid: str
    technology: str = "simple_bridge"
    channels: list[Channel] = field(default_factory=list)


@dataclass(slots=True)
class Member:
    interface: str
    name: str
    penalty: int = 0
    paused: bool = False
    reason: str = ""
    state_interface: str = ""  # the device whose state counts; empty: the interface itself
    dynamic: bool = False  # added while Asterisk runs, not configured
    calls_taken: int = 0
    last_call: int = 0
    last_pause: int = 0
    in_call: bool = False
    since: int = field(default_factory=lambda: int(time.time()))

    @property
    def device(self) -> str:
        return self.state_interface or self.interface

    @property
    def endpoint(self) -> str:
        """The phone that is rung; empty when it is none of ours."""
        return self.device[6:] if self.device.startswith("PJSIP/") else ""


@dataclass(slots=True)
class Waiting:
    channel: Channel
    since: float = field(default_factory=time.time)


@dataclass(slots=True)
class Queue:
    name: str
    members: list[Member] = field(default_factory=list)
    callers: list[Waiting] = field(default_factory=list)
    completed: int = 0
    abandoned: int = 0

    def member(self, interface: str) -> Member | None:
        return next((one for one in self.members if one.interface == interface), None)
