"""The AMI server of a simulated node: banner, login, filters, events (main/manager.c)."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from orchestrator.simulator.model import Frame
from orchestrator.simulator.pbx import Pbx

BANNER = b"Asterisk Call Manager/11.0.0\r\n"
LONGEST_ACTION = 64 * 1024
ANYBODY: frozenset[str] = frozenset()  # privilege classes of an action that needs none
Action: TypeAlias = dict[str, str]
Known: TypeAlias = "dict[str, tuple[frozenset[str], Callable[[Session, Action], None]]]"


@dataclass(frozen=True, slots=True)
class User:
    """A manager.conf user. ``read`` and ``write`` are privilege classes; ``all`` is every one."""

    name: str
    secret: str
    read: frozenset[str] = frozenset({"system", "call", "reporting", "agent", "user", "security"})
    write: frozenset[str] = frozenset({"system", "call", "reporting", "agent", "originate"})

    def may(self, classes: frozenset[str]) -> bool:
        return not classes or "all" in self.write or bool(classes & self.write)


@dataclass(slots=True)
class Filter:
    """One ``eventfilter``: a regular expression over the event, or advanced criteria (22)."""

    exclude: bool
    pattern: re.Pattern[str] | None = None
    name: str = ""
    header: str = ""

    def matches(self, name: str, text: str) -> bool:
        if self.name and self.name != name:
            return False
        if self.header:
            found = re.search(rf"^{re.escape(self.header)}: (.*)$", text, re.MULTILINE)
            if found is None:
                return False
            text = found.group(1)
        return self.pattern is None or bool(self.pattern.search(text))


def parse_filter(criteria: str, text: str) -> Filter:
    """``Filter`` with or without ``MatchCriteria``, as the action Filter takes them."""
    if not criteria:
        exclude = text.startswith("!")
        return Filter(exclude, re.compile(text[1:] if exclude else text, re.MULTILINE))
    words = dict(re.findall(r"(action|name|header)\(([^)]*)\)", criteria))
    method = re.sub(r"(action|name|header)\([^)]*\)|,|\s", "", criteria) or "regex"
    escaped = re.escape(text)
    shapes = {
        "exact": f"^{escaped}$",
        "startsWith": f"^{escaped}",
        "endsWith": f"{escaped}$",
        "contains": escaped,
    }
    pattern = None
    if text and method != "none":
        pattern = re.compile(shapes.get(method, text), re.MULTILINE)
    name, header = words.get("name", ""), words.get("header", "")
    return Filter(words.get("action") == "exclude", pattern, name, header)


@dataclass(slots=True)
class Server:
    """All sessions of one node. ``act`` runs the actions of logged-in users."""

    pbx: Pbx
    users: dict[str, User]
    act: Callable[[Session, dict[str, str]], None]
    sessions: set[Session] = field(default_factory=set)
    plugged: bool = True

    def emit(self, event: str, level: str, headers: Frame) -> None:
        """An event for every session that may read it and does not filter it away."""
        readers = [session for session in self.sessions if session.reads(level)]
        if not readers:
            return
        now = self.pbx.now()
        head = [("Event", event), ("Privilege", f"{level},all"), ("Timestamp", f"{now:.6f}")]
        text = render([*head, ("SystemName", self.pbx.name), *headers])
        for session in readers:
            session.event(event, text)

    def plug(self, on: bool) -> None:
        """Pull the cable: what was sent is kept by TCP and arrives when it is back."""
        self.plugged = on
        for session in self.sessions:
            session.plug(on)


def render(headers: Frame) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"


class Session(asyncio.Protocol):
    """One AMI connection."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.user: User | None = None
        self.events = True
        self.filters: list[Filter] = []
        self._challenge = ""
        self._buffer = b""
        self._held: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.server.sessions.add(self)
        self._write(BANNER)

    def connection_lost(self, error: Exception | None) -> None:
        self.server.sessions.discard(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def plug(self, on: bool) -> None:
        if self._transport is None:
            return
        if not on:
            self._transport.pause_reading()
            return
        self._transport.resume_reading()
        held, self._held = self._held, []
        for data in held:
            self._write(data)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            frame, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            self._action(frame.decode("utf-8", "replace"))
        if len(self._buffer) > LONGEST_ACTION:
            self.close()

    def _write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if not self.server.plugged:
            self._held.append(data)
            return
        self._transport.write(data)

    # --- out ---

    def reads(self, level: str) -> bool:
        if self.user is None or not self.events:
            return False
        return "all" in self.user.read or level in self.user.read

    def event(self, name: str, text: str) -> None:
        includes = [rule for rule in self.filters if not rule.exclude]
        wanted = not includes or any(rule.matches(name, text) for rule in includes)
        if wanted and not any(rule.exclude and rule.matches(name, text) for rule in self.filters):
            self._write(text.encode())

    def answer(self, action: dict[str, str], response: str, headers: Frame) -> None:
        head = [("Response", response)]
        if "actionid" in action:
            head.append(("ActionID", action["actionid"]))
        self._write(render([*head, *headers]).encode())

    def done(self, action: dict[str, str], message: str) -> None:
        self.answer(action, "Success", [("Message", message)])

    def refuse(self, action: dict[str, str], message: str) -> None:
        self.answer(action, "Error", [("Message", message)])

    def listing(
        self,
        action: dict[str, str],
        message: str,
        items: list[tuple[str, Frame]],
        complete: str,
        extra: Frame | None = None,
        id_last: bool = False,
        count: int = 0,
    ) -> None:
        """A list action: start, one event an item, completion (astman_send_listack)."""
        headers = [("EventList", "start"), ("Message", message)]
        self.answer(action, "Success", headers)
        self._items(action, items, id_last)
        end = [("EventList", "Complete"), ("ListItems", str(count or len(items)))]
        tag: Frame = [("ActionID", action["actionid"])] if "actionid" in action else []
        self._write(render([("Event", complete), *tag, *end, *(extra or [])]).encode())

    def _items(self, action: dict[str, str], items: list[tuple[str, Frame]], id_last: bool) -> None:
        tag: Frame = [("ActionID", action["actionid"])] if "actionid" in action else []
        for name, headers in items:
            inner = [*headers, *tag] if id_last else [*tag, *headers]
            self._write(render([("Event", name), *inner]).encode())

    # --- in ---

    def _action(self, text: str) -> None:
        action: dict[str, str] = {}
        for line in text.split("\r\n"):
            name, colon, value = line.partition(":")
            key = name.strip().lower()
            if colon and key == "variable" and key in action:  # Originate takes several
                action[key] += f"\n{value.strip()}"
            elif colon:
                action.setdefault(key, value.strip())
        name = action.get("action", "").lower()
        if name == "challenge":
            self._challenge = str(secrets.randbelow(10**9))
            self.answer(action, "Success", [("Challenge", self._challenge)])
        elif name == "login":
            self._login(action)
        elif name == "logoff":
            self.answer(action, "Goodbye", [("Message", "Thanks for all the fish.")])
            self.close()
        elif self.user is None:
            self.refuse(action, "Permission denied")
        else:
            self.server.act(self, action)

    def _login(self, action: dict[str, str]) -> None:
        user = self.server.users.get(action.get("username", ""))
        if user is None or not self._proves(user, action):
            self.refuse(action, "Authentication failed")
            self.close()
            return
        self.user = user
        self.events = action.get("events", "on").lower() not in ("off", "no", "false")
        self.done(action, "Authentication accepted")
        if self.server.pbx.booted:
            self.fully_booted()
        self._tell_login(user)

    def _proves(self, user: User, action: dict[str, str]) -> bool:
        if action.get("authtype", "").upper() == "MD5":
            text = (self._challenge + user.secret).encode()
            key = hashlib.md5(text, usedforsecurity=False).hexdigest()
            return bool(self._challenge) and key == action.get("key")
        return secrets.compare_digest(user.secret, action.get("secret", ""))

    def _tell_login(self, user: User) -> None:
        now = self.server.pbx.now()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03}"
        peer = self._transport.get_extra_info("peername") if self._transport else ("", 0)
        headers = [
            ("EventTV", f"{stamp}+0000"),
            ("Severity", "Informational"),
            ("Service", "AMI"),
            ("EventVersion", "1"),
            ("AccountID", user.name),
            ("SessionID", f"0x{id(self):x}"),
            ("LocalAddress", "IPV4/TCP/0.0.0.0/5038"),
            ("RemoteAddress", f"IPV4/TCP/{peer[0]}/{peer[1]}"),
            ("UsingPassword", "0"),
            ("SessionTV", f"{stamp}+0000"),
        ]
        self.server.emit("SuccessfulAuth", "security", headers)

    def fully_booted(self) -> None:
        """Sent at the end of the start and on each login after it; without a time stamp."""
        up = str(int(self.server.pbx.now() - self.server.pbx.started_at))
        headers = [("Event", "FullyBooted"), ("Privilege", "system,all"), ("Uptime", up)]
        headers += [("LastReload", up), ("Status", "Fully Booted")]
        if self.reads("system"):
            self._write(render(headers).encode())
