"""Which names a rule mentions, and which of them the pair has."""

from __future__ import annotations

from orchestrator.core.conditions import compile_condition
from orchestrator.core.facts.names import names_of, strangers
from orchestrator.core.facts.schema import make_schema
from orchestrator.core.language.parts import Mention
from orchestrator.core.rules import RuleSet
from orchestrator.core.state import Queue
from tests.core.rule_lab import POLICY, Play, phones


def mentions(text: str) -> list[tuple[str, Mention]]:
    condition = compile_condition(text, make_schema(), [])
    assert condition
    return [(f"r.yaml:1:{mention.offset + 1}", mention) for mention in condition.mentions]


def test_comparisons_lists_and_patterns_mention_names() -> None:
    text = (
        'any(t.registered for t in active.trunks if "x" == t.name or t.name in ["y", "z"])'
        ' and count(c for c in active.contacts if like(c.aor, "62*")) > 1'
    )
    found = [(m.record, m.fact, m.text, m.pattern) for _, m in mentions(text)]
    assert found == [
        ("trunk", "name", "x", False),
        ("trunk", "name", "y", False),
        ("trunk", "name", "z", False),
        ("contact", "aor", "62*", True),
    ]
    assert all(text[m.offset + 1 : m.offset + 1 + len(m.text)] == m.text for _, m in mentions(text))


def test_strangers_are_named_with_the_nearest_name() -> None:
    play = Play(RuleSet())
    play.node("pbx-a", contacts=phones(3), queues=play.state.nodes["pbx-a"].queues.set(
        "support", Queue("support")))  # fmt: skip
    names = names_of(play.state, POLICY, play.now)
    text = (
        'any(q.callers > 3 for q in active.queues if q.name == "suport")'
        ' or all(c.reachable for c in active.contacts if c.aor in ["1000", "4711"])'
    )
    said, untold = strangers(mentions(text), names)
    assert untold == []
    assert [line.partition(": ")[2] for line in said] == [
        "the pair has no queue 'suport' now; did you mean 'support'?",
        "the pair has no phone '4711' now; known are: 1000, 1001, 1002",
    ]


QUEUE = 'any(q.callers > 3 for q in active.queues if q.name == "x")'
PHONE = 'any(c.reachable for c in active.contacts if c.aor == "1000")'


def test_what_can_not_be_known_is_not_called_a_stranger() -> None:
    play = Play(RuleSet())
    play.now += 3600
    missed, (said,) = strangers(mentions(QUEUE), names_of(play.state, POLICY, play.now))
    assert missed == []
    assert "queue 'x' can't be told now: the queues of pbx-a and pbx-b are not known" in said


def test_one_stale_node_may_have_what_the_other_has_not() -> None:
    play = Play(RuleSet())
    play.node("pbx-a", contacts=phones(3), confirmed_at=None)
    missed, (said,) = strangers(mentions(PHONE), names_of(play.state, POLICY, play.now))
    assert missed == [] and "the phones of pbx-a are not known" in said
    play.node("pbx-b", contacts=phones(3))
    assert strangers(mentions(PHONE), names_of(play.state, POLICY, play.now)) == ([], [])


def test_what_could_not_be_asked_for_is_not_known() -> None:
    play = Play(RuleSet())
    play.node("pbx-b", missing=frozenset({"queues"}))
    names = names_of(play.state, POLICY, play.now)
    assert strangers(mentions(QUEUE), names)[0] == []
    assert len(strangers(mentions(PHONE), names)[0]) == 1
