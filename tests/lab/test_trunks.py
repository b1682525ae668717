"""Trunks that are lost: on the active alone (move), for both nodes (tell people, move nothing)."""

from __future__ import annotations

from pathlib import Path

import pytest

from contrib.lab import Lab
from tests.lab.watching import watched

PACK = Path(__file__).parents[2] / "rules" / "trunks-down.yaml"


@pytest.fixture
def hasty_rules(tmp_path: Path) -> list[str]:
    """The shipped pack, with 2 s of patience instead of 15 s."""
    text = PACK.read_text(encoding="utf-8")
    assert "for: 15s" in text
    path = tmp_path / "trunks-down.yaml"
    path.write_text(text.replace("for: 15s", "for: 2s"), encoding="utf-8")
    return [str(path)]


def test_the_standby_takes_over_when_it_alone_reaches_the_provider(
    lab: Lab, hasty_rules: list[str]
) -> None:
    with watched(lab, rules=hasty_rules) as seen:
        talkers = seen.talk(2)
        lab.node("a").cut_from("trunk")
        seen.wait(lambda: lab.vip_holder() == "b", "the address is on b", 20)
        seen.hang_up(talkers, 2)
        moved = seen.until_moved("pbx-b", 30)
        last = moved["last_move"]
        assert (last["kind"], last["by"]) == ("switchover", "rule trunks-down")
        assert talkers.end()["cut"] == 0
        seen.trunk_serves("b")


def test_a_provider_that_is_down_for_both_moves_nothing(lab: Lab, hasty_rules: list[str]) -> None:
    with watched(lab, rules=hasty_rules) as seen:
        assert seen.callers
        lab.provider.off()
        words = ("To people", "call the provider")
        seen.wait(lambda: seen.says(*words), "people are told", 20)
        seen.stays("pbx-a", 1)
        trunks = seen.service.status()["nodes"]["pbx-a"]["trunks"]
        assert trunks[0]["contact"] == "unreachable"
        lab.provider.ok()
        seen.trunk_serves("a")


def test_a_provider_that_rejects_moves_nothing_that_would_not_help(
    lab: Lab, hasty_rules: list[str]
) -> None:
    """OPTIONS are still answered, so the standby looks able; it is asked before anything moves."""
    with watched(lab, rules=hasty_rules) as seen:
        assert seen.callers
        lab.provider.reject()
        seen.wait(
            lambda: (
                seen.service.status()["nodes"]["pbx-a"]["trunks"][0]["registration"] == "rejected"
            ),
            "the rejection is seen",
            20,
        )
        words = ("pbx-b could not take the trunks", "everything goes back to pbx-a")
        seen.wait(lambda: seen.says(*words), "the move was tried and goes back", 40)
        lab.provider.ok()
        assert seen.until_moved("pbx-a")["last_move"]["outcome"] == "rolled-back"
        assert seen.holders.sequence() == ["a"]
        seen.trunk_serves("a", 40)
