"""The whole service keeps the standby of a real pair warm, and says so when it cannot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from contrib.lab import Lab
from contrib.lab.node import Node
from tests.lab.mirrored import (
    Member,
    Told,
    device,
    key,
    members,
    reached,
    registrations,
    seconds_until_warm,
    standby,
    why_not,
)
from tests.lab.rig import Peer, afresh, held, phones, wait_for
from tests.lab.watching import watched

SAME_S = 2.0  # of two ends of one registration, which are whole seconds
AGENTS = {f"PJSIP/{number}": Member(dynamic=False) for number in (1001, 1002, 1003)}
LUNCH = Member(penalty=2, paused="lunch")


@pytest.fixture
def quiet_lab(lab: Lab) -> Iterator[Lab]:
    afresh(lab)
    yield lab
    afresh(lab)
    for node in lab.nodes.values():
        if node.state != "gone":
            node.kill()
        forget(node)
        node.start()


def forget(node: Node) -> None:
    """While it is down: it loses its astdb (registrations, members, states)."""
    for path in node.asterisk.directory.glob("db/astdb*"):
        path.unlink()


def in_step(lab: Lab) -> bool:
    """Whether both nodes have the same of everything that is mirrored."""
    one, other = registrations(lab, "a"), registrations(lab, "b")
    return (
        one.keys() == other.keys()
        and all(abs(one[phone] - other[phone]) < SAME_S for phone in one)
        and members(lab, "a") == members(lab, "b")
        and key(lab, "a", "CF/1001") == key(lab, "b", "CF/1001")
        and device(lab, "a", "Custom:night") == device(lab, "b", "Custom:night")
    )


def within(true: Callable[[], Any], what: str, seconds: float) -> float:
    """How long it took, in seconds; AssertionError when longer."""
    began = time.monotonic()
    wait_for(true, what, seconds)
    return time.monotonic() - began


def test_registrations_come_are_refreshed_and_go(quiet_lab: Lab) -> None:
    lab = quiet_lab
    with watched(lab) as seen:
        wait_for(lambda: not registrations(lab, "b"), "pbx-b knows nobody")
        peer = Peer(lab, "phones", 21, "--no-audio", "--expires-s", "8").until("registered", 3)
        within(lambda: len(registrations(lab, "b")) == 3, "pbx-b knows three", 2)
        wait_for(lambda: len(reached(lab, "b")) == 3, "pbx-b reaches them by its own qualify", 5)
        stale = []
        for _ in range(3):  # each phone refreshes every 4 s
            before = registrations(lab, "a")
            wait_for(lambda old=before: registrations(lab, "a") != old, "a refresh", 8)  # type: ignore[misc]
            now = registrations(lab, "a")
            stale.append(within(lambda new=now: newer(registrations(lab, "b"), new), "copied", 2))  # type: ignore[misc]
        print("a refresh was copied within", [f"{one:.2f} s" for one in stale])
        assert why_not(seen.service) == ""
        peer.end()
        wait_for(lambda: not registrations(lab, "a"), "the phones unregister")
        within(lambda: not registrations(lab, "b"), "pbx-b forgets them", 3)


def newer(there: dict[str, float], here: dict[str, float]) -> bool:
    return all(there.get(phone, 0) >= end - SAME_S / 2 for phone, end in here.items())


def test_agents_keys_and_states_arrive(quiet_lab: Lab) -> None:
    lab, a = quiet_lab, quiet_lab.node("a")
    with watched(lab):
        a.cli("queue add member PJSIP/1009 to support penalty 2 as Agent1009")
        within(lambda: members(lab, "b").get("PJSIP/1009") == Member(2), "logged in", 2)
        a.cli("queue pause member PJSIP/1009 queue support reason lunch")
        within(lambda: members(lab, "b").get("PJSIP/1009") == LUNCH, "paused", 2)
        a.cli("queue pause member PJSIP/1001 queue support reason training")
        within(lambda: members(lab, "b")["PJSIP/1001"].paused == "training", "static, too", 2)
        a.cli("queue unpause member PJSIP/1009 queue support")
        within(lambda: members(lab, "b").get("PJSIP/1009") == Member(2), "unpaused", 2)
        a.cli("queue remove member PJSIP/1009 from support")
        within(lambda: "PJSIP/1009" not in members(lab, "b"), "logged out", 2)
        a.cli("devstate change Custom:night INUSE")
        within(lambda: device(lab, "b", "Custom:night") == "INUSE", "device state", 2)
        a.cli("database put CF 1001 5551234")
        within(lambda: key(lab, "b", "CF/1001") == "5551234", "call forward", 12)
        a.cli("database del CF 1001")
        within(lambda: key(lab, "b", "CF/1001") is None, "no call forward", 12)


def test_after_a_failover_and_the_way_back_nothing_is_doubled_or_lost(quiet_lab: Lab) -> None:
    lab = quiet_lab
    a, b = lab.node("a"), lab.node("b")
    a.cli("queue add member PJSIP/1009 to support penalty 2 as Agent1009")
    a.cli("queue pause member PJSIP/1009 queue support reason lunch")
    a.cli("database put CF 1001 5551234")
    a.cli("devstate change Custom:night INUSE")
    told = Told(lab)
    with watched(lab) as seen:
        peer = phones(lab)
        wait_for(lambda: len(reached(lab, "b")) == 3, "three phones on pbx-b", 15)
        seconds_until_warm(seen.service, 3, 1, 15)
        wait_for(lambda: in_step(lab), "both have the same", 15)
        assert told.to("a") == [], "the holder is told nothing"

        a.kill()
        seen.until_moved("pbx-b")
        seen.wait(lambda: reached(lab, "b") == {"1001", "1002", "1003"}, "still reached", 5)
        assert members(lab, "b") == {**AGENTS, "PJSIP/1009": LUNCH}
        turned = time.time()
        b.cli("database put CF 1001 5559999")
        b.cli("queue unpause member PJSIP/1009 queue support")
        Peer(lab, "phones", 22, "--no-audio", "--numbers", "1004").until("registered")
        a.start()
        seconds_until_warm(seen.service, 4, 1, 20)
        wait_for(lambda: in_step(lab), "both have the same again", 20)
        assert registrations(lab, "a").keys() == {"1001", "1002", "1003", "1004"}
        assert members(lab, "a") == {**AGENTS, "PJSIP/1009": Member(2)}
        assert key(lab, "a", "CF/1001") == "5559999"
        assert told.to("a"), "now pbx-a is the one that is told"
        assert told.to("b", turned) == [], "the holder is told nothing"

        asked = time.time()
        seen.service.ask("switchover", "--to", "pbx-a", "--at-most", "20s")
        seen.until_moved("pbx-a")
        a.cli("queue pause member PJSIP/1009 queue support reason lunch")
        within(lambda: members(lab, "b")["PJSIP/1009"] == LUNCH, "turned round again", 3)
        wait_for(lambda: in_step(lab), "both have the same at last", 20)
        changed = seen.holders.history[-1][0]
        assert told.to("a", changed) == [] and told.to("b", asked)
        assert members(lab, "a") == {**AGENTS, "PJSIP/1009": LUNCH}
        registered = [line for line in peer.said if line["event"] == "registered"]
        assert len(registered) == 3, "no phone had to register again"
    told.end()


@pytest.mark.parametrize("astdb", ["kept", "lost"])
def test_a_standby_that_was_restarted_is_warm_again(quiet_lab: Lab, astdb: str) -> None:
    lab, b = quiet_lab, quiet_lab.node("b")
    numbers = [str(number) for number in range(1001, 1016)]
    with watched(lab) as seen:
        Peer(lab, "phones", 21, "--no-audio", "--numbers", *numbers).until("registered", 15)
        lab.node("a").cli("queue add member PJSIP/1009 to support penalty 2 as Agent1009")
        seconds_until_warm(seen.service, 15, 1, 20)
        b.kill()
        seen.wait(lambda: standby(seen.service)["phones_ready"] is None, "noticed", 5)
        if astdb == "lost":
            forget(b)
        b.start()
        print("warm again after", seconds_until_warm(seen.service, 15, 1, 15), "s")
        wait_for(lambda: reached(lab, "b") == set(numbers), "and reaches them all", 15)
        assert members(lab, "b") == members(lab, "a")


def test_an_ari_that_is_gone_is_named_and_comes_back(quiet_lab: Lab) -> None:
    lab, b = quiet_lab, quiet_lab.node("b")
    with watched(lab) as seen:
        seconds_until_warm(seen.service, 0, 1, 20)
        b.close(8088, refuse=True)
        phones(lab)
        seen.wait(lambda: "ARI of pbx-b" in why_not(seen.service), "readiness names ARI", 10)
        seen.wait(
            lambda: "of 3 phones 0 are ready on pbx-b" in why_not(seen.service), "and the phones", 5
        )
        assert standby(seen.service)["ready"], "the move itself needs no ARI"
        b.heal()
        seconds_until_warm(seen.service, 3, 1, 25)
        assert why_not(seen.service) == ""


def talks(lab: Lab, place: str) -> set[str]:
    """The agents with a call on that node."""
    lines = lab.node(place).cli("core show channels concise").splitlines()
    return {line[:10] for line in lines if line.startswith("PJSIP/100") and line[:10] in AGENTS}


def test_an_agent_who_talks_on_one_node_is_paused_on_the_other(quiet_lab: Lab) -> None:
    lab = quiet_lab
    lab.node("a").cli("queue pause member PJSIP/1003 queue support reason training")
    with watched(lab) as seen:
        phones(lab)
        wait_for(lambda: len(reached(lab, "b")) == 3, "three phones on pbx-b", 15)
        seconds_until_warm(seen.service, 3, 1, 15)
        old = held(lab, 1, number="700")
        wait_for(lambda: talks(lab, "a"), "an agent talks on pbx-a")
        (on_a,) = talks(lab, "a")
        assert {one.paused for one in members(lab, "b").values()} == {None, "training"}
        seen.service.ask("switchover", "--at-most", "60s")
        wait_for(lambda: seen.holders.now == {"b"}, "the address is on pbx-b", 15)
        since_a = "in a call on pbx-a (orchestrator)"
        wait_for(lambda: members(lab, "b")[on_a].paused == since_a, "paused on pbx-b", 5)
        new = held(lab, 1, host=23, phone="1006", number="700")
        wait_for(lambda: talks(lab, "b"), "an agent talks on pbx-b")
        (on_b,) = talks(lab, "b")
        assert on_b != on_a
        since_b = "in a call on pbx-b (orchestrator)"
        wait_for(lambda: members(lab, "a")[on_b].paused == since_b, "paused on pbx-a", 5)
        for place in ("a", "b"):
            assert members(lab, place)["PJSIP/1003"].paused == "training", "his own pause stays"
        new.end()
        wait_for(lambda: members(lab, "a")[on_b].paused is None, "unpaused on pbx-a", 5)
        assert old.end()["cut"] == 0
        seen.until_moved("pbx-b", 30)
        wait_for(lambda: members(lab, "b")[on_a].paused is None, "unpaused on pbx-b", 5)
        for place in ("a", "b"):
            assert members(lab, place)["PJSIP/1003"].paused == "training", "his own pause stays"
