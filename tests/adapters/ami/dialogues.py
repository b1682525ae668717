"""Captured AMI dialogues (tests/fixtures/ami) as frames and as domain events."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.adapters.ami.translate import LIVE
from orchestrator.adapters.ami.wire import first_line
from orchestrator.core.events import NodeEvent

FIXTURES = Path(__file__).parents[2] / "fixtures" / "ami"
NODE = "pbx-a"
_TIME = re.compile(r"(?m)^\[ *[\d.]+\].*\n")


def sections(version: str, name: str) -> dict[str, list[bytes]]:
    """Title of each step of a dialogue → its frames, as they were on the wire (CRLF)."""
    text = (FIXTURES / version / f"{name}.txt").read_text(encoding="utf-8")
    found: dict[str, list[bytes]] = {}
    for part in re.split(r"(?m)^(?=##### )", text):
        title, _, rest = part.partition("\n") if part.startswith("#####") else ("", "", part)
        title = re.sub(r"^##### +[\d.]* *", "", title)
        frames = re.split(r"\n\s*\n", _TIME.sub("\n", rest))
        found[title] = [_wire(frame) for frame in frames if frame.strip()]
    return found


def _wire(frame: str) -> bytes:
    return frame.strip("\n").replace("\n", "\r\n").encode()


def translated(frames: list[bytes]) -> list[NodeEvent]:
    """The domain events of the frames, in their order."""
    events = []
    for raw in frames:
        make = LIVE.get(first_line(raw)) if raw.startswith(b"Event: ") else None
        event = make(NODE, raw) if make else None
        if event is not None:
            events.append(event)
    return events


def step(version: str, name: str, title: str) -> list[NodeEvent]:
    """The domain events of the step whose title contains ``title``."""
    for found, frames in sections(version, name).items():
        if title in found:
            return translated(frames)
    raise LookupError(title)
