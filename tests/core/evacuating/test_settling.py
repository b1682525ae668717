"""Where a leg is, and what may be learned from it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from immutables import Map

from orchestrator.core.commands import LegPlan
from orchestrator.core.evacuating.driving import follow
from orchestrator.core.evacuating.records import CallFate, CarriedCall, CarriedLeg, Evacuation
from orchestrator.core.evacuating.settling import Place, place_of
from orchestrator.core.machine.work import Work
from orchestrator.core.state import Move
from orchestrator.core.words import Carry, LegRole, LegStep, MoveKind, Phase, ReferHabit
from tests.core.evacuating.pictures import EVACUATION, POLICY, channel, node
from tests.core.rule_lab import START, Play, RuleSet

PLAN = LegPlan("PJSIP/1001-1", "1001", LegRole.FIRST, Carry.REFER)
LINK = LegPlan("PJSIP/trunk-2", "", LegRole.SECOND, Carry.LINK)
SENT = CarriedLeg(PLAN, "1", user_agent="Good 1.0")


def work_with(leg: CarriedLeg) -> Work:
    """An evacuation with one leg under way; the phone is on pbx-b by some call of its own."""
    play = Play(RuleSet(), POLICY)
    old, new = node(), node(channel("PJSIP/1001-9", created_at=START + 3))
    nodes = {
        name: replace(one, name=name, in_sync=True, confirmed_at=START)
        for name, one in (("pbx-a", old), ("pbx-b", new))
    }
    call = CarriedCall(
        "1", "1-1", "1001 with 600", CallFate.UNDER_WAY, (leg,), asked_at=START, since_lived_s=0.0
    )
    move = Move(
        1, MoveKind.SWITCHOVER, "pbx-a", "pbx-b", "operator root", "", START, START,
        evacuation=Evacuation(START, (call,)),
    )  # fmt: skip
    state = replace(play.state, nodes=Map(nodes), move=move, phase=Phase.DRAINING)
    return Work(state, POLICY, START)


def test_a_phone_that_only_turns_up_has_not_followed_its_refer() -> None:
    """Its people may have hung up, and called anew: that says nothing of a REFER."""
    work = work_with(SENT)
    follow(work, EVACUATION)
    assert work.state.move and work.state.move.evacuation
    assert work.state.move.evacuation.calls[0].fate is CallFate.CARRIED
    assert dict(work.state.habits) == {}


@pytest.mark.parametrize(
    "leg",
    [
        replace(SENT, arrived=True, arrived_as="9", arrived_by="1001"),
        replace(SENT, step=LegStep.MOVED),
    ],
    ids=["it called its one-time address", "the old node was told of its success"],
)
def test_a_phone_that_came_by_its_ticket_follows(leg: CarriedLeg) -> None:
    work = work_with(leg)
    follow(work, EVACUATION)
    assert work.state.habits["Good 1.0"].habit is ReferHabit.HONOURS


def test_a_leg_is_linked_when_it_is_joined_there_not_when_it_knocks() -> None:
    new = node()
    knocking = CarriedLeg(LINK, "2", arrived=True, arrived_as="7", arrived_by="peernode")
    assert place_of(knocking, new) is Place.OLD
    assert place_of(replace(knocking, step=LegStep.LINKED), new) is Place.LINKED
    assert place_of(replace(knocking, joined=True), new) is Place.LINKED
