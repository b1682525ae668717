"""What people are told of an evacuation."""

from __future__ import annotations

from orchestrator.core.evacuating.records import CallFate, CarriedCall, Evacuation
from orchestrator.core.evacuating.telling import summary
from orchestrator.core.state import Move
from orchestrator.core.words import MoveKind


def move(*calls: CarriedCall) -> Move:
    return Move(
        1, MoveKind.SWITCHOVER, "pbx-a", "pbx-b", "operator root", "", 0.0, 0.0,
        evacuation=Evacuation(0.0, calls),
    )  # fmt: skip


def call(number: int, fate: CallFate, why: str = "") -> CarriedCall:
    return CarriedCall(str(number), f"1-{number}", f"{number} with 600", fate, why=why)


def test_a_sentence_names_few_calls_and_counts_all() -> None:
    linked = [call(number, CallFate.LINKED, "a trunk") for number in range(2001, 2006)]
    assert summary(move(call(1001, CallFate.CARRIED), *linked)) == (
        "1 call carried to pbx-b, 5 went on through pbx-a, linked (2001 with 600: a trunk;"
        " 2002 with 600: a trunk; 2003 with 600: a trunk; and 2 more)"
    )


def test_who_was_lost_is_named_in_full() -> None:
    lost = [call(number, CallFate.LOST) for number in range(2001, 2008)]
    assert all(f"{number} with 600" in summary(move(*lost)) for number in range(2001, 2008))


def test_without_calls_there_is_nothing_to_say() -> None:
    assert summary(move()) == ""
