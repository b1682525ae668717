"""The record of facts: what changed and only that; read back, it is the picture again."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from immutables import Map

from orchestrator.core.facts.node import NODE
from orchestrator.core.facts.record import GONE, Changes, Recorded, changes
from orchestrator.core.facts.schema import PAIR
from orchestrator.core.language.types import Kind
from orchestrator.core.rules import RuleSet
from orchestrator.core.state import Contact, Hold, Queue, QueueCaller
from orchestrator.core.words import ContactStatus, Phase, Verdict
from tests.core.rule_lab import START, Play, phones, trunk

URI = "sip:1000@10.77.0.20:51000"
PATH = f"pbx-a.contacts/1000/{URI}"


@pytest.fixture
def play() -> Play:
    play = Play(RuleSet())
    for name in ("pbx-a", "pbx-b"):
        play.node(name, contacts=phones(3, keep=play.state.nodes[name].contacts))
    return play


def look(last: Recorded, play: Play, after_s: float = 1.0, *, heard: bool = True) -> Changes:
    play.now += after_s
    if heard:
        for name in ("pbx-a", "pbx-b"):
            play.node(name, confirmed_at=play.now, address_at=play.now)
    return changes(last, play.state, play.policy, play.now)


def contact(play: Play, **new: object) -> None:
    contacts = play.state.nodes["pbx-a"].contacts
    changed = replace(contacts[URI], **new)  # type: ignore[arg-type]
    play.node("pbx-a", contacts=contacts.set(URI, changed))


def test_the_first_look_has_every_fact(play: Play) -> None:
    found = dict(look(Recorded(), play))
    single = {name for name, a in NODE.attributes.items() if a.type.kind is not Kind.LIST}
    for node in ("pbx-a", "pbx-b"):
        assert {f"{node}.{name}" for name in single - {"name", "role"}} <= found.keys()
    assert {f"pair.{name}" for name in PAIR.attributes} | {"pair.active"} <= found.keys()
    assert found["pair.active"] == "pbx-a"
    assert found["pair.move"] is None, "unknown is a value"
    assert found["pbx-a.trunks/trunk"]["registered"] is True
    assert found[PATH]["reachable"] is True
    assert json.loads(json.dumps(found)) == found


def test_time_alone_changes_nothing(play: Play) -> None:
    last = Recorded()
    look(last, play)
    assert [change for _ in range(600) for change in look(last, play)] == []


def test_what_goes_on_with_the_clock_is_recorded_as_its_beginning(play: Play) -> None:
    last = Recorded()
    assert dict(look(last, play))["pbx-a.verdict_for"] == START
    play.now += 50
    play.verdict("pbx-a", Verdict.HUNG)
    assert dict(look(last, play))["pbx-a.verdict_for"] == START + 51


def test_a_node_that_is_not_heard_is_recorded_once_not_with_every_second(play: Play) -> None:
    last = Recorded()
    look(last, play)
    found = dict(look(last, play, 100, heard=False))
    assert found["pbx-a.fresh"] is False and found["pbx-a.calls"] is None
    assert "ago" in found["pbx-a.missing"]
    assert [change for _ in range(600) for change in look(last, play, heard=False)] == []


def test_an_item_that_went_is_gone_and_not_unknown(play: Play) -> None:
    last = Recorded()
    look(last, play)
    play.node("pbx-a", contacts=play.state.nodes["pbx-a"].contacts.delete(URI))
    assert dict(look(last, play))[PATH] == GONE
    assert look(last, play) == []


def test_one_contact_is_one_entry_and_its_round_trip_only_when_it_matters(play: Play) -> None:
    last = Recorded()
    look(last, play)
    contact(play, rtt_ms=10.0)
    assert [path for path, _ in look(last, play)] == [PATH], "it was unknown before"
    contact(play, rtt_ms=15.0)
    assert look(last, play) == []
    contact(play, rtt_ms=300.0)
    assert dict(look(last, play))[PATH]["rtt"] == 0.3
    contact(play, status=ContactStatus.UNREACHABLE, since=play.now)
    found = dict(look(last, play))
    assert found[PATH]["status_for"] == play.now - 1
    assert found["pbx-a.phones_reachable"] == 2.0
    assert "pbx-b.phones_reachable" not in found


def test_the_waiting_of_a_caller_is_recorded_as_the_moment_it_began(play: Play) -> None:
    last = Recorded()
    look(last, play)
    caller = QueueCaller("1.1", 1, "555", play.now - 20)
    play.node("pbx-a", queues=Map(support=Queue("support", callers=Map({"1.1": caller}))))
    found = dict(look(last, play))["pbx-a.queues/support"]
    assert (found["callers"], found["longest_wait"]) == (1.0, play.now - 21)
    assert look(last, play) == []


# --- read back -----------------------------------------------------------------------------------


def shake(play: Play, dice: random.Random) -> None:
    """Change something, as it may happen."""
    name = dice.choice(("pbx-a", "pbx-b"))
    node = play.state.nodes[name]
    happen = dice.randrange(9)
    if happen == 0:
        play.pair(active=dice.choice(("pbx-a", "pbx-b", "")), active_since=play.now)
    elif happen == 1:
        play.verdict(name, dice.choice(list(Verdict)), dice.choice(("one", "other")))
    elif happen == 2:
        aor = str(dice.randrange(1000, 1010))
        uri = f"sip:{aor}@10.0.0.9"
        status = dice.choice(list(ContactStatus))
        contacts = node.contacts.set(uri, Contact(aor, uri, status, play.now))
        play.node(name, contacts=contacts)
    elif happen == 3 and len(node.contacts) > 1:
        play.node(name, contacts=node.contacts.delete(dice.choice(sorted(node.contacts))))
    elif happen == 4:
        play.node(name, **trunk(dice.choice((True, False, None)), dice.choice((True, False))))
    elif happen == 5:
        play.count(name, calls_attempted=1, contacts_lost=dice.randrange(2))
    elif happen == 6:
        missing = dice.choice((frozenset(), frozenset({"contacts"}), frozenset({"queues"})))
        play.node(name, missing=missing, holds_address=dice.choice((True, False, None)))
    elif happen == 7:
        queue = Queue("q", callers=Map({"1": QueueCaller("1", 1, "5", play.now)}))
        play.node(name, queues=dice.choice((Map(), Map(q=queue))))
    else:
        play.pair(phase=dice.choice(list(Phase)), phase_since=play.now,
                  hold=dice.choice((None, Hold("operator x", "why", play.now))))  # fmt: skip


def without_ages(found: dict[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in found.items() if not path.endswith(".missing")}


@pytest.mark.parametrize("seed", range(12))
def test_all_changes_together_are_the_whole_record(play: Play, seed: int) -> None:
    dice, last, read = random.Random(seed), Recorded(), dict[str, Any]()
    for _ in range(120):
        for _ in range(dice.randrange(3)):
            shake(play, dice)
        for path, value in look(last, play, 5, heard=dice.random() < 0.9):
            if value == GONE:
                del read[path]
            else:
                read[path] = value
        whole = dict(changes(Recorded(), play.state, play.policy, play.now))
        assert without_ages(read) == without_ages(whole)
