"""The only door to the core: a batch of events and the time in, the next picture and commands out.

Order within a step: all events are taken in, then each node gets its verdict once, the rules are
asked once, and the machine goes on until nothing more can happen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from immutables import Map

from orchestrator.core import evacuation, failover, verdict
from orchestrator.core.commands import AnyCommand
from orchestrator.core.durable import Durable
from orchestrator.core.events import (
    AbortRequested,
    AddressSeen,
    CommandDone,
    Event,
    ExtendRequested,
    HoldRequested,
    LegSeen,
    MoveRequested,
    Observed,
    OperatorEvent,
    PhoneProbed,
    PictureLost,
    ProbeRequested,
    ReleaseRequested,
    RulesReloaded,
    Tick,
)
from orchestrator.core.machine.dry_run import keep_watching
from orchestrator.core.machine.learning import learn
from orchestrator.core.machine.orders import end_hold_in_time, follow_rule, obey
from orchestrator.core.machine.results import address_seen, command_done, expire
from orchestrator.core.machine.upkeep import keep_up
from orchestrator.core.machine.work import Work
from orchestrator.core.mirror import keep_mirrored
from orchestrator.core.observe import observe_all
from orchestrator.core.picture.views import CONCLUSIVE
from orchestrator.core.rules import RuleSet, evaluate
from orchestrator.core.state import Node, Pair, Policy
from orchestrator.core.words import Phase

_OPERATORS = (
    MoveRequested, AbortRequested, ExtendRequested, HoldRequested, ReleaseRequested,
    ProbeRequested, RulesReloaded,
)  # fmt: skip
_CORE = (Tick, Observed, PictureLost, AddressSeen, CommandDone, LegSeen, PhoneProbed, *_OPERATORS)


@dataclass(frozen=True)
class Engine:
    """Pure: the same picture, events and time always give the same answer."""

    policy: Policy
    rules: RuleSet

    def start(self, now: float) -> Pair:
        """The picture of a pair of which nothing is known yet."""
        names = [node.name for node in self.policy.nodes]
        nodes = Map({name: Node(name, verdict_since=now) for name in names})
        return Pair(nodes=nodes, now=now, phase=Phase.LEARNING, phase_since=now)

    def resume(self, durable: Durable, now: float) -> Pair:
        """The picture after a restart: what the journal remembers; the world is learnt anew."""
        state = durable.onto(self.start(now))
        if durable.move is not None:
            note = (
                f"restarted in the middle of a move ({durable.phase}): looking at the world first"
            )
            state = replace(state, notes=(note,))
        return state

    def step(
        self, state: Pair, events: Sequence[Event], now: float
    ) -> tuple[Pair, tuple[AnyCommand, ...]]:
        """Take the batch in, decide once. ``Pair.answers`` has the answers to its requests."""
        work = Work(replace(state, now=now, answers=()), self.policy, now)
        orders = _take_in(work, events)
        if any(isinstance(event, Tick) for event in events):
            expire(work)
        work.state = verdict.judge(work.state, self.policy, now)
        if work.state.phase is Phase.LEARNING:
            learn(work)
        if work.state.phase is not Phase.LEARNING:
            memory, requests = evaluate(self.rules, work.state, self.policy, now)
            work.set(rules=memory)
            for request in requests:
                follow_rule(work, request)
        for order in orders:
            obey(work, order)
        _go_on(work)
        return work.state, tuple(work.commands)


def _take_in(work: Work, events: Sequence[Event]) -> list[OperatorEvent]:
    """Every event in its order; runs of one kind are taken in at once, which is faster."""
    orders: list[OperatorEvent] = []
    for kind, run in groupby(events, _kind):
        if kind is Observed:
            _look(work, [event for event in run if isinstance(event, Observed)])
        elif kind is None:
            work.state = observe_all(work.state, run, work.now, work.policy)
        else:
            for event in run:
                if isinstance(event, _OPERATORS):
                    orders.append(event)
                else:
                    _take(work, event)
    return orders


def _kind(event: Event) -> type | None:
    """What is taken in together: looks, telephony events (None), each other type."""
    kind = type(event)
    return kind if kind in _CORE else None


def _look(work: Work, looks: list[Observed]) -> None:
    """Take the observers' looks in; the first to find nobody there calls the others."""
    before = work.state.nodes
    work.state = verdict.observed(work.state, looks, work.now, work.policy)
    for event in looks:
        if event.outcome in CONCLUSIVE and event.node in before:
            look = before[event.node].observations.get(event.observer)
            if look is None or look.outcome is not event.outcome:
                work.probe(event.node)


def _take(work: Work, event: Event) -> None:
    if isinstance(event, Tick):
        work.state = verdict.tick(work.state, work.now, work.policy)
    elif isinstance(event, CommandDone):
        command_done(work, event)
    elif isinstance(event, LegSeen):
        evacuation.leg_seen(work, event)
    elif isinstance(event, PhoneProbed):
        evacuation.phone_probed(work, event)
    elif isinstance(event, PictureLost | AddressSeen) and event.node in work.state.nodes:
        work.state = observe_all(work.state, (event,), work.now, work.policy)
        if isinstance(event, AddressSeen):
            address_seen(work, event)
        else:
            work.probe(event.node)


def _go_on(work: Work) -> None:
    """Let the machine go on; in the steady state keep it steady."""
    if work.state.phase is Phase.LEARNING:
        return
    if work.policy.dry_run:
        failover.retry_waiting(work)
        keep_watching(work)
        return
    end_hold_in_time(work)
    failover.retry_waiting(work)
    failover.run(work)
    if work.state.move is None and work.state.phase is Phase.STEADY:
        keep_up(work)
    evacuation.keep_probing(work)
    keep_mirrored(work)
