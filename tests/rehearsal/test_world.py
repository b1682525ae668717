"""The stated pair: facts in every way they can be given, lost nodes, restarts."""

from __future__ import annotations

import pytest

from orchestrator.core.facts.schema import ROOTS
from tests.rehearsal.lab import Lab

PHONES = "[{aor: 601, times: 3}, {aor: 700, reachable: false, times: 2}, {aor: ops, times: 2}]"
QUEUE = "[{name: sales, agents: 5, agents_free: 2, agents_paused: 1, callers: 3, longest_wait: 4m}]"
STATED = {
    "active.verdict: dead": 'active.verdict == "dead"',
    "active.verdict: unknown": "not known(active.verdict)",
    "active.verdict_why: cable": 'active.verdict_why == "cable"',
    "active.verdict_for: 5m": "active.verdict_for == 5m",
    "active.ready: false": "not active.ready",
    "active.ready: unknown": "not known(active.ready)",
    "active.calls: 2.5": "active.calls == 2.5",
    "pbx-b.calls: 3": "standby.calls == 3",
    "preferred.calls: 3": "active.calls == 3",
    "pair.phase: draining": 'pair.phase == "draining"',
    "pair.phase_for: 3m": "pair.phase_for == 3m",
    "pair.moving: true": "pair.moving",
    "pair.move: failback": 'pair.moving and pair.move == "failback"',
    "pair.held: true": "pair.held",
    "pair.hold_reason: paint": 'pair.held and pair.hold_reason == "paint"',
    "pair.epoch: 7": "pair.epoch == 7",
    "pair.active_for: 2h": "pair.active_for == 2h",
    "failback.allowed: true": "failback.allowed",
    "failback.after: 5m": "failback.after == 5m",
    f"active.contacts: {PHONES}": "active.phones_known == 7 and active.phones_reachable == 5",
    f"active.contacts: {PHONES} ": 'count(c for c in active.contacts if like(c.aor, "60?")) == 3',
    f"active.contacts: {PHONES}  ": 'any(c.aor == "ops-2" for c in active.contacts)',
    "active.contacts: [{status_for: 5m}]": "any(c.status_for == 5m for c in active.contacts)",
    "active.contacts: [{rtt: 20ms}]": "any(c.rtt == 20ms for c in active.contacts)",
    "active.contacts: [{reachable: unknown, aor: x}]": (
        "not known(all(c.reachable for c in active.contacts))"
    ),
    "active.contacts: unknown": "not known(count(active.contacts))",
    "active.trunks: [{name: t, times: 2}]": "active.trunks_registered == 2",
    "active.trunks: [{name: t}]": 'all(t.name == "t" and t.reachable for t in standby.trunks)',
    "active.trunks: [{status: rejected}]": 'any(t.status == "rejected" for t in active.trunks)',
    "active.trunks: [{registered: unknown}]": "not known(active.trunks_registered)",
    "active.trunks: [{reachable: unknown}]": "not known(active.trunks_reachable)",
    "active.trunks: unknown": "not known(count(active.trunks))",
    f"active.queues: {QUEUE}": "any(q.agents == 5 and q.agents_free == 2 for q in active.queues)",
    f"active.queues: {QUEUE} ": "count(q for q in active.queues if q.longest_wait == 4m) == 1",
}  # fmt: skip


@pytest.mark.parametrize(("given", "holds"), STATED.items())
def test_a_fact_is_what_it_is_said_to_be(lab: Lab, given: str, holds: str) -> None:
    lab.rules = f"rules:\n  x:\n    when: >-\n      {holds}\n    do: [notify]\n"
    assert lab.told("asks: [x: notify]", f"given: {{{given.strip()}}}") == ""
    assert lab.told("expect: {x: idle}") == "", "it would be so without being said"


def test_every_fact_that_can_be_unknown_can_be_said_to_be(lab: Lab) -> None:
    never = {"verdict_why", "verdict_for", "shutting_down", "name", "role"}  # always known
    for name, fact in ROOTS["active"].record.attributes.items():
        known = f"known(count(active.{name}))" if fact.type.of else f"known(active.{name})"
        lab.rules = f"rules: {{x: {{when: not {known}, do: [notify]}}}}"
        if name not in never:
            assert lab.told("asks: [x: notify]", f"given: {{active.{name}: unknown}}") == "", name


def when(lab: Lab, condition: str, more: str = "") -> None:
    lab.rules = f"rules:\n  x:\n    when: {condition}\n    do: [notify]\n{more}"


def test_durations_go_on_with_the_clock(lab: Lab) -> None:
    when(lab, "active.uptime >= 2m and pair.active_for >= 1h")
    given = "given: {active.uptime: 1m, pair.active_for: 59m}"
    assert lab.told("after: 59s\nafter: 1s\n  asks: [x: notify]", given) == ""


def test_the_age_of_a_comparison_does_not_while_comparing_goes_on(lab: Lab) -> None:
    when(lab, "standby.mirror_age > 1m")
    assert lab.told("after: 1h\n  expect: {x: idle}", "given: {standby.mirror_age: 1m}") == ""


def test_a_lost_node_is_unknown_until_it_is_regained(lab: Lab) -> None:
    steps = """set: {active.calls: 11}
after: 4s
lose: active
  expect: {busy: paused}
after: 1h
  set: {active.calls: 3}
  expect: {busy: paused}
set: {active.calls: 11}
regain: active
  expect: {busy: pending}
after: 5999ms
  expect: {busy: pending}
after: 1ms
  asks: [busy: switchover, busy: notify]"""
    assert lab.told(steps) == ""


def test_a_verdict_is_known_of_a_lost_node_too(lab: Lab) -> None:
    when(lab, 'active.verdict == "dead" and not known(active.calls)')
    assert lab.told("lose: active\nset: {active.verdict: dead}\n  asks: [x: notify]") == ""


def test_who_is_active_is_said_and_facts_stay_with_their_node(lab: Lab) -> None:
    steps = """set: {active.calls: 11}
  expect: {busy: pending}
active: standby
  expect: {busy: idle}
active: nobody
  expect: {busy: idle}
active: pbx-a
  expect: {busy: pending}"""
    assert lab.told(steps) == ""


def test_a_counter_rises_and_leaves_the_window(lab: Lab) -> None:
    when(lab, "increase(active.reloads, 1m) >= 3")
    steps = """rise: {active.reloads: 2}
  expect: {x: idle}
after: 30s
  rise: {active.reloads: 1}
  asks: [x: notify]
after: 29s
  expect: {x: firing}
after: 4s
  expect: {x: idle}"""
    assert lab.told(steps) == ""


def test_a_restart_keeps_timers_and_counts_anew(lab: Lab) -> None:
    when(lab, "active.reloads > 5 or increase(active.reloads, 1m) > 1", "    for: 10s\n")
    steps = """rise: {active.reloads: 5}
  expect: {x: pending}
after: 4s
restart: 3s
  expect: {x: pending}
after: 2999ms
  expect: {x: pending}
after: 1ms
  asks: [x: notify]
set: {active.reloads: 6}
  expect: {x: firing}
after: 4s
restart: 2m
  expect: {x: idle}"""
    assert lab.told(steps) == ""


def test_time_away_counts_for_a_timer(lab: Lab) -> None:
    steps = "set: {active.calls: 11}\nrestart: 1h\n  asks: [busy: switchover, busy: notify]"
    assert lab.told(steps) == ""


def test_the_day_begins_when_it_is_said_to(lab: Lab) -> None:
    when(lab, 'time.weekday == "wed" and between("10:30", "11:00")')
    assert lab.told("after: 29m\nafter: 1m\n  asks: [x: notify]") == ""
    lab.cases('tests: {a: {begins: "2027-01-14 10:00", steps: [{after: 1h}]}}')


def test_a_move_is_in_progress_until_it_is_said_to_end(lab: Lab) -> None:
    when(lab, 'pair.move == "failover"')
    assert lab.told("move: failover\n  asks: [x: notify]\nmove: none\n  expect: {x: firing}") == ""
