"""A test that fails says where, what was expected, what was, and why; and nothing more."""

from __future__ import annotations

from orchestrator.rehearsal.judge import Shown
from tests.rehearsal.lab import Lab

BUSY = "set: {active.calls: 11}\n"
WHY = """
        when: active.calls > 10 is true
          active.calls > 10 is true (active.calls is 11)"""


def test_what_goes_as_written_says_nothing(lab: Lab) -> None:
    steps = """set: {active.calls: 11}
  expect: {busy: pending}
after: 9999ms
  expect: {busy: pending}
after: 1ms
  expect: {busy: firing}
  asks:
    - busy: switchover
      reason: pbx-a has 11 calls
    - busy: notify
      severity: warning
      title: Many calls
      text: pbx-a has 11 calls.
set: {active.calls: 10}
  expect: {busy: clearing}
after: 5s
  expect: {busy: idle}
  asks:
    - busy: notify
      severity: info
      title: "Over: Many calls"
      text: Quiet again."""
    assert lab.told(steps) == ""


def test_a_wrong_state(lab: Lab) -> None:
    assert lab.told(f"{BUSY}after: 4s\n  expect: {{busy: firing}}") == (
        "pack.test.yaml:6:22: busy is pending, expected firing\n"
        f"      busy: its condition has held for 4 s of 10 s, 6 s to go.{WHY}"
    )


def test_a_fact_that_is_unknown_is_told_as_the_reason(lab: Lab) -> None:
    told = lab.told("lose: active\n  set: {active.calls: 11}\n  expect: {busy: pending}")
    assert "busy is idle, expected pending" in told
    assert "active.calls > 10 is unknown (active.calls is unknown)" in told


def test_a_wrong_text_severity_and_title(lab: Lab) -> None:
    asks = "[busy: switchover, {busy: notify, severity: info, title: Few, text: Many calls.}]"
    assert lab.told(f"{BUSY}after: 10s\n  asks: {asks}") == (
        "pack.test.yaml:6:57: busy asked for notify with another severity\n"
        "      expected: info\n"
        "      it was:   warning\n"
        "pack.test.yaml:6:70: busy asked for notify with another title\n"
        "      expected: Few\n"
        "      it was:   Many calls\n"
        "pack.test.yaml:6:81: busy asked for notify with another text\n"
        "      expected: Many calls.\n"
        "      it was:   pbx-a has 11 calls."
    )


def test_a_wrong_deadline_is_told_as_people_write_it(lab: Lab) -> None:
    lab.rules = lab.rules.replace("[switchover,", "[{switchover: {at_most: 10m}},")
    told = lab.told(f"{BUSY}after: 10s\n  asks: [{{busy: drain, at_most: 5m}}, busy: notify]")
    assert "with another at_most\n      expected: 5 min\n      it was:   10 min" in told


def test_a_request_that_was_not_made(lab: Lab) -> None:
    assert lab.told(f"{BUSY}  asks: [busy: switchover]") == (
        "pack.test.yaml:5:14: busy did not ask for switchover\n"
        f"      busy: its condition has held for 0 ms of 10 s, 10 s to go.{WHY}"
    )


def test_a_request_that_nobody_expected(lab: Lab) -> None:
    assert lab.told(f"{BUSY}after: 12s\n  asks: [busy: notify]") == (
        "pack.test.yaml:5:7: not expected, 10 s into this step: busy: switchover:"
        f" pbx-a has 11 calls\n      busy: has fired for 2 s.{WHY}"
    )


def test_requests_in_another_order(lab: Lab) -> None:
    assert lab.told(f"{BUSY}after: 10s\n  asks: [busy: notify, busy: switchover]") == (
        "pack.test.yaml:6:14: expected busy: notify before busy: switchover,"
        " it was the other way round"
    )


def test_the_same_request_twice_must_be_written_twice(lab: Lab) -> None:
    lab.rules = lab.rules.replace("for: 10s", "repeat: 10s")
    first = "set: {active.calls: 11}\n  asks: [busy: switchover, busy: notify]\n"
    assert lab.told(f"{first}after: 20s\n  asks: [busy: switchover, busy: switchover]") == ""
    assert "not expected, 20 s into" in lab.told(f"{first}after: 20s\n  asks: [busy: switchover]")


def test_an_observing_rule_must_be_expected_as_one(lab: Lab) -> None:
    lab.rules = lab.rules.replace("for: 10s", "mode: observe").replace("switchover, ", "")
    assert lab.told(f"{BUSY}  asks: [{{busy: notify, observed: true}}]") == ""
    told = lab.told(f"{BUSY}  asks: [busy: notify]")
    assert "with another observed\n      expected: False\n      it was:   True" in told


def test_why_a_rule_is_as_it_is_is_told_once(lab: Lab) -> None:
    told = lab.told(f"{BUSY}  expect: {{busy: firing}}\n  asks: [busy: switchover, busy: notify]")
    assert len(told.splitlines()) == 3 + 3 and told.count("when: ") == 1


def test_a_test_ends_with_its_first_step_that_differs(lab: Lab) -> None:
    told = lab.told(f"{BUSY}  expect: {{busy: idle}}\nafter: 1h\n  expect: {{busy: idle}}")
    assert told.count("expected") == 1


def test_a_role_that_nobody_has_is_no_node(lab: Lab) -> None:
    says = "nobody is active now, so no node is"
    assert f"5:13: {says} standby; write the node's name" in lab.told(
        "active: nobody\n  lose: standby"
    )
    assert f"5:13: {says} active" in lab.told("active: nobody\n  set: {active.calls: 11}")
    assert lab.told("active: nobody\n  lose: pbx-b\n  set: {preferred.calls: 11}") == ""


def test_what_happened_at_the_begin_belongs_to_the_first_step(lab: Lab) -> None:
    lab.rules = lab.rules.replace("for: 10s", "")
    given = "given: {active.calls: 11}"
    assert lab.told("asks: [busy: switchover, busy: notify]", given) == ""
    assert "not expected, 0 s into this step" in lab.told("after: 0s", given)


def test_the_order_in_which_facts_are_written_does_not_matter(lab: Lab) -> None:
    lab.rules = lab.rules.replace(
        "active.calls > 10", "active.verdict_for > 1h and active.verdict_why == 'cable'"
    )
    why = "active.verdict_why: cable, active.verdict_for: 2h"
    assert lab.told(f"set: {{{why}, active.verdict: dead}}\n  expect: {{busy: pending}}") == ""
    assert lab.told(f"set: {{active.verdict: dead, {why}}}\n  expect: {{busy: pending}}") == ""


def test_what_a_test_shows_of_a_rule(lab: Lab) -> None:
    nothing = lab.judge("set: {active.calls: 10}")
    assert nothing.shown == {"busy": {Shown.STAYS}}
    asks = "asks: [busy: switchover, busy: notify]"
    fires = lab.judge(f"{BUSY}restart: 10s\n  {asks}")
    assert fires.shown == {"busy": {Shown.FIRES, Shown.RESTART}}
    clears = lab.judge(f"{BUSY}after: 10s\n  {asks}\nset: {{active.calls: 1}}\nafter: 5s\n"
                       "  asks: [busy: notify]\nlose: active")  # fmt: skip
    assert clears.shown == {"busy": {Shown.FIRES, Shown.CLEARS, Shown.UNKNOWN}}
