"""One node as the verdict table asks about it: who answers, who is silent, who refuses."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.state import Node, Observation, Pair, Policy
from orchestrator.core.words import Observer, Outcome

SPOKE = frozenset({Outcome.ANSWERS, Outcome.STOPPED, Outcome.GONE, Outcome.DENIED})
CONCLUSIVE = frozenset({Outcome.REFUSED, Outcome.GONE})
DIRECT = (Observer.AMI, Observer.SIP, Observer.ARI, Observer.HOST)


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
    peer_heard_since_s: float = 0.0  # lived time since when its host agent speaks without a gap

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

    def peer_silent(self) -> bool:
        """The other node, heard all the while, did not see it for the silence deadline."""
        asked_s = self.lived_s - self.peer_heard_since_s
        return self.silent(Observer.PEER) and asked_s >= self.silence_s

    def peer_reaches(self) -> bool:
        """The other node sees it, or at least its host (STOPPED: ping answers, SIP does not)."""
        host_only = self.is_outcome(Observer.PEER, Outcome.STOPPED)
        return self.answers(Observer.PEER) or (
            host_only and self.unheard_s(Observer.PEER) < self.silence_s
        )

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
            look and look.outcome is Outcome.ANSWERS and look.at >= agreed_at for look in looks
        )


def view_of(state: Pair, policy: Policy, name: str) -> View:
    """The node as the table asks about it."""
    mine, peer = policy.node(name), policy.other(name)
    alone = View(
        state.nodes[peer], state.lived_s, policy.silence_s, policy.node(peer).has_host,
        policy.node(peer).has_ari, name, False, False, False,
    )  # fmt: skip
    host = alone.look(Observer.HOST)
    return View(
        state.nodes[name], state.lived_s, policy.silence_s, mine.has_host, mine.has_ari, peer,
        alone.host_speaks(), policy.node(peer).has_host,
        alone.answers(Observer.AMI) and alone.answers(Observer.SIP),
        host.heard_since_lived_s if host else state.lived_s,
    )  # fmt: skip
