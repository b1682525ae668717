"""What is wrong in a test file is said with its place and what to write, all at once."""

from __future__ import annotations

import pytest

from tests.rehearsal.lab import Lab


def step(text: str) -> str:
    return f"tests: {{a: {{steps: [{{{text}}}]}}}}"


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("set: {active.cals: 3}", "28: node has no 'cals'; did you mean 'calls'?"),
        ("set: {activ.calls: 3}", "28: write ROOT.FACT; unknown root 'activ'; did you mean"),
        ("set: {time.hour: 3}", "28: write ROOT.FACT; unknown root 'time'"),
        ("set: {active.calls: many}", "42: a number is expected, or unknown"),
        ("set: {active.ready: 1}", "42: true or false is expected, or unknown"),
        ("set: {pair.active_for: 5}", "45: a duration is expected, or unknown; write 30s or 5m"),
        ("set: {pair.active_for: 5x}", "45: '5x' is no duration"),
        ("set: {active.verdict: daed}", "44: it is never 'daed'; did you mean 'dead'?"),
        ("set: {active.verdict: 5}", "44: one of a few words is expected, or unknown; known are:"),
        ("set: {active.role: standby}", "28: 'role' is not set; say who is active: 'active:"),
        ("set: {active.trunks: telco}", "43: a list of trunks is expected: [{...}, {...}]"),
        ("set: {active.trunks: [telco]}", "44: the facts of a trunk are expected: {name: value}"),
        ("set: {active.trunks: [{nam: x}]}", "45: trunk has no 'nam'; did you mean 'name'?"),
        ("set: {active.trunks: [{times: 0}]}", "52: a whole number from 1 to 10000 is expected"),
        ("set: {active.trunks: [{times: true}]}", "52: a whole number from 1 to 10000"),
        ("set: {active.trunks: [{name: [x]}]}", "51: a text is expected, or unknown"),
        ("rise: {active.calls: 3}", "29: only counters rise; other facts are 'set'"),
        ("rise: {active.reloads: -1}", "45: a number above 0 is expected"),
        ("rise: {active.reloads: unknown}", "45: a number above 0 is expected"),
        ("expect: {buzy: idle}", "31: no rule 'buzy'; did you mean 'busy'?"),
        ("expect: {busy: fire}", "37: unknown word 'fire'"),
        ("asks: [{buzy: notify}]", "30: no rule 'buzy'; did you mean 'busy'?"),
        ("asks: [{busy: notifi}]", "29: unknown word 'notifi'; did you mean 'notify'?"),
        ("asks: [{busy: notify, tilte: x}]", "29: one '- RULE: ASK' an item, then what it says;"),
        ("asks: [busy]", "29: write '- RULE: ASK', such as '- trunks-down: failover'"),
        ("lose: pbx-c", "28: the pair has no node 'pbx-c'; did you mean 'pbx-b'?"),
        ("active: pbx-c", "30: the pair has no node 'pbx-c'; did you mean 'pbx-b'?"),
        ("move: sideways", "28: unknown word 'sideways'"),
        ("aks: []", "22: unknown key 'aks'; did you mean 'asks'?"),
        ("after: 5x", "29: '5x' is no duration; write 200ms, 2s, 15m or 1h30m"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_step(lab: Lab, written: str, says: str) -> None:
    refused = lab.refused(step(written))
    assert refused.startswith(f"pack.test.yaml:1:{says}") and "\n" not in refused


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("tests: {}", "1:8: must not be empty"),
        ("tests: {a: {steps: []}}", "1:20: must not be empty"),
        ("given: {}", "1:1: missing key 'tests'"),
        (
            "tests: {a: {begins: today, steps: [{after: 5s}]}}",
            "1:21: write a day and a time of day",
        ),
        ("tests: {a: {given: {active.cals: 3}, steps: [{after: 5s}]}}", "1:21: node has no 'cals'"),
        ("nodes: [pbx-a]\ntests: {a: {steps: [{after: 5s}]}}", "1:8: two names are expected"),
        ("nodes: [a, a]\ntests: {a: {steps: [{after: 5s}]}}", "1:8: two names are expected"),
        (
            "rules: [x.yaml]\ntests: {a: {steps: [{after: 5s}]}}",
            "1:9: there is no rule file x.yaml",
        ),
    ],
)
def test_a_mistake_in_the_rest_of_the_file(lab: Lab, written: str, says: str) -> None:
    assert lab.refused(written).startswith(f"pack.test.yaml:{says}")


def test_all_mistakes_are_said_in_the_order_of_the_file(lab: Lab) -> None:
    refused = lab.refused(step("expect: {buzy: idle}, set: {active.cals: 3}, lose: pbx-c"))
    assert [line.split(":")[2] for line in refused.splitlines()] == ["31", "50", "73"]


def test_a_rule_file_that_is_wrong_is_said_with_its_own_place(lab: Lab) -> None:
    lab.rules = lab.rules.replace("active.calls > 10", "active.cals > 10")
    assert lab.refused(step("after: 5s")).startswith("pack.yaml:4:18: node has no 'cals'")


def test_the_nodes_have_the_names_that_the_file_gives_them(lab: Lab) -> None:
    nodes = "nodes: [jakarta, bandung]"
    steps = "set: {jakarta.calls: 11, bandung.calls: 3}\n  expect: {busy: pending}"
    assert lab.told(steps, nodes) == ""
    assert (
        lab.told("active: bandung\n  set: {active.calls: 11}\nafter: 9s\n  lose: bandung", nodes)
        == ""
    )


def test_other_rule_files_can_be_named(lab: Lab) -> None:
    lab.folder.joinpath("more.yaml").write_text(lab.rules.replace("busy", "crowded"))
    assert lab.told("expect: {busy: idle, crowded: idle}", "rules: [pack.yaml, more.yaml]") == ""


def test_an_extension_is_a_text_without_quotes_too(lab: Lab) -> None:
    lab.rules = lab.rules.replace(
        "active.calls > 10", "any(c.aor == '601' for c in active.contacts)"
    )
    assert lab.told("set: {active.contacts: [{aor: 601}]}\n  expect: {busy: pending}") == ""
