"""A dry run: the machine watches, decides and says what it would do, and does nothing of it.

Rules come through the same gates as ever, up to where a move would begin. So there is never a move
or a hold, nothing is kept up or mirrored, and the only commands are those that read.
"""

from __future__ import annotations

from typing import Final

from immutables import Map

from orchestrator.core.events import MoveRequested
from orchestrator.core.machine.work import Work
from orchestrator.core.mirroring.reading import compare
from orchestrator.core.state import Upkeep

ELSEWHERE: Final = "the address is elsewhere"
STANDS_S = 1.0  # before it is believed: rules have had their say on the active until then
REFUSED: Final = (
    "nothing was done: this is a dry run, which takes no orders and only says what it would do."
    " Ask the service that is in charge of the pair; or stop the dry run and start the service"
    " without --dry-run"
)


def would_ask(work: Work, request: MoveRequested, then: str) -> str:
    """Say which move would be asked for, and what the machine would answer."""
    reason = f": {request.reason}" if request.reason else ""
    sentence = f"dry run: {request.by} would ask for a {request.kind}{reason}; it would {then}"
    work.note(sentence)
    return sentence


def keep_watching(work: Work) -> None:
    """All that is left of the steady state: see who is active, read what rules look at."""
    _follow_address(work)
    if work.policy.mirror is not None:
        compare(work, work.policy.mirror)


def _follow_address(work: Work) -> None:
    """Here it is others who move the address."""
    state = work.state
    holders = [node.name for node in state.nodes.values() if node.holds_address]
    seen = state.upkeep.get(ELSEWHERE)
    if len(holders) != 1 or holders[0] == state.active:
        if seen is not None:
            work.set(upkeep=Map())
    elif seen is None:
        work.set(upkeep=Map({ELSEWHERE: Upkeep(work.now)}))
    elif work.now - seen.since >= STANDS_S:
        (holder,) = holders
        was = f" and not {state.active} any more" if state.active else ""
        work.note(
            f"{holder} holds the address{was}: the dry run takes it for the active, whoever moved"
            " it (another orchestrator, or a person)"
        )
        work.set(active=holder, active_since=work.now, upkeep=Map())
