"""The operators' desk: what people may ask of the running service, whatever way they come."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from orchestrator import __version__
from orchestrator.core.events import (
    AbortRequested,
    ExtendRequested,
    HoldRequested,
    MoveRequested,
    OperatorEvent,
    ProbeRequested,
    ReleaseRequested,
)
from orchestrator.core.facts.names import names_of
from orchestrator.core.rulebook.past import NEAR, Past, tell_past
from orchestrator.core.rulebook.traces import What
from orchestrator.core.rulebook.trying import Tried
from orchestrator.core.state import Pair, Policy
from orchestrator.core.words import MoveKind
from orchestrator.errors import RequestRefused
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.loop import Loop
from orchestrator.runtime.metrics import exposition
from orchestrator.runtime.standby import phones
from orchestrator.runtime.status import status

TRACES: Final = 10  # changes of a rule that 'explain' tells

Explain = Callable[[Pair, float, str], list[str]]
Try = Callable[[Pair, float, str], Tried]
Reload = Callable[[str], Awaitable[dict[str, Any]]]

_MOVES = {
    "switchover": MoveKind.SWITCHOVER,
    "drain": MoveKind.SWITCHOVER,
    "failover": MoveKind.FAILOVER,
    "failback": MoveKind.FAILBACK,
}
_MOVE_KEYS: dict[str, type] = {"to": str, "at_most_s": float, "reason": str, "force": bool}
_KEYS: dict[str, dict[str, type]] = {
    **dict.fromkeys(_MOVES, _MOVE_KEYS),
    "switchover": {**_MOVE_KEYS, "evacuate": bool},
    "probe": {"endpoints": list},
    "abort": {},
    "extend": {"seconds": float},
    "hold": {"reason": str, "for_s": float},
    "release": {},
}
ORDERS = tuple(_KEYS)


def order(request: Mapping[str, object], by: str, now: float) -> OperatorEvent:
    """The request as an event. Raises RequestRefused when it cannot be understood."""
    what = str(request.get("do"))
    known: Mapping[str, type] = _KEYS.get(what, {})
    if what not in _KEYS:
        raise RequestRefused(f"There is no order '{what}'; nothing was done.")
    given = {key: value for key, value in request.items() if key != "do" and value is not None}
    for key, value in given.items():
        if key not in known or not isinstance(value, known[key] | _also(known[key])):
            raise RequestRefused(f"'{what}' takes no {key}={value!r}; nothing was done.")
        if known[key] is float and not 0 < float(str(value)) < 1e9:
            raise RequestRefused(f"{key} must be a time above zero; nothing was done.")
    return _event(what, given, by, now)


def _also(kind: type) -> type:
    return int if kind is float else kind


def _event(what: str, given: Mapping[str, Any], by: str, now: float) -> OperatorEvent:
    if what == "abort":
        return AbortRequested(by)
    if what == "extend":
        if "seconds" not in given:
            raise RequestRefused("Say by how many seconds; nothing was done.")
        return ExtendRequested(by, float(given["seconds"]))
    if what == "release":
        return ReleaseRequested(by)
    if what == "probe":
        return ProbeRequested(by, _endpoints(given.get("endpoints")))
    if what == "hold":
        until = now + given["for_s"] if "for_s" in given else None
        return HoldRequested(by, given.get("reason", ""), until)
    return MoveRequested(
        kind=_MOVES[what],
        by=by,
        reason=given.get("reason", ""),
        to_node=given.get("to", ""),
        at_most_s=given.get("at_most_s"),
        force=given.get("force", False),
        evacuate=given.get("evacuate", False),
    )


def _endpoints(given: object) -> tuple[str, ...]:
    if not isinstance(given, list) or not given:
        raise RequestRefused("Say which phones to try; nothing was done.")
    if not all(isinstance(name, str) and name for name in given):
        raise RequestRefused("Phones are named by their endpoints; nothing was done.")
    return tuple(dict.fromkeys(given))


class Desk:
    """Answers about the loop's state and passes orders to the core."""

    def __init__(
        self,
        *,
        pair: str,
        policy: Policy,
        loop: Loop,
        journal: Journal,
        clock: Clock,
        explain: Explain,
        attempt: Try,
        reload: Reload,
    ) -> None:
        self._pair = pair
        self._policy = policy
        self._journal = journal
        self._clock = clock
        self._explain = explain
        self._attempt = attempt
        self.reload = reload
        self._started_at = clock.now()
        self.loop = loop

    def status(self) -> dict[str, Any]:
        """The picture of the pair, and how the service itself is doing."""
        health = self.loop.health
        return {
            "pair": self._pair,
            **status(self.loop.state, self._policy, self._clock.now()),
            "service": {
                "version": __version__,
                "pid": os.getpid(),
                "started_at": self._started_at,
                "trouble": health.trouble,
                "longest_step_ms": round(health.longest_step_ms, 3),
                "events_dropped": health.dropped,
            },
        }

    def phones(self) -> dict[str, Any]:
        """Each phone of the active, and the sentence that sums them up."""
        state, policy = self.loop.state, self._policy
        return phones(state, policy, self._clock.now())

    def metrics(self) -> str:
        """The status in Prometheus' text format."""
        return exposition(self.status())

    def order(self, request: Mapping[str, object], by: str) -> dict[str, Any]:
        """Let the core decide on it now; says what will happen, or why not."""
        try:
            event = order(request, by, self._clock.now())
        except RequestRefused as refused:
            return {"ok": False, "says": str(refused)}
        after = self.loop.ask(event)
        if self.loop.health.trouble:
            return {"ok": False, "says": f"Nothing was done: {self.loop.health.trouble}"}
        answer = next((a for a in after.answers if a.request == event), None)
        if answer is None:
            return {"ok": False, "says": "The core gave no answer; look at status and history."}
        move = after.move.number if after.move else None
        return {"ok": answer.accepted, "says": answer.sentence, "move": move}

    def history(self, limit: int) -> list[dict[str, Any]]:
        """The newest lines of the story, oldest first."""
        lines = self._journal.history(limit)
        return [{"at": t.at, "severity": t.severity, "text": t.text} for t in lines]

    def explain(self, rule: str) -> list[str]:
        """Why the last decision was or was not taken, term by term."""
        now = self._clock.now()
        said = self._explain(self.loop.state, now, rule)
        if not rule:
            return said
        past = Past(
            self._journal.traces(rule, TRACES),
            self._journal.traces(rule, 1, (What.FIRED,)),
            self._journal.traces(rule, 4, (What.BEGAN, *NEAR)),
        )
        return said + tell_past(past, now, self._policy.timezone)

    def attempt(self, expression: str) -> dict[str, Any]:
        """The expression on the present picture: ``lines``, or ``problems`` with their offsets."""
        tried = self._attempt(self.loop.state, self._clock.now(), expression)
        problems = [[problem.offset, problem.text] for problem in tried.problems]
        return {"ok": not problems, "lines": tried.lines, "problems": problems}

    def names(self) -> dict[str, Any]:
        """The trunks, phones and queues that rules may name."""
        return {"names": dict(names_of(self.loop.state, self._policy, self._clock.now()))}
