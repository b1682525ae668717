"""What ``explain`` says of a rule's past."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

from orchestrator.core.rulebook.past import Past, tell_past
from orchestrator.core.rulebook.traces import Trace, What

NOON = 1_800_014_400.0  # Fri 2027-01-15 12:00 UTC
HELD = ("count(active.trunks) > 0 is true", "all(down) is true (trunk telco: true)")
NOT = ("count(active.trunks) > 0 is true", "all(down) is false (trunk telco: false)")
FIRED = Trace(NOON - 60, "r", What.FIRED, "it fired: its condition held for 15 s", HELD)
BEGAN = Trace(NOON - 17, "r", What.BEGAN, "its condition began to hold", HELD)
ENDED = Trace(NOON - 10, "r", What.ENDED, "its condition ended, so it did not fire", NOT)


def told(*, newest: list[Trace], fired: list[Trace], near: list[Trace]) -> list[str]:
    return tell_past(Past(newest, fired, near), NOON, UTC)


def test_nothing_kept_is_nothing_told() -> None:
    assert told(newest=[], fired=[], near=[]) == []


def test_why_it_did_with_the_terms_as_they_were() -> None:
    assert told(newest=[FIRED], fired=[FIRED], near=[]) == [
        "  why it did: 11:59:00 it fired: its condition held for 15 s",
        "    count(active.trunks) > 0 is true",
        "    all(down) is true (trunk telco: true)",
        "  its changes, the newest last:",
        "    11:59:00 it fired: its condition held for 15 s",
    ]


def test_why_it_did_not_names_the_term_that_turned() -> None:
    lines = told(newest=[BEGAN, ENDED], fired=[], near=[BEGAN, ENDED])
    assert lines == [
        "  it has not fired as far back as the journal goes",
        "  why it did not: 11:59:50 its condition ended, so it did not fire:"
        " all(down) is now false",
        "    count(active.trunks) > 0 is true",
        "    all(down) is false (trunk telco: false)",
        "  its changes, the newest last:",
        "    11:59:43 its condition began to hold",
        "    11:59:50 its condition ended, so it did not fire: all(down) is now false",
    ]


def test_the_term_that_became_unknown_is_named_though_a_detail_looks_like_a_truth() -> None:
    began = replace(BEGAN, terms=("x > 3 is true (pair.held is true)", "y is true"))
    ended = replace(ENDED, terms=("x > 3 is true (pair.held is false)", "y is unknown"))
    lines = told(newest=[began, ended], fired=[], near=[began, ended])
    assert lines[1].endswith("so it did not fire: y is now unknown")


def test_a_firing_after_it_came_near_is_the_better_answer() -> None:
    fired = replace(FIRED, at=NOON - 5)
    assert not any("did not:" in line for line in told(newest=[ENDED, fired], fired=[fired],
                                                       near=[BEGAN, ENDED]))  # fmt: skip


def test_a_limit_is_why_it_did_not() -> None:
    limited = Trace(NOON - 2, "r", What.LIMITED, "it would have fired (limit)", HELD)
    lines = told(newest=[FIRED, limited], fired=[FIRED], near=[BEGAN, ENDED, limited])
    assert "  why it did not: 11:59:58 it would have fired (limit)" in lines


def test_another_day_is_said() -> None:
    old = replace(FIRED, at=NOON - 86400)
    assert told(newest=[old], fired=[old], near=[])[0].startswith("  why it did: 14 Jan 12:00:00 ")
