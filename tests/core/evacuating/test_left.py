"""What people are told of the calls that stay: each one once."""

from __future__ import annotations

from dataclasses import replace

from immutables import Map

from orchestrator.core.commands import LegPlan
from orchestrator.core.evacuating.records import CallFate, CarriedCall, CarriedLeg, Evacuation
from orchestrator.core.evacuation import left
from orchestrator.core.machine.work import Work
from orchestrator.core.state import Move, Pair
from orchestrator.core.words import Carry, DrainMode, LegRole, MoveKind
from tests.core.evacuating.pictures import EVACUATION, POLICY, channel, node

LEGS = ("PJSIP/1001-1", LegRole.FIRST), ("PJSIP/1002-2", LegRole.SECOND)
PHONES = [channel(name, bridge="x") for name, _ in LEGS]
# both declined: each is joined with the other node by a channel of its own
AS_LINKED = (*PHONES, channel("PJSIP/peernode-3", bridge="x"))


def told(fate: CallFate) -> tuple[str, ...]:
    """Of two phones whose call came out so, and which look like a call of three by now."""
    legs = tuple(
        CarriedLeg(LegPlan(name, name[6:10], role, Carry.REFER), name[-1]) for name, role in LEGS
    )
    call = CarriedCall("before", "1-1", "1001 with 1002", fate, legs, "declined (603)")
    move = Move(
        1, MoveKind.SWITCHOVER, "pbx-a", "pbx-b", "operator", "", 0.0, 0.0,
        mode=DrainMode.OVERLAP, evacuation=Evacuation(0.0, (call,)),
    )  # fmt: skip
    nodes = Map({"pbx-a": node(*AS_LINKED), "pbx-b": replace(node(), name="pbx-b")})
    lines = left(Work(Pair(nodes, move=move), POLICY, 1.0), EVACUATION)
    assert "nothing is sent" in lines[0]  # nobody has said that pbx-b is well
    return lines[1:]


def test_a_linked_call_is_told_of_once_by_its_own_words() -> None:
    assert told(CallFate.LINKED) == ("1001 with 1002: declined (603)",)


def test_another_call_of_the_same_phones_is_told_of() -> None:
    (line,) = told(CallFate.CARRIED)
    assert "more than two take part" in line
