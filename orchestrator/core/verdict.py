"""What the observers together say of a node: a table, read from the top, first match wins.

Silence is counted in time that the loop lived through (``Pair.lived_s``): after a stall of the
orchestrator itself a tick adds at most twice its pace, so its own sleep never looks like a silent
node. No single observer condemns a node, and *lost AMI is not death*.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from orchestrator.core.events import Observed
from orchestrator.core.picture.views import DIRECT, SPOKE, View, view_of
from orchestrator.core.state import Observation, Pair, Policy
from orchestrator.core.words import Observer, Outcome, Verdict


def tick(state: Pair, now: float, policy: Policy) -> Pair:
    """Count the time that was lived since the last tick, at most twice the loop's pace."""
    last = now if state.last_tick is None else state.last_tick
    lived = min(max(now - last, 0.0), 2 * policy.tick_s)
    return replace(state, lived_s=state.lived_s + lived, last_tick=now)


def observed(state: Pair, events: Sequence[Observed], now: float, policy: Policy) -> Pair:
    """Note the observers' looks; an AMI answer confirms a picture that is in step."""
    nodes = state.nodes
    for name in dict.fromkeys(event.node for event in events):
        node = nodes.get(name)
        if node is None:
            continue
        observations, confirmed = node.observations, node.confirmed_at
        for event in events:
            if event.node != name:
                continue
            before = observations.get(event.observer)
            look = _look(before, event, state.lived_s, now, policy)
            observations = observations.set(event.observer, look)
            answered = event.observer is Observer.AMI and event.outcome is Outcome.ANSWERS
            if answered and node.in_sync:
                confirmed = now
        node = replace(node, observations=observations, confirmed_at=confirmed)
        nodes = nodes.set(name, node)
    return replace(state, nodes=nodes)


def _look(
    before: Observation | None, event: Observed, lived_s: float, now: float, policy: Policy
) -> Observation:
    heard = before.answered_lived_s if before else None
    gap = before is None or heard is None or lived_s - heard >= policy.silence_s
    return Observation(
        outcome=event.outcome,
        at=now,
        lived_s=lived_s,
        since=before.since if before and before.outcome is event.outcome else now,
        answered_lived_s=lived_s if event.outcome in SPOKE else heard,
        heard_since_lived_s=lived_s if gap or before is None else before.heard_since_lived_s,
        detail=event.detail,
    )


def _dead(v: View) -> bool:
    sip_or_host = v.is_outcome(Observer.SIP, Outcome.REFUSED) or v.is_outcome(
        Observer.HOST, Outcome.GONE
    )
    return len(v.refusals()) >= 2 and sip_or_host and not v.contradicted()


def _dead_behind_firewall(v: View) -> bool:
    return (
        v.is_outcome(Observer.AMI, Outcome.REFUSED)
        and v.is_outcome(Observer.ARI, Outcome.REFUSED)
        and v.silent(Observer.SIP)
        and not v.is_outcome(Observer.HOST, Outcome.ANSWERS, Outcome.STOPPED)
    )


def _healthy(v: View) -> bool:
    return v.answers(Observer.AMI) and v.answers(Observer.SIP)


def _calls_unanswered(v: View) -> bool:
    return v.silent(Observer.AMI) and v.silent(Observer.SIP) and not v.answers(Observer.PEER)


def _stopped(v: View) -> bool:
    said = v.is_outcome(Observer.HOST, Outcome.STOPPED)
    return _calls_unanswered(v) and v.host_speaks() and said


def _hung(v: View) -> bool:
    said = v.is_outcome(Observer.HOST, Outcome.ANSWERS, Outcome.SILENT)
    here = v.host_speaks() and said
    return _calls_unanswered(v) and (here or (not v.has_host and v.answers(Observer.ARI)))


def _all_silent(v: View) -> bool:
    return (
        v.silent(Observer.AMI)
        and v.silent(Observer.SIP)
        and v.silent_or_absent(Observer.HOST, v.has_host)
        and v.silent_or_absent(Observer.ARI, v.has_ari)
    )


def _peer_reaches(v: View) -> bool:
    return _all_silent(v) and v.peer_reaches() and v.peer_speaks


def _peer_misses(v: View) -> bool:
    if not _all_silent(v):
        return False
    if v.peer_watches:
        return v.peer_speaks and v.peer_silent()
    return v.peer_serves


def _ami_lost(v: View) -> bool:
    """Lost, not merely unheard yet: right after a start nobody is to be alarmed."""
    tried = v.look(Observer.AMI) is not None
    return v.answers(Observer.SIP) and tried and not v.answers(Observer.AMI)


def _sip_lost(v: View) -> bool:
    lost = v.silent(Observer.SIP) or v.is_outcome(Observer.SIP, Outcome.REFUSED)
    return v.answers(Observer.AMI) and lost


def _always(_: View) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class VerdictRow:
    when: Callable[[View], bool]
    verdict: Verdict
    sentence: str  # what the engineer reads; {node}, {peer}, {silence}


TABLE: tuple[VerdictRow, ...] = (
    VerdictRow(
        _dead,
        Verdict.DEAD,
        "{node}: at least two observers find nobody there, and nothing has answered since",
    ),
    VerdictRow(
        _dead_behind_firewall,
        Verdict.DEAD,
        "{node}: AMI and ARI are refused and SIP was silent for {silence}",
    ),
    VerdictRow(_healthy, Verdict.HEALTHY, "{node}: AMI and SIP answer"),
    VerdictRow(
        _stopped,
        Verdict.HUNG,
        "{node}: AMI and SIP were silent for {silence}; its host is well and says that the"
        " Asterisk process is stopped (SIGSTOP)",
    ),
    VerdictRow(
        _hung,
        Verdict.HUNG,
        "{node}: AMI and SIP were silent for {silence} although the host and the process are there",
    ),
    VerdictRow(
        _peer_reaches,
        Verdict.UNKNOWN,
        "{node}: silent to us for {silence}, but {peer} still reaches it or its host:"
        " we are cut off; nothing is done",
    ),
    VerdictRow(
        _peer_misses,
        Verdict.UNREACHABLE,
        "{node}: everything on it was silent for {silence} and {peer} does not see it either",
    ),
    VerdictRow(
        _all_silent,
        Verdict.UNKNOWN,
        "{node}: silent for {silence}, but {peer} cannot be asked: we may be cut off ourselves;"
        " nothing is done",
    ),
    VerdictRow(
        _ami_lost,
        Verdict.IMPAIRED,
        "{node}: AMI is lost while SIP answers: calls go on, only our view of them is gone",
    ),
    VerdictRow(
        _sip_lost,
        Verdict.IMPAIRED,
        "{node}: AMI answers but SIP does not: Asterisk runs, calls may not get through",
    ),
    VerdictRow(
        _always,
        Verdict.UNKNOWN,
        "{node}: the observers do not agree yet ({looks}); nothing is done",
    ),
)


def judge(state: Pair, policy: Policy, now: float) -> Pair:
    """Give every node its verdict; ``verdict_since`` moves only when the verdict changes."""
    nodes = state.nodes
    for name in nodes:
        verdict, why = _verdict(view_of(state, policy, name))
        node = nodes[name]
        if verdict is not node.verdict:
            node = replace(node, verdict=verdict, verdict_since=now, verdict_why=why)
            nodes = nodes.set(name, node)
        elif why != node.verdict_why:
            nodes = nodes.set(name, replace(node, verdict_why=why))
    return state if nodes is state.nodes else replace(state, nodes=nodes)


def _verdict(view: View) -> tuple[Verdict, str]:
    row = next(row for row in TABLE if row.when(view))
    names = {"node": view.node.name, "peer": view.peer, "silence": f"{view.silence_s:g} s"}
    looks = ", ".join(
        f"{who} {look.outcome}" if (look := view.look(who)) else f"{who} not heard yet"
        for who in DIRECT
        if (who is not Observer.HOST or view.has_host) and (who is not Observer.ARI or view.has_ari)
    )
    return row.verdict, row.sentence.format(looks=looks, **names)
