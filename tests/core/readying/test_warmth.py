"""How warm the standby is: figures, and what readiness says of the mirror."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from immutables import Map

from orchestrator.core.mirroring.memory import Pause
from orchestrator.core.readiness import Check, missing, readiness
from orchestrator.core.readying.figures import Figures, standby_figures
from orchestrator.core.state import (
    Contact,
    Listing,
    MirrorPolicy,
    Observation,
    Pair,
    Queue,
    QueueMember,
)
from orchestrator.core.words import ContactStatus, MirrorKind, Observer, Outcome
from tests.core.rule_lab import POLICY, START, phones, trunk, well

MIRRORED = replace(POLICY, mirror=MirrorPolicy())
KEEP: Any = trunk(True, True)["contacts"]
COMPARED = Map({MirrorKind.CONTACT: Listing(at=START)})


def pair(active: dict[str, object], standby: dict[str, object]) -> Pair:
    both = {"clock_ahead_s": 0.0, "listings": COMPARED}
    nodes = {
        "pbx-a": replace(well("pbx-a", True), **{**both, **active}),  # type: ignore[arg-type]
        "pbx-b": replace(well("pbx-b", False), **{**both, **standby}),  # type: ignore[arg-type]
    }
    return Pair(nodes=Map(nodes), active="pbx-a")


def figures(state: Pair) -> Figures:
    found = standby_figures(state, MIRRORED, START)
    assert found is not None
    return found


def check(state: Pair, name: str, policy: Any = MIRRORED) -> Check:
    return next(c for c in readiness(state, policy, START, "pbx-b") if c.name == name)


def queue(*members: QueueMember) -> Map[str, Queue]:
    return Map({"sales": Queue("sales", Map({m.interface: m for m in members}))})


def agent(number: int, paused: bool = False, reason: str = "", status: str = "") -> QueueMember:
    return QueueMember(
        f"PJSIP/{number}", f"Agent {number}", 0, paused, reason, False, status or "not_inuse"
    )


def test_phones_count_once_and_only_those_the_standby_reaches_are_ready() -> None:
    state = pair({"contacts": phones(10, keep=KEEP)}, {"contacts": phones(9, lost=2, keep=KEEP)})
    found = figures(state)
    assert (found.phones, found.phones_known, found.phones_ready) == (10, 9, 7)
    assert found.says() == "of 10 phones 7 are ready on pbx-b"
    assert found.phones_missing == {
        "1000": "pbx-b does not reach it",
        "1001": "pbx-b does not reach it",
        "1009": "pbx-b does not know it",
    }


def test_a_phone_that_answers_neither_node_and_a_chan_sip_phone_say_so() -> None:
    old = Map({"2001": Contact("2001", "SIP/2001", ContactStatus.REACHABLE, START)})
    state = pair({"contacts": phones(1, lost=1, keep=old)}, {"contacts": phones(1, lost=1)})
    assert figures(state).phones_missing == {
        "1000": "it answers neither node",
        "2001": "not mirrored (chan_sip): it must register anew",
    }


def test_a_queue_is_ready_when_each_of_its_agents_could_be_rung() -> None:
    here = queue(agent(1), agent(2, paused=True, reason="lunch"))
    for there, why in (
        (here, ""),
        (Map(), "pbx-b knows none of its agents"),
        (queue(agent(1)), "pbx-b lacks Agent 2"),
        (queue(agent(1, status="unavailable"), agent(2, True)), "pbx-b cannot ring Agent 1"),
        (queue(agent(1), agent(2)), "on pbx-b the pause differs of Agent 2"),
        (queue(agent(1, True, "in a call on pbx-a (orchestrator)"), agent(2, True)), ""),
    ):
        found = figures(pair({"queues": here}, {"queues": there}))
        assert found.queues_missing == ({"sales": why} if why else {})
        assert found.queues_ready == (0 if why else 1)


def test_nothing_is_known_of_a_picture_that_is_not_in_step() -> None:
    assert standby_figures(pair({}, {"in_sync": False}), MIRRORED, START) is None
    assert check(pair({}, {"in_sync": False}), "phones").ok is None


def test_a_cold_standby_is_said_but_keeps_no_move_from_beginning() -> None:
    state = pair({"contacts": phones(10, keep=KEEP)}, {})
    assert check(state, "phones").ok is False
    assert "of 10 phones 0 are ready on pbx-b" in check(state, "phones").why
    assert not missing(state, MIRRORED, START, "pbx-b")
    assert all(not c.gates for c in readiness(state, MIRRORED, START, "pbx-b") if c.ok is False)


def test_without_a_mirror_nothing_is_said_of_it() -> None:
    names = [c.name for c in readiness(pair({}, {}), POLICY, START, "pbx-b")]
    assert "phones" not in names and "mirror" not in names


def test_clocks_that_differ_or_are_not_known_are_said() -> None:
    names = [c.name for c in readiness(pair({}, {}), MIRRORED, START, "pbx-b")]
    assert "clocks" not in names
    apart = check(pair({}, {"clock_ahead_s": -37.0}), "clocks")
    assert apart.ok is False and "pbx-b is 37.0 s behind" in apart.why
    assert check(pair({}, {"clock_ahead_s": None}), "clocks").ok is None


def test_without_security_events_the_delay_is_named() -> None:
    deaf = Map({MirrorKind.CONTACT: Listing(at=START, unnoticed=3)})
    assert "only every 30 s" in check(pair({"listings": deaf}, {}), "refreshes").why
    hears = Map({MirrorKind.CONTACT: Listing(at=START, unnoticed=3, hears_auth=True)})
    state = pair({"listings": hears}, {})
    assert "refreshes" not in [c.name for c in readiness(state, MIRRORED, START, "pbx-b")]


def test_ari_that_does_not_answer_is_said() -> None:
    silent = Observation(Outcome.REFUSED, START, 0.0, START)
    state = pair({}, {"observations": Map({Observer.ARI: silent})})
    assert check(state, "ARI of pbx-b").ok is False
    assert check(state, "ARI of pbx-a").ok is None


def test_a_list_that_fails_never_came_or_is_old_is_said() -> None:
    assert check(pair({}, {}), "mirror").ok is True
    never = check(pair({"listings": Map()}, {}), "mirror")
    assert never.ok is None and "pbx-a's contact list has not come yet" in never.why
    failed = Map({MirrorKind.CONTACT: Listing(problem="no privilege")})
    assert "no privilege" in check(pair({}, {"listings": failed}), "mirror").why
    old = Map({MirrorKind.CONTACT: Listing(at=START - 100.0)})
    assert "100 s old" in check(pair({}, {"listings": old}), "mirror").why


def test_a_write_that_fails_as_a_whole_is_said() -> None:
    state = pair({}, {})
    pauses = Map({"mirror: write contact on pbx-b": Pause(2, START + 1.0, "no answer")})
    state = replace(state, mirror=replace(state.mirror, pauses=pauses))
    assert "no answer" in check(state, "mirror").why


def test_a_phone_in_a_shared_store_can_be_called_without_the_standbys_having_heard_of_it() -> None:
    state = pair({"contacts": phones(2, keep=KEEP)}, {"contacts": KEEP})
    assert figures(state).phones_ready == 0
    aor = next(one.aor for key, one in state.nodes["pbx-a"].contacts.items() if key not in KEEP)
    stored = Map({f"{aor};@1": (("endpoint", aor),)})
    owners = Map({aor: frozenset({f"{aor};@1"})})
    listed = Map({MirrorKind.CONTACT: Listing(items=stored, owners=owners, at=START)})
    for name in ("pbx-a", "pbx-b"):
        node = replace(state.nodes[name], listings=listed)
        state = replace(state, nodes=state.nodes.set(name, node))
    assert figures(state).phones_ready == 0, "two stores: what is listed must be reached, too"
    shared = replace(state, mirror=replace(state.mirror, shared=True))
    assert (figures(shared).phones_known, figures(shared).phones_ready) == (1, 1)
    assert "left alone" in check(shared, "shared contacts").why
