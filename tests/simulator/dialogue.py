"""Captured dialogues and what is compared of them.

Values differ; names, order and form of the headers must not. Asterisk runs each channel, contact
and device in a thread of its own: only the order of the events of one such thing is defined, so the
order is compared for each of them, and over all of them how many of each shape there are.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

FIXTURES = Path(__file__).parent.parent / "fixtures" / "simulator"
SUBJECTS = ("Channel", "BridgeUniqueid", "URI", "Device", "Exten", "Peer", "Username", "AccountID")
FORMS = [
    r"\d+\.\d{6}",  # epoch seconds
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000",
    r"\d\d:\d\d:\d\d",
    r"\d{4}-\d\d-\d\d",
    r"PJSIP/[\w-]+-[0-9a-f]{8}",
    r"[\w-]+-\d{10}\.\d+",  # unique id
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    r"sip:[\w-]+@[\d.]+:\d+",
    r"sip:[\d.]+:\d+",
    r"\d+",
    r"[A-Z_]+",
    r"[A-Z][a-z]+( [A-Za-z]+)*",
]
NAMES = ("ObjectName", "Aor", "Auths")  # the site's own words
Frame = list[tuple[str, str]]
Shape = tuple[str, ...]


def frames(text: str) -> list[Frame]:
    blocks = re.split(r"\r?\n\r?\n", text.strip())
    return [
        [tuple(line.split(":", 1)) for line in block.splitlines() if ":" in line]
        for block in blocks
        if block.startswith(("Event:", "Response:"))
    ]


def sections(name: str) -> list[tuple[str, str]]:
    """Every section of a capture with its title, in order."""
    text = (FIXTURES / f"{name}.txt").read_text(encoding="utf-8")
    parts = re.split(r"^##### (.*)\n", text, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def captured(section: str, name: str = "asterisk-22") -> list[Frame]:
    return frames(dict(sections(name))[section])


def name(frame: Frame) -> str:
    return frame[0][1].strip()


def shape(frame: Frame) -> Shape:
    """The frame's name and its headers' names, in their order."""
    return (name(frame), *(header for header, _ in frame))


def form(value: str) -> str:
    """The pattern that a value follows; words that are the protocol's own stay themselves."""
    text = value.strip()
    return next((pattern for pattern in FORMS if re.fullmatch(pattern, text)), "text")


def subject(frame: Frame) -> str:
    """What the event is about."""
    found = dict(frame)
    return next((kind + found[kind] for kind in SUBJECTS if kind in found), name(frame))


def threads(dialogue: list[Frame]) -> Counter[tuple[Shape, ...]]:
    """For each thing the shapes of its events in order; the things without their names."""
    grouped: dict[str, list[Shape]] = {}
    for frame in dialogue:
        grouped.setdefault(subject(frame), []).append(shape(frame))
    return Counter(tuple(shapes) for shapes in grouped.values())


def assert_same_dialogue(ours: list[Frame], section: str, file: str = "asterisk-22") -> None:
    theirs = captured(section, file)
    names = [[name(frame) for frame in one] for one in (ours, theirs)]
    assert sorted(names[0]) == sorted(names[1]), f"{section}: {names[0]} instead of {names[1]}"
    mine, real = threads(ours), threads(theirs)
    assert mine == real, f"{section}: only ours {mine - real}, only theirs {real - mine}"
    assert_same_forms(ours, theirs)


def assert_same_forms(ours: list[Frame], theirs: list[Frame]) -> None:
    """Values are written the same way: each form of ours occurs there for that header."""
    known: dict[tuple[str, str], set[str]] = {}
    for frame in theirs:
        for header, value in frame:
            known.setdefault((name(frame), header), set()).add(form(value))
    for frame in ours:
        for header, value in frame:
            if header in NAMES:
                continue
            forms = known[name(frame), header]
            allowed = "text" in forms or form(value) in forms or value in (" ", " <unknown>")
            assert allowed, (name(frame), header, value, forms)
