"""The active node is killed, hangs or loses its cable: the standby serves, and nobody twice."""

from __future__ import annotations

import time

from contrib.lab import Lab
from tests.lab.watching import watched


def test_a_killed_node_is_replaced_and_comes_back_as_the_standby(lab: Lab) -> None:
    with watched(lab) as seen:
        assert seen.callers
        time.sleep(0.5)
        at = lab.node("a").kill()
        seen.until_served_by("b", at)
        gap = seen.callers.gap_ms(at)
        assert gap is not None and gap < 1000
        moved = seen.until_moved("pbx-b")
        assert moved["last_move"]["kind"] == "failover"
        seen.trunk_serves("b")
        again = lab.node("a").start()
        seen.until_verdict("pbx-a", "healthy")
        seen.wait(lambda: lab.node("a").trunk == "Unregistered", "a lets the trunk go", 10)
        time.sleep(1.5)  # a fresh Asterisk registers a second after its start
        assert lab.node("a").trunk == "Unregistered"
        seen.trunk_serves("b")
        assert seen.callers.answered_by(again) == {lab.node("b").address}
        assert seen.callers.count("refused", at) == 0
        assert seen.holders.sequence() == ["a", "b"]
        seen.stays("pbx-b", 0.1)


def test_a_hung_node_is_fenced_and_killed(lab: Lab) -> None:
    with watched(lab, fencing={"hung": ["kill"]}) as seen:
        assert seen.callers
        at = lab.node("a").stop()
        seen.until_served_by("b", at)
        seen.until_moved("pbx-b")
        assert lab.node("a").state == "gone"
        assert seen.holders.sequence() == ["a", "b"]
        assert seen.says("pbx-a is hung")


def test_a_hung_node_that_goes_on_is_the_standby(lab: Lab) -> None:
    with watched(lab) as seen:
        at = lab.node("a").stop()
        seen.until_moved("pbx-b")
        seen.until_served_by("b", at)
        lab.node("a").cont()
        seen.until_verdict("pbx-a", "healthy")
        seen.wait(lambda: lab.node("a").trunk == "Unregistered", "a lets the trunk go", 10)
        seen.stays("pbx-b", 1)
        seen.trunk_serves("b")


def test_an_isolated_node_gives_the_address_up_by_itself(lab: Lab) -> None:
    with watched(lab) as seen:
        assert seen.callers
        at = lab.node("a").unplug()
        seen.until_served_by("b", at)
        seen.until_moved("pbx-b")
        assert lab.vip_holders() == ("b",)
        changes = [(when, holders) for when, holders in seen.holders.history if when > at]
        assert changes[0][1] == frozenset(), "its guard let go before b took the address"
        lab.node("a").plug()
        seen.until_verdict("pbx-a", "healthy", 20)
        seen.wait(lambda: lab.node("a").trunk == "Unregistered", "a lets the trunk go", 15)
        seen.stays("pbx-b", 1)
        assert seen.holders.sequence() == ["a", "b"]


def test_the_orchestrators_own_cable_moves_nothing(lab: Lab) -> None:
    with watched(lab) as seen:
        at = time.time()
        assert seen.callers
        lab.network.plug("ctl", plugged=False)
        for name in ("pbx-a", "pbx-b"):
            seen.until_verdict(name, "unknown")
        seen.stays("pbx-a", 2)
        lab.network.plug("ctl", plugged=True)
        for name in ("pbx-a", "pbx-b"):
            seen.until_verdict(name, "healthy", 20)
        seen.stays("pbx-a", 2)
        assert seen.callers.count("answered", at) > 100
        assert seen.callers.count("refused", at) == seen.callers.count("unanswered", at) == 0
        assert seen.holders.sequence() == ["a"]
