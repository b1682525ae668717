"""When it is certain that an unreachable node's guard has given the address up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from immutables import Map

from orchestrator.core.machine import service
from orchestrator.core.machine.work import Work
from orchestrator.core.state import Node, NodePolicy, Observation, Pair, Policy
from orchestrator.core.words import Observer, Outcome, Verdict

POLICY = Policy((NodePolicy("pbx-a", "a"), NodePolicy("pbx-b", "b")))
NOW, LIVED_S = 1000.0, 500.0
LONG_S = 5.0  # longer than the guard's lease and every margin


def heard(unheard_s: float) -> Observation:
    return Observation(
        Outcome.SILENT, NOW, LIVED_S, NOW - unheard_s, answered_lived_s=LIVED_S - unheard_s
    )


UNHEARD = Node(
    "pbx-a",
    observations=Map({Observer.HOST: heard(LONG_S), Observer.PEER: heard(LONG_S)}),
    verdict=Verdict.UNREACHABLE,
    guarded=True,
    holds_address=True,
)


def cleared(**changes: Any) -> tuple[str | None, bool]:
    """What `clear_address` says of the node, and whether it could serve still."""
    nodes = Map({"pbx-a": replace(UNHEARD, **changes), "pbx-b": Node("pbx-b")})
    work = Work(Pair(nodes, now=NOW, lived_s=LIVED_S), POLICY, NOW)
    status = service.clear_address(work, "pbx-a")
    return status, work.node("pbx-a").could_serve


def test_a_guard_that_heard_nobody_for_its_lease_has_acted() -> None:
    assert cleared() == ("", False)


@pytest.mark.parametrize("who", [Observer.HOST, Observer.PEER])
def test_whoever_heard_it_last_begins_the_wait(who: Observer) -> None:
    assert cleared(observations=UNHEARD.observations.set(who, heard(0.5))) == (None, True)


def test_an_order_that_was_carried_out_reached_it() -> None:
    """Its host may answer an order by another way than the one that is watched."""
    assert cleared(settled_at=NOW - 0.5) == (None, True)
    assert cleared(settled_at=NOW - LONG_S) == ("", False)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"adding": 7}, "may still reach it"),
        ({"guarded": False}, "its guard was not armed"),
        ({"observations": Map()}, "its guard was not armed"),
    ],
)
def test_without_that_certainty_it_says_why(changes: dict[str, Any], why: str) -> None:
    said, could_serve = cleared(**changes)
    assert said is not None and why in said and could_serve
