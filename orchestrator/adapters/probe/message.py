"""Just enough SIP over UDP for a probe (RFC 3261): requests written, answers read. No I/O."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field, replace

COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
}


def host_text(address: str) -> str:
    """An address as it stands in a SIP URI: IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address


def new_branch() -> str:
    return "z9hG4bK" + secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class Dialog:
    """What our requests have in common; ``target`` and ``route`` change when a 2xx comes."""

    own: tuple[str, int]
    uri: str
    target: str
    to_header: str
    route: tuple[str, ...] = ()
    tag: str = field(default_factory=lambda: secrets.token_hex(6))
    call_id: str = field(default_factory=lambda: secrets.token_hex(12))

    def answered(self, answer: Message) -> Dialog:
        """The dialog as a 2xx establishes it (RFC 3261 12.1.2)."""
        return replace(
            self,
            target=answer.contact_uri or self.target,
            to_header=answer.header("to"),
            route=tuple(reversed(answer.headers.get("record-route", ()))),
        )

    def failed(self, answer: Message) -> Dialog:
        """As the ACK to a failure needs it: the To of the answer (RFC 3261 17.1.1.3)."""
        return replace(self, to_header=answer.header("to"))

    def request(self, method: str, number: int, branch: str, body: str = "") -> bytes:
        host, port = host_text(self.own[0]), self.own[1]
        lines = [
            f"{method} {self.target} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};rport;branch={branch}",
            *(f"Route: {route}" for route in self.route),
            "Max-Forwards: 70",
            f"From: <sip:orchestrator@{host}>;tag={self.tag}",
            f"To: {self.to_header}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:orchestrator@{host}:{port}>",
            "User-Agent: asterisk-orchestrator",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body.encode())}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def new_dialog(own: tuple[str, int], address: str, port: int, user: str = "") -> Dialog:
    uri = f"sip:{user + '@' if user else ''}{host_text(address)}:{port}"
    return Dialog(own, uri, uri, f"<{uri}>")


def offer(address: str, port: int) -> str:
    """A minimal SDP offer: one audio stream, G.711."""
    family = "IP6" if ":" in address else "IP4"
    lines = (
        "v=0",
        f"o=- 1 1 IN {family} {address}",
        "s=-",
        f"c=IN {family} {address}",
        "t=0 0",
        f"m=audio {port} RTP/AVP 8 0",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:0 PCMU/8000",
    )
    return "\r\n".join(lines) + "\r\n"


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer that came in; ``status`` is 0 for a request."""

    status: int
    reason: str
    method: str  # of the request, or of the CSeq of an answer
    headers: dict[str, tuple[str, ...]]

    def header(self, name: str) -> str:
        return self.headers.get(name, ("",))[0]

    @property
    def branch(self) -> str:
        found = re.search(r"branch=([^;,\s]+)", self.header("via"))
        return found[1] if found else ""

    @property
    def contact_uri(self) -> str:
        contact = self.header("contact")
        found = re.search(r"<([^>]*)>", contact)
        return found[1] if found else contact.split(";")[0].strip()

    @property
    def contact(self) -> tuple[str, int] | None:
        """Host and port of the Contact."""
        return uri_address(self.contact_uri)

    def says(self) -> str:
        return f"{self.status} {self.reason}".strip()

    def reply(self, status: str) -> bytes:
        """Our answer to this request."""
        names = (("via", "Via"), ("from", "From"), ("to", "To"), ("call-id", "Call-ID"))
        lines = [f"SIP/2.0 {status}"]
        for key, name in (*names, ("cseq", "CSeq")):
            lines += [f"{name}: {value}" for value in self.headers.get(key, ())]
        return ("\r\n".join([*lines, "Content-Length: 0"]) + "\r\n\r\n").encode()


def uri_address(uri: str) -> tuple[str, int] | None:
    found = re.match(r"sips?:(?:[^@]*@)?(\[[^\]]+\]|[^:;?>]+)(?::(\d+))?", uri)
    return (found[1].strip("[]"), int(found[2] or 5060)) if found else None


def parse(data: bytes) -> Message | None:
    """None for what is no SIP message: keepalives, garbage."""
    first, *lines = data.decode("utf-8", "replace").partition("\r\n\r\n")[0].split("\r\n")
    headers: dict[str, tuple[str, ...]] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            key = name.strip().lower()
            key = COMPACT.get(key, key)
            headers[key] = (*headers.get(key, ()), value.strip())
    answer = re.match(r"SIP/2\.0 (\d{3}) ?(.*)", first)
    if answer:
        words = headers.get("cseq", ("",))[0].split()
        return Message(int(answer[1]), answer[2], words[-1] if words else "", headers)
    request = re.match(r"([A-Z]+) \S+ SIP/2\.0$", first)
    return Message(0, "", request[1], headers) if request else None
