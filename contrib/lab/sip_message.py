"""SIP messages as bytes and back (RFC 3261), and the answer to a digest challenge (RFC 2617)."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

Headers = list[tuple[str, str]]

_COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
    "r": "refer-to",
}


@dataclass(frozen=True, slots=True)
class Message:
    """`start` is the first line; header names are kept in small letters."""

    start: str
    headers: tuple[tuple[str, str], ...]
    body: str = ""

    @property
    def status(self) -> int:
        """Of a response; 0 for a request."""
        return int(self.start.split(" ", 2)[1]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        """Of the request, or of the request that this answers (CSeq)."""
        return self.get("cseq").split()[-1] if self.status else self.start.split(" ", 1)[0]

    def get(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def branch(self) -> str:
        found = re.search(r"branch=([^;,\s]+)", self.get("via"))
        return found[1] if found else ""


def parse(data: bytes) -> Message | None:
    """The message in a datagram; None for anything else (keep-alives, garbage)."""
    head, _, body = data.decode("utf-8", errors="replace").partition("\r\n\r\n")
    start, *lines = head.split("\r\n")
    if not start.startswith("SIP/2.0 ") and not start.endswith(" SIP/2.0"):
        return None
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            key = name.strip().lower()
            headers.append((_COMPACT.get(key, key), value.strip()))
    return Message(start, tuple(headers), body)


def build(start: str, headers: Sequence[tuple[str, str]], body: str = "") -> bytes:
    lines = [start, *(f"{name}: {value}" for name, value in headers)]
    if body and not any(name == "Content-Type" for name, _ in headers):
        lines.append("Content-Type: application/sdp")
    lines.append(f"Content-Length: {len(body.encode())}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def respond(
    request: Message, status: str, tag: str, extra: Sequence[tuple[str, str]] = (), body: str = ""
) -> bytes:
    """A response to `request`; `tag` goes into To where it has none yet."""
    to = request.get("to")
    if ";tag=" not in to and not status.startswith("100"):
        to = f"{to};tag={tag}"
    headers = [("Via", via) for via in request.all("via")]
    headers += [("Record-Route", route) for route in request.all("record-route")]
    headers += [
        ("From", request.get("from")),
        ("To", to),
        ("Call-ID", request.get("call-id")),
        ("CSeq", request.get("cseq")),
        *extra,
    ]
    return build(f"SIP/2.0 {status}", headers, body)


def uri_in(value: str) -> str:
    """The URI of a Contact, From or To value."""
    found = re.search(r"<([^>]+)>", value)
    return found[1] if found else value.split(";")[0].strip()


def tag_in(value: str) -> str:
    found = re.search(r";tag=([^;>\s]+)", value)
    return found[1] if found else ""


def endpoint_of(uri: str) -> tuple[str, int]:
    """Host and port of a SIP URI."""
    host, _, port = uri.partition(":")[2].rpartition("@")[2].split(";")[0].partition(":")
    return host, int(port or 5060)


def user_of(uri: str) -> str:
    """The user part of a SIP URI."""
    return uri.partition(":")[2].rpartition("@")[0]


def sdp(address: str, port: int, direction: str = "sendrecv") -> str:
    """An offer or answer of one G.711 µ-law stream (RFC 4566)."""
    return (
        f"v=0\r\no=- {secrets.randbelow(10**9)} 1 IN IP4 {address}\r\ns=lab\r\n"
        f"c=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
        f"a=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na={direction}\r\n"
    )


def media_of(body: str) -> tuple[str, int] | None:
    """Where the far end wants its audio."""
    address = re.search(r"^c=IN IP4 (\S+)", body, re.MULTILINE)
    port = re.search(r"^m=audio (\d+)", body, re.MULTILINE)
    return (address[1], int(port[1])) if address and port else None


def authorization(challenge: str, method: str, uri: str, username: str, password: str) -> str:
    """The value of (Proxy-)Authorization for a digest challenge, with qop=auth if offered."""
    field = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    cnonce = secrets.token_hex(8)
    secret = _md5(f"{username}:{field['realm']}:{password}")
    request = _md5(f"{method}:{uri}")
    extra, middle = "", ""
    if "qop" in field:
        extra = f', qop=auth, nc=00000001, cnonce="{cnonce}"'
        middle = f"00000001:{cnonce}:auth:"
    response = _md5(f"{secret}:{field['nonce']}:{middle}{request}")
    opaque = f', opaque="{field["opaque"]}"' if "opaque" in field else ""
    return (
        f'Digest username="{username}", realm="{field["realm"]}", nonce="{field["nonce"]}", '
        f'uri="{uri}", response="{response}", algorithm=MD5{opaque}{extra}'
    )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
