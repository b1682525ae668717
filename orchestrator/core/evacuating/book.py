"""The evacuation's records in the move: which calls are under way, how each one came out."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.evacuating.records import CallFate, CarriedCall, Evacuation
from orchestrator.core.machine.work import Work
from orchestrator.core.state import Move, Node
from orchestrator.core.words import Verdict

MOST_TRIES = 2


def calls_of(move: Move) -> tuple[CarriedCall, ...]:
    """All records of the move's evacuation."""
    return move.evacuation.calls if move.evacuation else ()


def under_way(move: Move) -> tuple[CarriedCall, ...]:
    """Calls that were sent and have not come out yet."""
    return tuple(call for call in calls_of(move) if call.fate is CallFate.UNDER_WAY)


def is_seen(work: Work, node: Node) -> bool:
    """Whether the node's channels are known now."""
    return node.in_sync and node.fresh(work.now, work.policy.stale_s)


def may_send(work: Work) -> bool:
    """Whether the new node is seen to be well, and the old one able to send."""
    old, new = work.node(work.move.from_node), work.node(work.move.to_node)
    leaving = old.shutting_down or new.shutting_down
    well = new.verdict is Verdict.HEALTHY and work.well(old.name)
    return well and not leaving and is_seen(work, new) and is_seen(work, old)


def put(work: Work, call: CarriedCall) -> None:
    """Write the call's record, new or changed."""
    evacuation = work.move.evacuation or Evacuation(work.now)
    calls = tuple(call if known.key == call.key else known for known in evacuation.calls)
    if all(known.key != call.key for known in calls):
        calls = (*calls, call)
    if calls != evacuation.calls:
        work.set_move(evacuation=replace(evacuation, calls=calls))


def settle(work: Work, call: CarriedCall, fate: CallFate, why: str = "") -> None:
    """The call has come out; one that stays may be tried once more, unless it was called back."""
    why = why or call.why
    final = fate is not CallFate.STAYED or call.back or call.tries >= MOST_TRIES
    put(work, replace(call, fate=fate, why=why, final=final))
    move = work.move
    place = {
        CallFate.CARRIED: f"carried to {move.to_node}",
        CallFate.LINKED: f"goes on through {move.from_node}, linked with {move.to_node}",
        CallFate.STAYED: f"stays on {move.from_node}",
        CallFate.LOST: "ended on the way",
    }[fate]
    work.note(f"call {call.id} of {call.words}: {place}{f' ({why})' if why else ''}")
