"""One step in the making: the picture so far and the commands asked for up to now.

It lives inside a single ``Engine.step`` and never leaves it; outside, only frozen values are seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

from orchestrator.core.commands import AddAddress, AnyCommand, Notify, ProbeNow
from orchestrator.core.events import OperatorEvent
from orchestrator.core.machine.phases import Result
from orchestrator.core.state import Answer, Asked, Move, Node, Pair, Policy
from orchestrator.core.words import Severity, Verdict

NOTES_KEPT = 30
RESULT_SLACK_S = 1.0  # a result may come this much after the executor's own deadline
PROBE_EVERY_S = 0.05
LOST = frozenset({Verdict.DEAD, Verdict.HUNG, Verdict.UNREACHABLE})
WELL = frozenset({Verdict.HEALTHY, Verdict.IMPAIRED})

Status: TypeAlias = str | None  # None: no result yet; "": ok; else what went wrong
Outcome: TypeAlias = tuple[Result, str] | None  # how a phase came out and why; None: it waits
Build: TypeAlias = Callable[[int, int, float], AnyCommand]  # id, epoch, timeout_s


class Work:
    """Collects what one step changes and asks for."""

    def __init__(self, state: Pair, policy: Policy, now: float) -> None:
        self.state = state
        self.policy = policy
        self.now = now
        self.commands: list[AnyCommand] = []

    # --- the picture

    def set(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)

    def node(self, name: str) -> Node:
        return self.state.nodes[name]

    def set_node(self, name: str, **changes: Any) -> None:
        node = replace(self.state.nodes[name], **changes)
        self.set(nodes=self.state.nodes.set(name, node))

    @property
    def move(self) -> Move:
        """The move in progress; only asked for by what runs within one."""
        assert self.state.move is not None
        return self.state.move

    def set_move(self, **changes: Any) -> None:
        self.set(move=replace(self.move, **changes))

    def lost(self, name: str) -> bool:
        return self.node(name).verdict in LOST

    def well(self, name: str) -> bool:
        return self.node(name).verdict in WELL

    # --- words for people

    def note(self, sentence: str) -> None:
        """Remember why something was, or was not, done; the same sentence is not said twice."""
        notes = tuple(note for note in self.state.notes if note != sentence)
        self.set(notes=(*notes, sentence)[-NOTES_KEPT:])

    def answer(self, request: OperatorEvent, accepted: bool, sentence: str) -> None:
        self.set(answers=(*self.state.answers, Answer(request, accepted, sentence)))
        self.note(sentence)

    def tell(self, severity: Severity, title: str, text: str) -> None:
        """Tell people; in a dry run only say so. Nobody waits for it."""
        if self.policy.dry_run:
            self.note(f"dry run: would tell people: {title}: {text}")
            return
        number = self._next()
        self.commands.append(
            Notify(id=number, epoch=self.state.epoch, timeout_s=30.0,
                   severity=severity, title=title, text=text)
        )  # fmt: skip

    # --- commands

    def _next(self) -> int:
        number = self.state.next_command
        self.set(next_command=number + 1)
        return number

    def ask(self, key: str, build: Build, timeout_s: float | None = None) -> Status:
        """The move's command of that name: asked for once, then its result is looked up."""
        known = self.move.results.get(key)
        if known is not None:
            return known
        if any(
            asked.key == key and number in self.move.pending
            for number, asked in self.state.asked.items()
        ):
            return None
        number = self.send(key, build, timeout_s)
        self.set_move(pending=self.move.pending | {number})
        return None

    def send(self, key: str, build: Build, timeout_s: float | None = None) -> int:
        """Ask for a command and await its result under this name."""
        number = self._next()
        limit_s = self.policy.step_timeout_s if timeout_s is None else timeout_s
        command = build(number, self.state.epoch, limit_s)
        self.commands.append(command)
        overdue = self.state.lived_s + limit_s + RESULT_SLACK_S
        self.set(asked=self.state.asked.set(number, Asked(command, key, overdue)))
        return number

    def send_address(self, key: str, name: str) -> int:
        """Give the node the address under a new epoch. Callers made sure that no other has it."""
        self.set(epoch=self.state.epoch + 1)
        number = self.send(
            key, lambda i, e, t: AddAddress(id=i, epoch=e, timeout_s=t, node=name)
        )  # fmt: skip
        self.set_node(name, adding=number, added=number, could_serve=True)
        return number

    def probe(self, name: str) -> None:
        """Let every observer look at once, so that the second one speaks in milliseconds."""
        last = self.node(name).probed_at
        if last is not None and self.now - last < PROBE_EVERY_S:
            return
        self.set_node(name, probed_at=self.now)
        number = self._next()
        self.commands.append(ProbeNow(id=number, epoch=self.state.epoch, timeout_s=1.0, node=name))
