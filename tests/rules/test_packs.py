"""All shipped packs at once, as a site runs them, with the facts that the service works out.

What each rule does is in the tests beside it: ``rules/NAME.test.yaml``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from immutables import Map

from orchestrator.config.paths import matching_files, shipped_rules
from orchestrator.config.rule_files import load_rules
from orchestrator.core.state import FailbackPolicy, Listing, MirrorPolicy, Move
from orchestrator.core.words import MirrorKind, MoveKind, Severity, Verdict
from tests.core.rule_lab import POLICY, START, Play, asks, phones, trunk

PACKS = matching_files(shipped_rules())
ALL = load_rules([shipped_rules()], nodes=("pbx-a", "pbx-b"), commands=())
LOST = (
    ("active-dead", Verdict.DEAD),
    ("active-hung", Verdict.HUNG),
    ("active-unreachable", Verdict.UNREACHABLE),
)


@pytest.fixture
def play() -> Play:
    """All packs at once, as a site runs them, on a pair that is well."""
    play = Play(ALL)
    for name in ("pbx-a", "pbx-b"):
        contacts = play.state.nodes[name].contacts
        play.node(name, contacts=phones(50, keep=contacts) if name == "pbx-a" else contacts)
    assert play.run(5) == []
    return play


@pytest.mark.parametrize("path", PACKS, ids=lambda path: path.stem)
def test_every_pack_begins_with_its_purpose(path: Path) -> None:
    purpose = path.read_text().splitlines()[1]
    assert purpose.startswith("# ") and purpose.endswith(".")


def test_a_pair_that_is_well_asks_for_nothing_all_day(play: Play) -> None:
    assert play.run(86_400, pace=30) == []


def test_unknown_nodes_move_nothing(play: Play) -> None:
    for name in ("pbx-a", "pbx-b"):
        play.verdict(name, Verdict.UNKNOWN)
    asked = play.run(3600, pace=5, stale=frozenset({"pbx-a", "pbx-b"}))
    assert set(asks(asked)) == {"standby-not-ready:notify"}


@pytest.mark.parametrize(("rule", "verdict"), LOST)
def test_a_lost_active_node_fails_over_at_once_and_nothing_else_is_asked(
    play: Play, rule: str, verdict: Verdict
) -> None:
    play.now += 0.002
    play.verdict("pbx-a", verdict, "both observers say so")
    assert asks(play.step()) == [f"{rule}:failover", f"{rule}:notify"]
    assert set(asks(play.run(30))) == {f"{rule}:failover"}


@pytest.mark.parametrize("verdict", [Verdict.IMPAIRED, Verdict.UNKNOWN])
@pytest.mark.parametrize("node", ["pbx-a", "pbx-b"])
def test_an_impaired_or_unknown_node_moves_nothing(play: Play, node: str, verdict: Verdict) -> None:
    play.verdict(node, verdict)
    assert {ask.partition(":")[2] for ask in asks(play.run(600))} <= {"notify"}


def test_a_lost_standby_moves_nothing(play: Play) -> None:
    play.verdict("pbx-b", Verdict.DEAD)
    assert set(asks(play.run(600))) == {"standby-not-ready:notify"}


def test_a_standby_that_could_not_ring_the_phones_is_told_of() -> None:
    mirrored = replace(POLICY, mirror=MirrorPolicy(compare_every_s=30.0))
    play = Play(ALL, mirrored)
    for name, count in (("pbx-a", 50), ("pbx-b", 49)):
        contacts = phones(count, keep=play.state.nodes[name].contacts)
        play.node(name, contacts=contacts, listings=Map({MirrorKind.CONTACT: Listing(at=START)}))
    assert play.run(600, pace=5) == []  # one phone more or less is nobody's business
    trunk_only = trunk(reachable=True, registered=False)["contacts"]
    play.node("pbx-b", contacts=phones(20, keep=trunk_only))  # type: ignore[arg-type]
    assert play.run(115, pace=5) == []
    (told,) = play.run(60, pace=5)
    assert told.args["severity"] is Severity.WARNING
    assert "could ring 20 of the 50 phones" in str(told.args["text"])
    play.node("pbx-b", contacts=play.state.nodes["pbx-a"].contacts)
    (over,) = play.run(120, pace=5)
    assert "could ring the phones again" in str(over.args["text"])


def test_where_nothing_is_mirrored_a_cold_standby_is_no_alarm(play: Play) -> None:
    assert play.state.nodes["pbx-b"].contacts != play.state.nodes["pbx-a"].contacts
    assert play.run(3600, pace=5) == []


def test_a_long_drain_in_overlap_is_no_alarm(play: Play) -> None:
    """While the old active bleeds off, its trunk is away and its phones leave it, as planned."""
    move = Move(1, MoveKind.SWITCHOVER, "pbx-a", "pbx-b", "operator", "", play.now, play.now)
    play.pair(move=move)
    play.node("pbx-a", **trunk(reachable=True, registered=False))
    play.node("pbx-b", **trunk(reachable=True, registered=True))
    play.count("pbx-a", contacts_lost=50)
    assert play.run(900, pace=5) == []


def test_a_standby_that_is_not_ready_is_told_and_told_again(play: Play) -> None:
    play.verdict("pbx-b", Verdict.IMPAIRED, "AMI is lost")
    assert play.run(55) == []
    (request,) = play.run(10)
    assert "pbx-b could not take over" in str(request.args["text"])
    assert "AMI is lost" in str(request.args["text"])
    assert len(play.run(4 * 3600, pace=10)) == 1
    play.verdict("pbx-b", Verdict.HEALTHY)
    (over,) = play.run(120)
    assert "could take over again" in str(over.args["text"])


NIGHT = FailbackPolicy(hours=(22 * 60, 6 * 60), days=frozenset(range(7)), after_s=900.0)
ANY_TIME = replace(NIGHT, hours=(0, 24 * 60))


def on_b(gate: FailbackPolicy | None) -> Play:
    play = Play(ALL, replace(POLICY, failback=gate))
    play.pair(active="pbx-b", active_since=START)
    play.node("pbx-a", holds_address=False)
    play.node("pbx-b", holds_address=True)
    play.node("pbx-b", **trunk(reachable=True, registered=True))
    play.node("pbx-a", **trunk(reachable=True, registered=False))
    return play


def test_failback_waits_for_its_hours() -> None:
    play = on_b(NIGHT)  # it is 08:00
    assert play.run(14 * 3600 - 10, pace=10) == []
    assert "failback:failback" in asks(play.run(60))


def test_without_hours_nothing_goes_back_by_itself() -> None:
    assert on_b(None).run(86_400, pace=30) == []
