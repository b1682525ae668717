"""Any byte stream may come: the splitter gives the same frames however it was cut, or an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.adapters.ami import wire
from orchestrator.errors import ActionFailed, ProtocolError
from tests.adapters.ami.dialogues import sections

BANNER = b"Asterisk Call Manager/11.0.0\r\n"
FRAMES = [frame for frames in sections("22", "phone").values() for frame in frames]
STREAM = BANNER + b"".join(frame + b"\r\n\r\n" for frame in FRAMES)


def fed(data: bytes, cuts: list[int], max_frame: int = wire.MAX_FRAME) -> tuple[list[bytes], int]:
    splitter = wire.Splitter(max_frame)
    frames = []
    ends = [*sorted(c % (len(data) + 1) for c in cuts), len(data)]
    begin = 0
    for end in ends:
        frames += splitter.feed(data[begin:end])
        begin = end
    return frames, splitter.skipped


@given(st.lists(st.integers(0, 1 << 20), max_size=40))
def test_split_anywhere_gives_the_same_frames(cuts: list[int]) -> None:
    assert fed(STREAM, cuts) == (FRAMES, 0)


def test_byte_by_byte_gives_the_same_frames() -> None:
    assert fed(STREAM, list(range(len(STREAM)))) == (FRAMES, 0)


@given(st.lists(st.integers(0, 1 << 20), max_size=20))
def test_bare_line_feeds_are_read_too(cuts: list[int]) -> None:
    assert fed(STREAM.replace(b"\r\n", b"\n"), cuts) == (FRAMES, 0)


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_random_bytes_never_crash(chunks: list[bytes]) -> None:
    splitter = wire.Splitter(max_frame=64)
    splitter.feed(BANNER)
    for chunk in chunks:
        for frame in splitter.feed(chunk):
            wire.pairs(frame)
            wire.text(frame, wire.key("Event"))
            assert len(frame) <= 64


@given(st.lists(st.integers(0, 1 << 20), max_size=10), st.integers(90, 130))
def test_frames_that_are_too_long_are_skipped_and_counted(cuts: list[int], size: int) -> None:
    short = b"Event: Reload"
    stream = BANNER + short + b"\r\n\r\nEvent: " + b"x" * size + b"\r\n\r\n" + short + b"\r\n\r\n"
    frames, skipped = fed(stream, cuts, max_frame=100)
    too_long = size + 7 > 100
    assert skipped == too_long
    assert len(frames) == 3 - too_long
    assert frames[0] == frames[-1] == short


def test_an_endless_line_takes_no_memory() -> None:
    splitter = wire.Splitter(max_frame=1000)
    splitter.feed(BANNER)
    for _ in range(1000):
        assert splitter.feed(b"x" * 1000) == []
        assert len(splitter._rest) <= 1003
    assert splitter.skipped == 1
    assert splitter.feed(b"\r\n\r\nEvent: Reload\r\n\r\n") == [b"Event: Reload"]


@pytest.mark.parametrize(
    "greeting", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x16\x03\x01", b"\n", b"x" * 999]
)
def test_who_is_no_asterisk_manager_is_found_out(greeting: bytes) -> None:
    with pytest.raises(ProtocolError):
        wire.Splitter().feed(greeting)


def test_headers() -> None:
    raw = b"Event: X\r\nName: a\r\nName: b\r\nEmpty: \r\nOther: \xff\xfe\r\nLast: z"
    assert wire.text(raw, wire.key("Name")) == "a"
    assert wire.text(raw, wire.key("Empty")) == ""
    assert wire.text(raw, wire.key("Missing")) == ""
    assert wire.text(raw, wire.key("Other")) == "��"
    assert wire.text(raw, wire.key("Last")) == "z"
    assert wire.pairs(raw)[1:3] == [("Name", "a"), ("Name", "b")]


@pytest.mark.parametrize(
    "fields",
    [
        {"Action": "Ping", "X": "a\r\nAction: Originate"},
        {"Action": "Ping", "X": "a\nb"},
        {"Action": "Ping", "X\r\nY": "a"},
        {"Action": "Ping", "X: 1": "a"},
        {"Channel": "x"},
        {},
    ],
)
def test_actions_that_could_smuggle_in_another_are_refused(fields: dict[str, str]) -> None:
    with pytest.raises(ActionFailed, match="Nothing was sent"):
        wire.encode(fields, "id")


def test_an_action_id_of_ones_own_is_replaced() -> None:
    sent = wire.encode([("Action", "Redirect"), ("ActionID", "1"), ("V", "a"), ("V", "b")], "orc-7")
    assert sent == b"Action: Redirect\r\nActionID: orc-7\r\nV: a\r\nV: b\r\n\r\n"
