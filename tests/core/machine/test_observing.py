"""A rule that only observes: what it would do is said, and nothing is done."""

from __future__ import annotations

import pytest
from immutables import Map

from orchestrator.core.machine.orders import follow_rule
from orchestrator.core.machine.work import Work
from orchestrator.core.rulebook.types import Ask, Request
from orchestrator.core.rules import RuleSet
from orchestrator.core.words import Severity
from tests.core.rule_lab import POLICY, START, Play

ARGS = {
    Ask.NOTIFY: Map(severity=Severity.CRITICAL, title="phones are lost", text="look at the switch"),
    Ask.HOLD: Map(reason="cabling"),
    Ask.COMMAND: Map(node="pbx-a", name="collect"),
    Ask.AMI_ACTION: Map(node="pbx-a", action=(("Action", "Ping"),)),
}
WOULD = {Ask.NOTIFY: "would tell people: phones are lost: look at the switch"}


@pytest.mark.parametrize("ask", list(Ask))
def test_it_is_noted_and_not_done(ask: Ask) -> None:
    before = Play(RuleSet(), POLICY).state
    work = Work(before, POLICY, START)
    follow_rule(work, Request("x", ask, "the reason", ARGS.get(ask, Map()), observed=True))
    (note,) = work.state.notes
    assert note.startswith("rule x only observes; it would ")
    assert WOULD.get(ask, f"would ask for {ask}: the reason") in note
    assert work.commands == []
    assert (work.state.move, work.state.hold, work.state.phase) == (None, None, before.phase)
