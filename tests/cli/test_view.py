"""The status as a person reads it, on a terminal of the usual width."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from rich.console import Console

from orchestrator.cli.view import render
from orchestrator.core.rules import RuleSet
from orchestrator.core.state import Move
from orchestrator.core.words import MoveKind, Phase
from orchestrator.runtime.status import status
from tests.core.rule_lab import POLICY, START, Play

WIDTH = 80


def shown(play: Play) -> str:
    out = StringIO()
    picture = status(play.state, play.policy, play.now)
    health = {"version": "1", "pid": 1, "started_at": START, "trouble": "", "longest_step_ms": 0.0}
    told = {"pair": "callcentre", **picture, "service": {**health, "events_dropped": 0}}
    Console(file=out, width=WIDTH, highlight=False).print(render(told))
    return out.getvalue()


def draining() -> Play:
    play = Play(RuleSet(), POLICY)
    play.node("pbx-a", holds_address=False)
    play.node("pbx-b", holds_address=True)
    move = Move(
        1, MoveKind.SWITCHOVER, "pbx-a", "pbx-b", "operator root", "", START, START,
        deadline_at=START + 600, calls_at_start=30,
    )  # fmt: skip
    play.state = replace(play.state, move=move, phase=Phase.DRAINING)
    return play


def test_no_word_of_a_drain_is_cut_off() -> None:
    words = " ".join(shown(draining()).replace("│", " ").split())
    assert "0 of 30 calls left on pbx-a" in words
    assert "10 min until the deadline, then: wait" in words


def test_a_standby_that_a_move_gave_the_address_is_no_trouble() -> None:
    play = draining()
    assert "already holds the address" not in shown(play)
    assert "pbx-b could take over now" in shown(play)
    play.state = replace(play.state, move=None, phase=Phase.STEADY)
    assert "pbx-b already holds the address (two nodes must not)" in shown(play)
