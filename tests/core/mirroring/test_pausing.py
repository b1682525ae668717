"""While both nodes carry calls, an agent who talks on one is not rung by the other."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.commands import PauseMember
from orchestrator.core.state import Move
from orchestrator.core.words import DrainMode, MoveKind, Phase
from tests.core.mirroring.model import Playground

KEY = "sales|PJSIP/1001"
REASON = "in a call on {} (orchestrator)"


def overlap() -> Playground:
    """Both nodes know the agent; pbx-b has just got the address, pbx-a bleeds off."""
    play = Playground()
    play.set_member("pbx-a", KEY)
    play.run(5.0)
    move = Move(1, MoveKind.SWITCHOVER, "pbx-a", "pbx-b", "op", "", play.now, play.now)
    move = replace(move, mode=DrainMode.OVERLAP)
    play.state = replace(play.state, move=move, phase=Phase.DRAINING)
    play.move_address("pbx-b")
    play.run(1.0)
    return play


def end_of_move(play: Playground) -> None:
    play.state = replace(play.state, move=None, phase=Phase.STEADY, active="pbx-b")


def test_who_talks_on_the_old_active_is_paused_on_the_new_one_for_that_long() -> None:
    play = overlap()
    play.set_member("pbx-a", KEY, status="inuse")
    play.run(1.0)
    there = play.boxes["pbx-b"].members[KEY]
    assert (there.paused, there.reason) == (True, REASON.format("pbx-a"))
    play.run(10.0)
    assert not play.boxes["pbx-a"].members[KEY].paused  # our pause is not the agent's own
    play.set_member("pbx-a", KEY, status="not_inuse")
    play.run(1.0)
    assert not play.boxes["pbx-b"].members[KEY].paused
    play.run(5.0)
    assert not play.state.nodes["pbx-b"].cross_paused
    assert len([c for c in play.sent if isinstance(c, PauseMember)]) == 2


def test_who_talks_on_the_new_active_is_paused_on_the_old_one() -> None:
    play = overlap()
    play.set_member("pbx-b", KEY, status="inuse")
    play.run(1.0)
    assert play.boxes["pbx-a"].members[KEY].reason == REASON.format("pbx-b")
    assert not play.boxes["pbx-b"].members[KEY].paused


def test_the_end_of_the_move_lifts_every_pause() -> None:
    play = overlap()
    play.set_member("pbx-a", KEY, status="inuse")
    play.run(1.0)
    end_of_move(play)
    play.run(3.0)
    assert not play.boxes["pbx-b"].members[KEY].paused
    assert not play.state.nodes["pbx-b"].cross_paused


def test_a_restart_of_the_orchestrator_lifts_what_it_left() -> None:
    play = overlap()
    play.set_member("pbx-a", KEY, status="inuse")
    play.run(1.0)
    play.restart()
    play.run(3.0)
    assert not play.boxes["pbx-b"].members[KEY].paused
    assert not play.state.nodes["pbx-b"].cross_paused


def test_a_node_that_was_away_is_unpaused_when_it_is_back() -> None:
    play = overlap()
    play.set_member("pbx-a", KEY, status="inuse")
    play.run(1.0)
    play.lose("pbx-b")
    end_of_move(play)
    play.run(5.0)
    assert play.boxes["pbx-b"].members[KEY].paused
    assert play.state.nodes["pbx-b"].cross_paused
    play.connect("pbx-b")
    play.run(3.0)
    assert not play.boxes["pbx-b"].members[KEY].paused


def test_an_agent_who_paused_himself_stays_paused() -> None:
    play = overlap()
    play.set_member("pbx-a", KEY, status="inuse")
    play.run(1.0)
    play.set_member("pbx-b", KEY, paused=True, reason="lunch")
    play.set_member("pbx-a", KEY, status="not_inuse")
    play.run(5.0)
    end_of_move(play)
    play.run(5.0)
    for box in play.boxes.values():
        assert (box.members[KEY].paused, box.members[KEY].reason) == (True, "lunch")
    assert not play.state.nodes["pbx-b"].cross_paused


def test_without_a_move_nobody_is_paused() -> None:
    play = Playground()
    play.set_member("pbx-a", KEY, status="inuse")
    play.run(5.0)
    assert not play.boxes["pbx-b"].members[KEY].paused
