"""A capture of AMI, as ``nc`` or another tool wrote it, as events with their times.

Times are those of the events' own ``Timestamp`` header (``timestampevents = yes`` in manager.conf);
``[ 12.345]`` lines, which some tools write between, tell the seconds in between. Only what a
list in the capture has shown whole is known; counters count from the capture's begin.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.adapters.ami import listed
from orchestrator.adapters.ami.translate import LIVE
from orchestrator.adapters.ami.wire import EVENT, first_line, key, text, value
from orchestrator.core.events import NodeEvent
from orchestrator.errors import ConfigError

LARGEST_FILE: Final = 1 << 30
PARTS: Final[dict[bytes, str]] = {  # the end of a list: from then on its part is known
    b"ContactListComplete": "contacts",
    b"PeerlistComplete": "contacts",
    b"OutboundRegistrationDetailComplete": "registrations",
    b"RegistrationsComplete": "registrations",
    b"CoreShowChannelsComplete": "channels",
    b"QueueStatusComplete": "queues",
}
_EMPTY: Final = {b"No Contacts found": "contacts", b"No Registrations found": "registrations"}
_SECONDS: Final = re.compile(rb"^\[ *(\d+(?:\.\d+)?)\]$")
_TIMESTAMP, _AOR, _URI, _MESSAGE = key("Timestamp"), key("AOR"), key("URI"), key("Message")


def _detail(node: str, raw: bytes) -> Iterable[NodeEvent]:
    return listed.contact_detail(node, raw, [(text(raw, _AOR), text(raw, _URI))])


_LISTED: Final[dict[bytes, Callable[[str, bytes], Iterable[NodeEvent]]]] = {
    b"ContactList": listed.contact,
    b"ContactStatusDetail": _detail,
    b"PeerEntry": listed.sip_peer,
    b"OutboundRegistrationDetail": listed.registration,
    b"RegistryEntry": listed.sip_registration,
    b"CoreShowChannel": listed.channel,
    b"QueueMember": listed.queue,
    b"QueueEntry": listed.queue,
}


@dataclass(frozen=True, slots=True)
class Heard:
    """What the node said at a time: events, and the part that is known from now on."""

    at: float  # epoch seconds
    node: str
    events: tuple[NodeEvent, ...]
    known: str = ""


def read_capture(path: Path, node: str) -> list[Heard]:
    """All that the node said, in order; ``ConfigError`` when the file is no such capture."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ConfigError([f"{path}: is larger than 1 GiB; cut out the time you ask about"])
        frames = list(_frames(path.read_bytes()))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    if not any(raw.startswith(EVENT) for _, raw in frames):
        raise ConfigError([f"{path}: is no capture of AMI: there is no 'Event:' in it"])
    heard = list(_heard(frames, node))
    if not heard:
        raise ConfigError(
            [f"{path}: no event has a Timestamp, so nobody knows when it was. Set timestampevents "
             "= yes in manager.conf, reload the manager and capture again"]
        )  # fmt: skip
    return heard


def _frames(data: bytes) -> Iterator[tuple[float | None, bytes]]:
    """Seconds of the line before it, if any, and the frame as on the wire."""
    seconds: float | None = None
    lines: list[bytes] = []
    for written in [*data.split(b"\n"), b""]:
        line = written.rstrip(b"\r")
        if match := _SECONDS.match(line):
            seconds = float(match[1])
        elif line and not line.startswith(b"#####"):
            lines.append(line)
        elif lines:
            yield seconds, b"\r\n".join(lines)
            lines = []


def _heard(frames: Iterable[tuple[float | None, bytes]], node: str) -> Iterator[Heard]:
    waiting: list[Heard] = []  # before the first time that is told
    at: float | None = None
    offset: float | None = None  # epoch second of the tool's zero
    for seconds, raw in frames:
        told = _time_of(raw)
        if told is not None:
            at = told if at is None else max(at, told)
            offset = told - seconds if seconds is not None and offset is None else offset
        elif seconds is not None and offset is not None:
            at = max(at or 0.0, offset + seconds)
        name = first_line(raw)
        events = tuple(_events(name, node, raw)) if raw.startswith(EVENT) else ()
        one = Heard(
            at or 0.0, node, events, PARTS.get(name) or _EMPTY.get(value(raw, _MESSAGE), "")
        )
        if at is None:
            waiting.append(one)
            continue
        yield from (Heard(at, node, early.events, early.known) for early in waiting)
        waiting.clear()
        if one.events or one.known or told is not None:
            yield one


def _time_of(raw: bytes) -> float | None:
    try:
        return float(value(raw, _TIMESTAMP))
    except ValueError:
        return None


def _events(name: bytes, node: str, raw: bytes) -> Iterator[NodeEvent]:
    if name in _LISTED:
        yield from _LISTED[name](node, raw)
    elif (translate := LIVE.get(name)) and (event := translate(node, raw)):
        yield event
