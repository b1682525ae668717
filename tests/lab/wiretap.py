"""Hears what a lab's node is told by AMI and ARI: run it in the node's namespace.

python -m tests.lab.wiretap ADDRESS [all]. One line of JSON a message to ADDRESS that writes (with
`all`: of each message): {"at": epoch seconds, "says": "DBPut CF 1001"}, after a first line
{"listening": true}.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import time
from collections.abc import Iterator

AMI, ARI = 5038, 8088
SO_RCVBUFFORCE = 33  # Linux; the socket module lacks it
ALL_ETHERNET, IPV4 = 3, b"\x08\x00"
_WRITES = re.compile(r"DB(Put|Del|DelTree)|Queue(Add|Remove|Pause|Penalty)|Setvar", re.I)
_WORDS = ("family", "key", "queue", "interface", "variable", "paused", "penalty", "reason")


def payload_to(frame: bytes, address: bytes) -> tuple[int, bytes]:
    """The TCP port and what is carried, when the frame goes to that address; else nothing."""
    if frame[12:14] != IPV4 or frame[23] != socket.IPPROTO_TCP or frame[30:34] != address:
        return 0, b""
    tcp = 14 + (frame[14] & 15) * 4
    data = tcp + (frame[tcp + 12] >> 4) * 4
    end = 14 + int.from_bytes(frame[16:18])
    return int.from_bytes(frame[tcp + 2 : tcp + 4]), frame[data:end]


def writes(port: int, data: bytes) -> Iterator[str]:
    """What asks for a change, in a few words; never a value."""
    text = data.decode("utf-8", "replace")
    if port == ARI and text.startswith(("PUT ", "POST ", "DELETE ")):
        yield " ".join(text.split()[:2])
    if port != AMI:
        return
    for message in text.split("\r\n\r\n"):
        pairs = (line.partition(":") for line in message.split("\r\n"))
        fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
        if _WRITES.fullmatch(fields.get("action", "")):
            yield " ".join([fields["action"], *(fields[word] for word in _WORDS if word in fields)])


def everything(port: int, data: bytes) -> Iterator[str]:
    """The name of each AMI action, the method and path of each ARI request."""
    text = data.decode("utf-8", "replace")
    if port == ARI and (found := re.match(r"[A-Z]+ /\S+", text)):
        yield found[0]
    if port == AMI:
        yield from re.findall(r"^action: *(\w+)", text, re.I | re.M)


def main(address: str, which: str = "writes") -> None:
    read = everything if which == "all" else writes
    ours = socket.inet_aton(address)
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_ETHERNET))
    tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
    print(json.dumps({"listening": True}), flush=True)
    while True:
        port, data = payload_to(tap.recv(1 << 16), ours)
        for says in read(port, data) if data else ():
            print(json.dumps({"at": time.time(), "says": says}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
