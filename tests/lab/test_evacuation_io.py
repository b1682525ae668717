"""Calls carried between real Asterisks by the real adapters: what every kind of phone makes of it.

The other side is tests/lab/carried.py; silences are of RTP, with room for a busy machine.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from contrib.lab import Lab
from tests.lab.rig import afresh, wait_for

MOST_MS = 300


@pytest.fixture
def stage(lab: Lab) -> Iterator[Lab]:
    yield lab
    afresh(lab)


def play(lab: Lab, scene: str, *options: str) -> dict[str, Any]:
    """One scene; what became of it."""
    command = ["-m", "tests.lab.carried", lab.name, scene, *options]
    process = lab.popen_python("client", command, stdout=subprocess.PIPE)
    try:
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    told: dict[str, Any] = json.loads(out)
    return told


def fine(told: dict[str, Any], moved: dict[str, int], most_ms: float = MOST_MS) -> None:
    """These legs are up, hear each other, and moved so often."""
    for who, times in moved.items():
        one = told[who]
        assert (one["up"], one["hears"], one["moved"]) == (True, True, times), (who, told)
        assert one["silence_ms"] < most_ms, (who, told)


@pytest.mark.parametrize(
    ("habits", "moved"),
    [
        ("honour", (1, 1)),
        ("naive", (1, 1)),
        ("honour decline", (1, 0)),
        ("decline honour", (0, 1)),
        ("decline", (0, 0)),
        ("failing", (0, 0)),
    ],
)
def test_two_phones_talk_on_at_the_other_node(
    stage: Lab, habits: str, moved: tuple[int, int]
) -> None:
    told = play(stage, "pair", "--habits", *habits.split())
    fine(told, dict(zip(("1011", "1012"), moved, strict=True)))
    assert "pbx-b second joined" in told["steps"]


@pytest.mark.parametrize("habits", ["half-way", "honour half-way", "ignore"])
def test_a_call_that_hangs_is_called_back(stage: Lab, habits: str) -> None:
    told = play(stage, "pair", "--habits", *habits.split(), "--rejoin-after", "1")
    fine(told, {"1011": int(habits.startswith("honour")), "1012": 0}, 3000)


def test_the_other_node_dies_while_the_legs_are_on_their_way(stage: Lab) -> None:
    told = play(stage, "pair", "--kill", "--rejoin-after", "1")
    fine(told, {"1011": 0, "1012": 0}, 3000)
    assert "pbx-a second rejoined" in told["steps"]


def test_a_challenged_leg_is_let_go_without_an_orchestrator(stage: Lab) -> None:
    told = play(stage, "pair", "--habits", "naive", "--alone", "--seconds", "5")
    fine(told, {"1011": 1, "1012": 1})
    assert "pbx-a first moved" in told["steps"]
    assert told["left"] == 0


def test_hold_works_afterwards(stage: Lab) -> None:
    told = play(stage, "pair", "--then", "hold")
    assert (told["then"]["on"], told["then"]["off"]) == (200, 200)
    fine(told["then"], {"1011": 1, "1012": 1})


def test_a_transfer_works_afterwards(stage: Lab) -> None:
    told = play(stage, "pair", "--then", "transfer")
    assert told["then"]["status"] == 202
    fine(told["then"], {"1011": 1})
    assert told["then"]["channels"] == ["1011"]  # the one who transferred it is out


def test_both_end_when_one_hangs_up(stage: Lab) -> None:
    told = play(stage, "pair", "--then", "hang-up")["then"]
    assert [told["1011"]["up"], told["1012"]["up"], told["a"], told["b"]] == [False, False, [], []]


@pytest.mark.parametrize(
    ("options", "moved"),
    [("--habits honour", 1), ("--habits naive", 1), ("--habits decline", 0), ("--carry link", 0)],
)
def test_a_service_goes_on_with_names_and_variables_of_any_text(
    stage: Lab, options: str, moved: int
) -> None:
    told = play(stage, "service", *options.split())
    fine(told, {"1011": moved})
    assert (told["name_kept"], told["variable_kept"], told["application"]) == (True, True, "Echo")


def test_a_queues_call_and_its_line(stage: Lab) -> None:
    told = play(stage, "queued")
    fine(told, {"1013": 1, "1001": 1})
    assert told["line"] == ["1014", "1015"]  # those who wait keep their places
    manifest = json.loads(told["parts"].splitlines()[-1])
    parts = manifest["parts"]
    assert [one["node"] for one in parts] == ["pbx-a", "pbx-b"]
    recorded = stage.directory / "b" / "spool" / "monitor" / parts[1]["file"]
    assert recorded.stat().st_size > 1000
    log = (stage.directory / "b" / "log" / "queue_log").read_text(encoding="utf-8")
    assert "|support|Agent  1001|EVACUATED|pbx-a-" in log
    records = stage.directory / "b" / "log" / "cdr-csv" / "Master.csv"
    linked = f'"{manifest["linkedid"]}"'  # the userfield names the call as it was on pbx-a
    wait_for(lambda: linked in records.read_text(encoding="utf-8"), f"a record with {linked}")


def test_somebody_behind_the_trunk_stays_linked(stage: Lab) -> None:
    fine(play(stage, "trunk"), {"1011": 1})


@pytest.mark.parametrize("asterisk", [22, 16])
def test_a_conference_meets_again(make_lab: Callable[..., Lab], asterisk: int) -> None:
    told = play(make_lab(f"room{asterisk}", asterisk=asterisk, phones=200), "conference")
    fine(told, {"1011": 1, "1012": 1, "1013": 1})
    assert told["members"] == ["3"]


def test_nobody_else_can_use_a_one_time_address(stage: Lab) -> None:
    told = play(stage, "stranger")
    # the wrong phone; the right one; once more; too late; two that never were
    assert told["answers"] == [403, 200, 410, 403, 403, 403]
    log = (stage.directory / "b" / "log" / "messages").read_text(encoding="utf-8")
    assert "Endpoint 1012 called a one-time address and was turned away" in log
    assert "abababab" not in log


@pytest.mark.parametrize(
    ("habit", "learned"),
    [
        ("honour", "honours"),
        ("naive", "honours"),
        ("decline", "declines"),
        ("failing", None),  # 503 may as well be the node's answer to its call
        ("ignore", "ignores"),
    ],
)
def test_a_test_call_tells_the_habit(stage: Lab, habit: str, learned: str | None) -> None:
    assert play(stage, "probe", "--habits", habit)["habit"] == learned
