"""AMI on the wire: bytes in, frames out. Pure; knows no socket and no clock.

A frame is a run of ``Name: value`` lines that ends with an empty line (Asterisk main/manager.c).
The splitter finds the ends; headers are looked up in the raw bytes only when somebody asks, because
most frames are dropped by their name alone. Text is UTF-8; what is not is replaced, never refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from orchestrator.errors import ActionFailed, ProtocolError

MAX_FRAME = 1 << 20  # bytes; the largest real ones (command output) are some tens of KiB
MAX_BANNER = 256
MAX_LINE = 1024  # bytes with CRLF; a longer one is answered without its ActionID (16 and 22)
BANNER = b"Asterisk Call Manager/"
EVENT = b"Event: "
RESPONSE = b"Response: "
_END = b"\r\n\r\n"

Fields: TypeAlias = Mapping[str, str] | Sequence[tuple[str, str]]


def value(raw: bytes, key: bytes) -> bytes:
    """The first value of a header, b"" when absent; ``key`` is ``b"\\r\\nName: "``."""
    start = raw.find(key)
    if start < 0:
        return b""
    start += len(key)
    end = raw.find(b"\r\n", start)
    return raw[start:end] if end >= 0 else raw[start:]


def key(name: str) -> bytes:
    """What ``value`` looks for: made once for each header name, not for each look-up."""
    return b"\r\n" + name.encode() + b": "


def text(raw: bytes, wanted: bytes) -> str:
    """Like ``value``, as text (written out: it is called a million times in a flood)."""
    start = raw.find(wanted)
    if start < 0:
        return ""
    start += len(wanted)
    end = raw.find(b"\r\n", start)
    return str(raw[start:end] if end >= 0 else raw[start:], "utf-8", "replace")


def first_line(raw: bytes) -> bytes:
    """The value of the frame's first header: an event's name or a response's verdict."""
    end = raw.find(b"\r\n")
    line = raw if end < 0 else raw[:end]
    return line.partition(b": ")[2]


def pairs(raw: bytes) -> list[tuple[str, str]]:
    """All headers in order, repeated ones too; lines without a colon are left out."""
    found = []
    for line in raw.decode("utf-8", "replace").split("\r\n"):
        name, colon, rest = line.partition(":")
        if colon:
            found.append((name, rest.removeprefix(" ")))
    return found


class Splitter:
    """Cuts a byte stream into frames, wherever it was split on its way.

    A frame that grows over ``max_frame`` is skipped to its end and counted, so that no peer can
    fill the memory. The banner's line end (CRLF, or LF alone) decides how the rest is read.
    """

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self.version = ""  # of the protocol, from the banner
        self.skipped = 0  # frames that were too long
        self._max = max_frame
        self._rest = b""
        self._skipping = False
        self._bare_lf = False

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that ``data`` completes, without their empty line.

        Raises ``ProtocolError`` when what answers is no Asterisk manager.
        """
        if not self.version:
            data = self._take_banner(data)
        elif self._bare_lf:
            data = data.replace(b"\r", b"").replace(b"\n", b"\r\n")
        whole = self._rest + data
        frames = whole.split(_END)
        rest = frames.pop()
        if self._skipping and frames:
            del frames[0]
            self._skipping = False
        if len(rest) > self._max + len(_END) - 1:  # too long even if its end has begun
            self.skipped += not self._skipping
            self._skipping = True
        self._rest = rest[1 - len(_END) :] if self._skipping else rest
        return frames if len(whole) <= self._max else self._short(frames)

    def _short(self, frames: list[bytes]) -> list[bytes]:
        short = [frame for frame in frames if len(frame) <= self._max]
        self.skipped += len(frames) - len(short)
        return short

    def _take_banner(self, data: bytes) -> bytes:
        seen = self._rest + data
        self._rest = b""
        line, end, rest = seen.partition(b"\n")
        begun = line.startswith(BANNER) if end else BANNER.startswith(line[: len(BANNER)])
        if not begun or len(line) > MAX_BANNER:
            raise ProtocolError(
                f"What answers is no Asterisk manager: it began with {line[:40]!r}. "
                "Check the AMI port and whether it wants TLS."
            )
        if not end:
            self._rest = seen
            return b""
        self.version = line[len(BANNER) :].strip().decode("ascii", "replace") or "?"
        self._bare_lf = not line.endswith(b"\r")
        return rest.replace(b"\r", b"").replace(b"\n", b"\r\n") if self._bare_lf else rest


_NUMBERS = itertools.count(1)


def new_action_id() -> str:
    """Unique in this process: a repeated one would confuse Asterisk's answers with each other."""
    return f"orc-{next(_NUMBERS)}"


def encode(fields: Fields, action_id: str) -> bytes:
    """One action as bytes. A CR or LF would smuggle in a second action: refused."""
    items = fields.items() if isinstance(fields, Mapping) else fields
    lines = []
    for name, content in items:
        if name.lower() == "actionid":
            continue
        if any(c in "\r\n\0" for c in name + content) or ":" in name:
            raise ActionFailed(
                f"AMI action refused: the header {name[:40]!r} holds a line break or a colon in "
                "its name. Nothing was sent."
            )
        line = f"{name}: {content}\r\n"
        if len(line.encode()) > MAX_LINE:
            raise ActionFailed(
                f"AMI action refused: {name[:40]} has {len(content.encode())} bytes, and Asterisk "
                f"reads no line of more than {MAX_LINE - 2}. Nothing was sent."
            )
        lines.append(line)
    if not lines or not lines[0].lower().startswith("action: "):
        raise ActionFailed("AMI action refused: its first header must be Action. Nothing was sent.")
    lines.insert(1, f"ActionID: {action_id}\r\n")
    return "".join([*lines, "\r\n"]).encode()
