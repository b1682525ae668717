"""What the observers together say of a node: a table, read from the top, first match wins.

Silence is counted in time that the loop lived through (``Pair.lived_s``): after a stall of the
orchestrator itself a tick adds at most twice its pace, so its own sleep never looks like a silent
node. No single observer condemns a node, and *lost AMI is not death*.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from orchestrator.core.events import Observed
from orchestrator.core.state import Node, Observation, Pair, Policy
from orchestrator.core.words import Observer, Outcome, Verdict

SPOKE = frozenset({Outcome.ANSWERS, Outcome.STOPPED, Outcome.GONE, Outcome.DENIED})
CONCLUSIVE = frozenset({Outcome.REFUSED, Outcome.GONE})
DIRECT = (Observer.AMI, Observer.SIP, Observer.ARI, Observer.HOST)


def tick(state: Pair, now: float, policy: Policy) -> Pair:
    """Count the time that was lived since the last tick, at most twice the loop's pace."""
    last = now if state.last_tick is None else state.last_tick
    lived = min(max(now - last, 0.0), 2 * policy.tick_s)
    return replace(state, lived_s=state.lived_s + lived, last_tick=now)


def observed(state: Pair, event: Observed, now: float) -> Pair:
    """Note one observer's look; an AMI answer confirms a picture that is in step."""
    node = state.nodes.get(event.node)
    if node is None:
        return state
    before = node.observations.get(event.observer)
    same = before is not None and before.outcome is event.outcome
    heard = before.answered_lived_s if before else None
    look = Observation(
        outcome=event.outcome,
        at=now,
        lived_s=state.lived_s,
        since=before.since if same and before else now,
        answered_lived_s=state.lived_s if event.outcome in SPOKE else heard,
        detail=event.detail,
    )
    confirmed = node.confirmed_at
    if event.observer is Observer.AMI and event.outcome is Outcome.ANSWERS and node.in_sync:
        confirmed = now
    observations = node.observations.set(event.observer, look)
    node = replace(node, observations=observations, confirmed_at=confirmed)
    return replace(state, nodes=state.nodes.set(node.name, node))


@dataclass(frozen=True, slots=True)
class View:
    """One node as the rows ask about it."""

    node: Node
    lived_s: float
    silence_s: float
    has_host: bool
    has_ari: bool
    peer: str  # the other node's name
    peer_speaks: bool  # the other node can be asked what it sees: its host agent is heard
    peer_watches: bool  # the other node has a host agent at all
    peer_serves: bool  # the other node answers AMI and SIP: we are not cut off from everything

    def look(self, who: Observer) -> Observation | None:
        """The observer's last look; None when it is not configured or has not spoken."""
        if (who is Observer.HOST and not self.has_host) or (
            who is Observer.ARI and not self.has_ari
        ):
            return None
        return self.node.observations.get(who)

    def unheard_s(self, who: Observer) -> float:
        """Lived seconds since the observer last heard the node."""
        look = self.look(who)
        return self.lived_s - ((look.answered_lived_s if look else None) or 0.0)

    def is_outcome(self, who: Observer, *outcomes: Outcome) -> bool:
        look = self.look(who)
        return look is not None and look.outcome in outcomes

    def answers(self, who: Observer) -> bool:
        """Answered lately; one missed probe is not silence yet."""
        look = self.look(who)
        if look is None or look.answered_lived_s is None:
            return False
        lately = self.lived_s - look.answered_lived_s < self.silence_s
        return lately and look.outcome in (Outcome.ANSWERS, Outcome.SILENT)

    def silent(self, who: Observer) -> bool:
        """It spoke once since we run, or said so, and was not heard for the silence deadline."""
        look = self.look(who)
        return look is not None and (
            look.outcome not in CONCLUSIVE and self.unheard_s(who) >= self.silence_s
        )

    def silent_or_absent(self, who: Observer, present: bool) -> bool:
        return not present or self.silent(who)

    def host_speaks(self) -> bool:
        look = self.look(Observer.HOST)
        return (
            look is not None
            and (look.outcome in SPOKE or look.outcome is Outcome.SILENT)
            and look.answered_lived_s is not None
            and self.unheard_s(Observer.HOST) < self.silence_s
        )

    def refusals(self) -> list[float]:
        """Since when each direct observer finds nobody there, earliest first."""
        looks = [(who, self.look(who)) for who in DIRECT]
        return sorted(
            look.since
            for who, look in looks
            if look and look.outcome is (Outcome.GONE if who is Observer.HOST else Outcome.REFUSED)
        )

    def contradicted(self) -> bool:
        """Somebody was answered after two observers agreed that nobody is there."""
        agreed_at = self.refusals()[1]
        looks = (self.look(who) for who in DIRECT)
        return any(
            look and look.outcome is Outcome.ANSWERS and look.at > agreed_at for look in looks
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
    return _all_silent(v) and v.answers(Observer.PEER) and v.peer_speaks


def _peer_misses(v: View) -> bool:
    if not _all_silent(v):
        return False
    if v.peer_watches:
        return v.peer_speaks and v.silent(Observer.PEER)
    return v.peer_serves


def _ami_lost(v: View) -> bool:
    return v.answers(Observer.SIP) and not v.answers(Observer.AMI)


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
        "{node}: silent to us for {silence}, but {peer} still reaches it: we are cut off,"
        " not the node; nothing is done",
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


def view_of(state: Pair, policy: Policy, name: str) -> View:
    """The node as the table asks about it."""
    mine, peer = policy.node(name), policy.other(name)
    alone = View(
        state.nodes[peer], state.lived_s, policy.silence_s, policy.node(peer).has_host,
        policy.node(peer).has_ari, name, False, False, False,
    )  # fmt: skip
    return View(
        state.nodes[name], state.lived_s, policy.silence_s, mine.has_host, mine.has_ari, peer,
        alone.host_speaks(), policy.node(peer).has_host, _healthy(alone),
    )  # fmt: skip


def _verdict(view: View) -> tuple[Verdict, str]:
    row = next(row for row in TABLE if row.when(view))
    names = {"node": view.node.name, "peer": view.peer, "silence": f"{view.silence_s:g} s"}
    looks = ", ".join(
        f"{who} {look.outcome}" if (look := view.look(who)) else f"{who} not heard yet"
        for who in DIRECT
        if (who is not Observer.HOST or view.has_host) and (who is not Observer.ARI or view.has_ari)
    )
    return row.verdict, row.sentence.format(looks=looks, **names)
