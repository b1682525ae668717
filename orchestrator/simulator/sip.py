"""SIP messages as plain data (RFC 3261) and digest authentication (RFC 2617, MD5). Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TypeAlias

Address: TypeAlias = tuple[str, int]

REASONS = {
    100: "Trying",
    180: "Ringing",
    200: "OK",
    202: "Accepted",
    302: "Moved Temporarily",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    410: "Gone",
    405: "Method Not Allowed",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    486: "Busy Here",
    487: "Request Terminated",
    503: "Service Unavailable",
    603: "Decline",
}
_COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
}
_URI = re.compile(r"<([^>]*)>|([^;\s]+)")
_SIP_URI = re.compile(r"sips?:(?:([^@;>]*)@)?([^:;>?]+)(?::(\d+))?")


@dataclass(slots=True)
class Message:
    """A request or a response. Header order is kept; names are looked up without case."""

    start: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""

    @property
    def is_request(self) -> bool:
        return not self.start.startswith("SIP/2.0")

    @property
    def method(self) -> str:
        """Of a request, or of the request that a response answers."""
        if self.is_request:
            return self.start.split(" ", 1)[0]
        return self.get("CSeq").partition(" ")[2].strip()

    @property
    def uri(self) -> str:
        return self.start.split(" ")[1]

    @property
    def status(self) -> int:
        return 0 if self.is_request else int(self.start.split(" ")[1])

    def get(self, name: str) -> str:
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), "")

    def all(self, name: str) -> list[str]:
        wanted = name.lower()
        return [value for key, value in self.headers if key.lower() == wanted]

    @property
    def branch(self) -> str:
        return parameter(self.get("Via"), "branch")

    @property
    def call_id(self) -> str:
        return self.get("Call-ID")

    @property
    def cseq(self) -> int:
        return int(self.get("CSeq").split(" ")[0])

    def render(self) -> bytes:
        lines = [self.start, *(f"{key}: {value}" for key, value in self.headers)]
        body = self.body.encode()
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def parse(data: bytes) -> Message | None:
    """The message in one datagram; None when it is none (keep-alives, garbage)."""
    head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
    lines = head.split("\r\n")
    if "SIP/2.0" not in lines[0] or len(lines[0].split(" ")) < 3:
        return None
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        name = name.strip()
        if colon and name.lower() not in ("content-length", "l"):
            headers.append((_COMPACT.get(name.lower(), name), value.strip()))
    message = Message(lines[0], headers, body)
    complete = message.get("Via") and message.call_id and message.get("CSeq")[:1].isdigit()
    return message if complete else None


def parameter(value: str, name: str) -> str:
    """A ``;name=value`` parameter of a header, empty when it is not there."""
    found = re.search(rf";\s*{name}=\"?([^;,\s>\"]*)", value, re.IGNORECASE)
    return found.group(1) if found else ""


def uri_of(value: str) -> str:
    """The URI in a From, To or Contact value."""
    found = _URI.search(value.partition('" ')[2] or value)
    return (found.group(1) or found.group(2) or "") if found else ""


def user_of(uri: str) -> str:
    found = _SIP_URI.search(uri)
    return (found.group(1) or "") if found else ""


def target_of(uri: str) -> Address:
    """Where a request to this URI goes; only literal addresses, there is no DNS here."""
    found = _SIP_URI.search(uri)
    return (found.group(2), int(found.group(3) or 5060)) if found else ("127.0.0.1", 9)


def response(
    request: Message,
    status: int,
    to_tag: str,
    source: Address,
    extra: list[tuple[str, str]] | None = None,
    body: str = "",
) -> Message:
    """A response with the headers RFC 3261 8.2.6.2 wants, ``received`` and ``rport`` filled in."""
    vias = request.all("Via")
    vias[0] = re.sub(r";rport(?=;|$)", "", vias[0])
    vias[0] += f";rport={source[1]};received={source[0]}"
    to = request.get("To")
    if status > 100 and ";tag=" not in to:
        to += f";tag={to_tag}"
    headers = [("Via", via) for via in vias]
    headers += [("Call-ID", request.call_id), ("From", request.get("From")), ("To", to)]
    headers += [("CSeq", request.get("CSeq")), *(extra or [])]
    if body:
        headers.append(("Content-Type", "application/sdp"))
    return Message(f"SIP/2.0 {status} {REASONS.get(status, 'Unknown')}", headers, body)


def sdp(host: str, port: int) -> str:
    """The offer or answer of a G.711 call; nobody listens on the port, no audio is simulated."""
    lines = ["v=0", f"o=- 1 1 IN IP4 {host}", "s=Asterisk", f"c=IN IP4 {host}", "t=0 0"]
    lines += [f"m=audio {port} RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=sendrecv", ""]
    return "\r\n".join(lines)


def digest(username: str, realm: str, password: str, nonce: str, method: str, uri: str) -> str:
    """The ``response`` value without qop, which every stack must accept (RFC 2617 3.2.2.1)."""

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    return md5(f"{md5(f'{username}:{realm}:{password}')}:{nonce}:{md5(f'{method}:{uri}')}")


def authorization(challenge: str, username: str, password: str, method: str, uri: str) -> str:
    """The Authorization value that answers a WWW-Authenticate value."""
    realm, nonce = _quoted(challenge, "realm"), _quoted(challenge, "nonce")
    answer = digest(username, realm, password, nonce, method, uri)
    return (
        f'Digest username="{username}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
        f'response="{answer}", algorithm=MD5'
    )


def proven(value: str, password: str, method: str) -> bool:
    """Whether an Authorization value was made with this password (with or without qop=auth)."""
    given = {name: _quoted(value, name) for name in ("username", "realm", "nonce", "uri")}
    qop = _quoted(value, "qop")
    expected = digest(method=method, password=password, **given)
    if qop:
        h1 = f"{given['username']}:{given['realm']}:{password}"
        parts = [given["nonce"], _quoted(value, "nc"), _quoted(value, "cnonce"), qop]
        expected = _keyed(h1, ":".join(parts), f"{method}:{given['uri']}")
    return expected == _quoted(value, "response")


def _keyed(a1: str, middle: str, a2: str) -> str:
    hashed = [hashlib.md5(t.encode(), usedforsecurity=False).hexdigest() for t in (a1, a2)]
    text = f"{hashed[0]}:{middle}:{hashed[1]}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _quoted(value: str, name: str) -> str:
    found = re.search(rf'(?:^|[\s,]){name}="?([^",]*)', value, re.IGNORECASE)
    return found.group(1) if found else ""
