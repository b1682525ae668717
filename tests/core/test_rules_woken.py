"""Only rules that read what has changed are evaluated, and rules that read lists take turns."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from immutables import Map

from orchestrator.core.language.types import Look
from orchestrator.core.rules import PACE_S, STEPS_A_LOOK, RuleSet
from orchestrator.core.state import Channel, Hold, Queue
from orchestrator.core.words import ChannelState, Verdict
from tests.core.rule_lab import START, Play, phones, rules_of, trunk

ONE_OF_EACH = {
    "verdict": 'active.verdict == "dead"',
    "standby": 'standby.verdict == "dead"',
    "other": 'node("pbx-b").verdict == "dead"',
    "held": "pair.held",
    "trunks": "any(not t.registered for t in active.trunks)",
    "phones": "active.phones_known < 0",
    "list": 'any(c.aor == "x" for c in active.contacts)',
    "calls": "active.calls > 1000",
    "queues": "count(active.queues) > 1000",
    "counter": "active.calls_failed > 1000000",
    "rise": "increase(active.calls_failed, 5m) > 1000000",
    "clock": "time.hour > 24",
    "age": "active.verdict_for > 1000d",
}
CLOCKED = {"rise", "clock", "age"}
CHANNEL = Channel("1.1", "PJSIP/6201-1", ChannelState.UP, START)


class Watched(Play):
    """A play that knows how often each rule's condition was evaluated."""

    def __init__(self, ruleset: RuleSet) -> None:
        self.seen: Counter[str] = Counter()
        rules = []
        for rule in ruleset.rules:
            when = replace(rule.when, run=self._counting(rule.name, rule.when.run))
            rules.append(replace(rule, when=when))
        super().__init__(RuleSet(tuple(rules)))
        self.step()
        self.seen.clear()

    def _counting(self, name: str, run: object) -> object:
        def counted(look: Look) -> object:
            self.seen[name] += 1
            return run(look)  # type: ignore[operator]

        return counted

    def woken(self, after_s: float) -> set[str]:
        """Which rules the next step evaluates."""
        self.now += after_s
        self.seen.clear()
        self.step()
        assert set(self.seen.values()) <= {1}
        return set(self.seen)


def play_of(tmp_path: Path) -> Watched:
    texts = (f"{n}:\n  when: '{w}'\n  do: [notify]\n" for n, w in ONE_OF_EACH.items())
    return Watched(rules_of(tmp_path, "".join(texts)))


def test_nothing_changed_nothing_is_evaluated_but_what_reads_the_time(tmp_path: Path) -> None:
    play = play_of(tmp_path)
    for _ in range(20):
        assert play.woken(PACE_S / 25) == set()
    assert play.woken(PACE_S / 4) == CLOCKED
    assert play.woken(0.01) == set()


@pytest.mark.parametrize(
    ("changes", "readers"),
    [
        ({"verdict": Verdict.IMPAIRED}, {"verdict", "age"}),
        (trunk(reachable=True, registered=False) | {"contacts": None}, {"trunks"}),
        ({"holds_address": False, "observations": Map(), "devices": Map()}, set()),
    ],
)
def test_what_is_looked_at_at_once_wakes_its_readers_at_once(
    tmp_path: Path, changes: dict[str, object], readers: set[str]
) -> None:
    play = play_of(tmp_path)
    kept = {key: value for key, value in changes.items() if value is not None}
    play.node("pbx-a", **kept)
    assert play.woken(0.001) == readers
    assert play.woken(0.001) == set()


def test_a_fact_of_the_other_node_and_of_the_pair_wake_theirs(tmp_path: Path) -> None:
    play = play_of(tmp_path)
    play.verdict("pbx-b", Verdict.IMPAIRED)
    assert play.woken(0.001) == {"standby", "other"}
    play.pair(hold=Hold("operator", "work", play.now))
    assert play.woken(0.001) == {"held"}


@pytest.mark.parametrize(
    ("table", "readers"),
    [
        ({"contacts": phones(3)}, {"phones", "list", "trunks"}),
        ({"channels": Map({"1.1": CHANNEL})}, {"calls"}),
        ({"queues": Map({"700": Queue("700")})}, {"queues"}),
        ({"devices": Map({"PJSIP/6201": "inuse"})}, set()),
    ],
)
def test_tables_that_change_with_every_call_wake_theirs_at_the_pace(
    tmp_path: Path, table: dict[str, object], readers: set[str]
) -> None:
    play = play_of(tmp_path)
    play.node("pbx-a", **table)
    assert play.woken(0.01) == set()
    assert play.woken(PACE_S) == readers | CLOCKED
    play.node("pbx-b", **table)
    assert play.woken(PACE_S) == CLOCKED, "of the other node nobody reads them"


def test_a_counter_wakes_its_readers_and_no_other_counter_s(tmp_path: Path) -> None:
    play = play_of(tmp_path)
    play.count("pbx-a", calls_failed=1)
    assert play.woken(0.01) == set()
    assert play.woken(PACE_S) == {"counter"} | CLOCKED


def test_another_active_node_is_another_fact(tmp_path: Path) -> None:
    play = play_of(tmp_path)
    play.pair(active="pbx-b")
    woken = play.woken(0.001)
    assert "held" not in woken and "other" not in woken
    assert {"verdict", "standby", "trunks", "phones", "list", "calls"} <= woken


def test_a_thousand_events_of_no_interest_evaluate_nothing(tmp_path: Path) -> None:
    play = play_of(tmp_path)
    total: Counter[str] = Counter()
    for number in range(1000):
        play.node("pbx-a", devices=Map({f"PJSIP/{number}": "inuse"}))
        play.node("pbx-b", contacts=phones(1, first=number))
        play.woken(0.001)
        total += play.seen
    assert set(total) == CLOCKED
    assert max(total.values()) <= 2


# --- rules that look through lists ---------------------------------------------------------------

SIZE = 2000
TERMS = 8
LISTED = "any({} for c in active.contacts)"
EACH = SIZE * (4 * TERMS + 1)  # steps of one rule
MANY = 12 * STEPS_A_LOOK // EACH


def crowd(tmp_path: Path) -> Watched:
    """More rules that read lists than fit in one look, and one that reads a verdict."""
    text = ""
    for number in range(MANY):
        terms = " or ".join(f'c.aor == "{number}-{n}"' for n in range(TERMS))
        text += f"r{number}:\n  when: '{LISTED.format(terms)}'\n  do: [notify]\n"
    text += 'dead:\n  when: active.verdict == "dead"\n  do: [failover]\n'
    play = Watched(rules_of(tmp_path, text))
    play.node("pbx-a", contacts=phones(SIZE))
    return play


def test_lists_of_all_rules_are_looked_through_in_turns(tmp_path: Path) -> None:
    play = crowd(tmp_path)
    looks = []
    for number in range(3 * 13):  # the contacts change all the time
        play.node("pbx-a", contacts=phones(SIZE, first=10_000 * number), confirmed_at=play.now)
        looks.append(play.woken(PACE_S))
    often: Counter[str] = Counter(name for woken in looks for name in woken)
    most = STEPS_A_LOOK // EACH + 1
    assert max(len(woken) for woken in looks) <= most
    assert len(often) == MANY and min(often.values()) >= 2
    assert max(often.values()) - min(often.values()) <= 2, "each has its turn as often as others"


def test_a_verdict_never_waits_for_lists(tmp_path: Path) -> None:
    play = crowd(tmp_path)
    play.woken(PACE_S)
    assert "waits for its turn" in play.explain()
    play.verdict("pbx-a", Verdict.DEAD)
    assert play.woken(0.001) == {"dead"}


def test_what_waits_is_looked_at_although_nothing_changes_any_more(tmp_path: Path) -> None:
    play = crowd(tmp_path)
    seen: set[str] = set()
    for _ in range(14):
        seen |= play.woken(PACE_S)
        play.node("pbx-a", confirmed_at=play.now)
    assert len(seen) == MANY
    assert "waits for its turn" not in play.explain()
    assert play.woken(PACE_S) == set()


def test_an_explanation_of_all_leaves_out_what_would_take_too_long(tmp_path: Path) -> None:
    play = crowd(tmp_path)
    assert f"asterisk-orchestrator explain r{MANY - 1}" in play.explain()
    assert "terms are left out" not in play.explain(f"r{MANY - 1}")
    assert "active.verdict is healthy" in play.explain("dead")
