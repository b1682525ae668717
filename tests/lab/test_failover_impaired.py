"""One observer lost is no disaster: Asterisk is well, calls go on, nothing moves."""

from __future__ import annotations

import time
from collections.abc import Callable

from contrib.lab import Lab
from contrib.lab.node import Node
from tests.lab.watching import Watched, watched

LOSSES: dict[str, tuple[Callable[[Node], object], str]] = {
    "ami-silent": (lambda node: node.close(5038), "impaired"),
    "ami-refused": (lambda node: node.close(5038, refuse=True), "impaired"),
    "ari-silent": (lambda node: node.close(8088), "healthy"),
    "ssh-silent": (lambda node: node.close(22), "healthy"),
}


def _calls_go_on(seen: Watched, since: float) -> None:
    callers = seen.callers
    assert callers.count("answered", since) > 50
    assert callers.count("refused", since) == callers.count("unanswered", since) == 0
    assert callers.answered_by(since) == {seen.lab.node("a").address}


def test_lost_ami_ari_and_ssh_one_by_one_move_nothing(lab: Lab) -> None:
    with watched(lab) as seen:
        assert seen.callers
        since = time.time()
        for name, (lose, verdict) in LOSSES.items():
            lose(lab.node("a"))
            seen.stays("pbx-a", 1.5)
            assert seen.verdict("pbx-a") == verdict, name
            lab.node("a").heal()
            seen.until_verdict("pbx-a", "healthy", 15)
        seen.stays("pbx-a", 1)
        _calls_go_on(seen, since)
        assert seen.holders.sequence() == ["a"]


def test_sip_that_only_the_orchestrator_misses_moves_nothing(lab: Lab) -> None:
    with watched(lab) as seen:
        assert seen.callers
        since = time.time()
        lab.run_in("ctl", ["nft", "add table inet nosip"])
        chain = "{ type filter hook output priority 0; }"
        lab.run_in("ctl", ["nft", f"add chain inet nosip out {chain}"])
        address = lab.node("a").address
        rule = f"add rule inet nosip out ip daddr {address} udp dport 5060 drop"
        lab.run_in("ctl", ["nft", rule])
        try:
            seen.until_verdict("pbx-a", "impaired")
            seen.stays("pbx-a", 2)
            _calls_go_on(seen, since)
        finally:
            lab.run_in("ctl", ["nft", "delete table inet nosip"])
        seen.until_verdict("pbx-a", "healthy", 15)
