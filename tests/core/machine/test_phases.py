"""The table is complete and leads to an end; the page drawn from it is up to date."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.core.machine import learning, resuming
from orchestrator.core.machine.moves import PHASES
from orchestrator.core.machine.phases import TABLE, WORK, Ending, Plan, Result, row_for
from orchestrator.core.words import Phase

ROOT = Path(__file__).resolve().parents[3]
PLANS = [Plan.OVERLAP, Plan.DRAIN_FIRST, Plan.FAILOVER]


def reached(plan: Plan) -> set[Phase]:
    first = Phase.FENCING if plan is Plan.FAILOVER else Phase.PREPARING
    seen, todo = {first}, [first]
    while todo:
        phase = todo.pop()
        for row in TABLE:
            own = plan is Plan.FAILOVER or row.then is not Phase.FENCING
            mine = plan in row.plans and row.phase is phase and own
            if mine and isinstance(row.then, Phase) and row.then not in seen:
                seen.add(row.then)
                todo.append(row.then)
    return seen


@pytest.mark.parametrize("plan", PLANS)
def test_every_phase_a_plan_reaches_has_a_way_on_and_a_way_out(plan: Plan) -> None:
    for phase in reached(plan):
        assert row_for(plan, phase, Result.DONE), phase
        assert phase in PHASES and phase in WORK
        if phase is not Phase.DRAINING:  # its own limit is the deadline's policy
            assert row_for(plan, phase, Result.FAILED), phase


@pytest.mark.parametrize("plan", PLANS)
def test_losing_the_new_active_is_answered_in_every_phase(plan: Plan) -> None:
    for phase in reached(plan) - {Phase.ROLLING_BACK}:
        assert row_for(plan, phase, Result.TO_LOST), phase


def test_no_two_rows_answer_the_same_question() -> None:
    keys = [(plan, row.phase, row.result) for row in TABLE for plan in row.plans]
    assert len(keys) == len(set(keys))


def test_the_way_on_ends_active() -> None:
    for plan in PLANS:
        phase: Phase | Ending = Phase.FENCING if plan is Plan.FAILOVER else Phase.PREPARING
        for _ in range(12):
            if isinstance(phase, Phase):
                row = row_for(plan, phase, Result.DONE)
                assert row is not None
                phase = row.then
        assert phase is Ending.ACTIVE


def test_the_address_moves_only_after_draining_in_drain_first() -> None:
    into = {row.phase for row in TABLE if Plan.DRAIN_FIRST in row.plans
            and row.then is Phase.MOVING_ADDRESS}  # fmt: skip
    assert into == {Phase.DRAINING}


def test_every_sentence_can_be_said() -> None:
    for row in TABLE:
        assert row.sentence.format(old="pbx-a", new="pbx-b", why="a reason")


def test_resuming_has_a_row_for_every_phase_and_place() -> None:
    working = set(Phase) - {Phase.LEARNING, Phase.STEADY}
    for more in (resuming.MOVABLE, resuming.MOVED):
        for phase in working:
            if phase is Phase.REDIRECTING and more is resuming.MOVED:
                continue  # only drain-first redirects, before it moves the address
            for where in resuming.Where:
                rows = [row for row in (*resuming.TABLE, *more)
                        if phase in row.phases and where in row.where]  # fmt: skip
                assert rows, (phase, where)


def found(**changes: object) -> learning.Evidence:
    values: dict[str, object] = {
        "holders": (), "unasked": (), "journal": "", "trunks": "", "preferred": "", "heard": True,
    }  # fmt: skip
    return learning.Evidence(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("evidence", "active", "hold"),
    [
        (found(holders=("a",), journal="a"), "a", False),
        (found(holders=("a",)), "a", False),
        (found(holders=("b",), journal="a"), "", True),
        (found(holders=("a", "b"), journal="a"), "a", False),
        (found(holders=("a", "b")), "", True),
        (found(journal="a"), "a", False),
        (found(journal="a", unasked=("a", "b")), "a", False),
        (found(trunks="b", preferred="a"), "b", False),
        (found(preferred="a"), "a", False),
        (found(preferred="a", unasked=("b",)), "", True),
        (found(), "", True),
    ],
)
def test_learning(evidence: learning.Evidence, active: str, hold: bool) -> None:
    row = next(row for row in learning.TABLE if row.when(evidence))
    assert (row.active(evidence), row.hold) == (active, hold)


def test_docs_failover_is_up_to_date() -> None:
    script = ROOT / "contrib" / "docs" / "failover-diagram"
    done = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
