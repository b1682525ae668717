"""Back to the preferred node: by its gated rule, by order, and refused outside the hours."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from contrib.lab import Lab
from tests.lab.watching import watched

RULE = [str(Path(__file__).parents[2] / "rules" / "failback.yaml")]
ALWAYS = "00:00-24:00"


def closed_now() -> str:
    """Hours, in UTC, that begin in two hours."""
    begin = datetime.now(UTC) + timedelta(hours=2)
    return f"{begin:%H:%M}-{begin + timedelta(hours=1):%H:%M}"


def test_the_rule_goes_back_when_the_preferred_node_was_well_long_enough(
    lab: Lab, tmp_path: Path
) -> None:
    hasty = tmp_path / "failback.yaml"
    hasty.write_text(Path(RULE[0]).read_text().replace("for: 10s", "for: 1s"), encoding="utf-8")
    gate = {"hours": ALWAYS, "after": "5s"}
    with watched(lab, failback=gate, rules=[str(hasty)], timezone="UTC") as seen:
        assert seen.callers
        at = time.time()
        seen.service.ask("switchover", "--at-most", "20s")
        seen.until_moved("pbx-b")
        since = float(seen.service.status()["active_since"])
        talkers = seen.talk(2, "b")
        seen.wait(lambda: lab.vip_holder() == "a", "the rule goes back", 20)
        assert time.time() - since >= 5
        seen.hang_up(talkers, 2)
        moved = seen.until_moved("pbx-a")
        last = moved["last_move"]
        assert (last["kind"], last["by"]) == ("failback", "rule failback")
        assert talkers.end()["cut"] == 0
        assert seen.callers.count("refused", at) == 0
        seen.trunk_serves("a")


def test_closed_hours_refuse_the_order_with_words_and_keep_the_rule_still(lab: Lab) -> None:
    gate = {"hours": closed_now(), "after": "1s"}
    with watched(lab, failback=gate, rules=RULE, timezone="UTC") as seen:
        seen.service.ask("switchover", "--at-most", "20s")
        seen.until_moved("pbx-b")
        refused = seen.service.ask("failback", check=False)
        assert refused.returncode != 0
        assert gate["hours"] in refused.stderr and "switchover --to pbx-a" in refused.stderr
        assert "failback.allowed is false" in seen.service.ask("explain", "failback").stdout
        seen.stays("pbx-b", 1)
        seen.service.ask("switchover", "--to", "pbx-a", "--at-most", "20s")
        seen.until_moved("pbx-a")


def test_without_hours_an_order_goes_back(lab: Lab) -> None:
    with watched(lab, rules=RULE) as seen:
        seen.service.ask("switchover", "--at-most", "20s")
        seen.until_moved("pbx-b")
        seen.stays("pbx-b", 1)
        done = seen.service.ask("failback", "--wait", "--at-most", "20s")
        assert "pbx-a is active" in done.stdout
        assert seen.until_moved("pbx-a")["last_move"]["kind"] == "failback"
