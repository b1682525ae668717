"""The story: what a person wants to know between two pictures, each thing once."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.state import Move, MoveReport, Pair
from orchestrator.core.words import MoveKind, Verdict
from orchestrator.runtime.story import tell
from tests.runtime.world import pair


def texts(before: Pair, after: Pair) -> list[str]:
    return [line.text for line in tell(before, after)]


def with_notes(*notes: str) -> Pair:
    return replace(pair(), notes=notes)


def test_nothing_new_is_nothing_told() -> None:
    state = pair()
    assert texts(state, replace(state, now=5.0, epoch=state.epoch)) == []


def test_a_verdict_is_told_when_it_changes_with_its_weight() -> None:
    state = pair()
    dead = replace(state.nodes["pbx-a"], verdict=Verdict.DEAD, verdict_why="pbx-a: nobody there")
    after = replace(state, nodes=state.nodes.set("pbx-a", dead))
    (line,) = tell(state, after)
    assert line.text == "pbx-a is dead: nobody there"
    assert line.severity == "critical"
    assert texts(after, replace(after, nodes=after.nodes.set("pbx-a", replace(dead)))) == []


def test_notes_are_told_once() -> None:
    assert texts(with_notes("a", "b"), with_notes("a", "b", "c")) == ["c"]
    assert texts(with_notes("a", "b"), with_notes("b", "c")) == ["c"], "the oldest was let go"
    assert texts(with_notes("a", "b", "c"), with_notes("a", "c", "b")) == ["b"], "said again"
    assert texts(with_notes(), with_notes("a", "b")) == ["a", "b"]


def test_a_failure_within_a_move_and_its_end_are_told() -> None:
    move = Move(3, MoveKind.FAILOVER, "pbx-a", "pbx-b", "rule x", "dead", 1.0, 1.0)
    moving = replace(pair(), move=move)
    failed = replace(moving, move=replace(move, failures=("add: eth0 is down",)))
    assert texts(moving, failed) == ["add: eth0 is down"]
    report = MoveReport(
        3, MoveKind.FAILOVER, "pbx-a", "pbx-b", "rule x", "dead", 1.0, 2.5, "held", "so", ("Bob",)
    )
    (line,) = tell(failed, replace(failed, move=None, history=(report,)))
    assert line.text == "failover 3 pbx-a → pbx-b ended after 1.5 s: held. Cut off: Bob."
    assert line.severity == "critical"
