"""What readiness says of the mirror. None of it keeps a move from beginning: an active that fails
must be replaced also by a standby that is not warm yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.core.mirroring.reading import compare_key, fetch_key
from orchestrator.core.mirroring.sides import compared, kinds_of, shift_s
from orchestrator.core.mirroring.writing import mirror_key
from orchestrator.core.policy import MirrorPolicy
from orchestrator.core.readying.check import Check
from orchestrator.core.readying.figures import Figures, standby_figures
from orchestrator.core.state import Node, Pair, Policy
from orchestrator.core.words import MirrorKind, Observer, Outcome

NAMED = 3  # of what is missing
APART_S = 1.0  # clocks further apart are worth a word
MISSED = 3  # comparisons in a row


def warmth(state: Pair, policy: Policy, now: float, name: str) -> tuple[Check, ...]:
    """Everything about phones, queues and the mirror that is true of the node now."""
    if policy.mirror is None:
        return ()
    target, source = state.nodes[name], state.nodes[policy.other(name)]
    return (
        *_served(standby_figures(state, policy, now, name), name),
        _compared(state, policy.mirror, now, source, target),
        *(_ari(state, policy, node) for node in (source, target) if policy.mirror.contacts),
        *_clocks(source, target),
        *_refreshes(policy.mirror, source),
        *_peculiar(state, policy.mirror, target),
    )


def _served(figures: Figures | None, name: str) -> Iterator[Check]:
    if figures is None:
        why = "which phones and queues are ready is not known: one node's picture is not in step"
        yield Check("phones", None, f"{name}: {why}", gates=False)
        return
    ready, count = figures.phones_ready, figures.phones
    yield Check(
        "phones", ready == count,
        f"of {count} phones {ready} are ready on {name}{_named(figures.phones_missing)}",
        "" if ready == count else "phones --missing lists them; they must register anew",
        gates=False,
    )  # fmt: skip
    if figures.queues:
        ready, count = figures.queues_ready, figures.queues
        yield Check(
            "queues", ready == count,
            f"of {count} queues {ready} are ready on {name}{_named(figures.queues_missing)}",
            "" if ready == count else "static members must be in queues.conf of both nodes",
            gates=False,
        )  # fmt: skip


def _named(missing: Mapping[str, str]) -> str:
    if not missing:
        return ""
    first = [f"{name}: {why}" for name, why in list(missing.items())[:NAMED]]
    more = f"; and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    return f" ({'; '.join(first)}{more})"


def _compared(state: Pair, policy: MirrorPolicy, now: float, source: Node, target: Node) -> Check:
    """The lists of both nodes came lately, and what was written was taken."""
    for kind in compared(policy):
        for node in (source, target):
            listing = node.listing(kind)
            pause = state.mirror.pauses.get(compare_key(kind, node.name))
            why = pause.why if pause else listing.problem
            if why and (listing.at is None or pause):
                return _trouble(f"{node.name}'s {kind} list does not come: {why}")
            if listing.at is None:
                return _trouble(f"{node.name}'s {kind} list has not come yet", ok=None)
            age_s = now - listing.at
            if age_s > MISSED * policy.compare_every_s:
                return _trouble(f"{node.name}'s {kind} list is {age_s:.0f} s old")
    keys = [fetch_key(source.name), *(mirror_key(k, target.name) for k in kinds_of(policy))]
    for pause in (state.mirror.pauses.get(key) for key in keys):
        if pause is not None:
            return _trouble(f"{source.name} is not mirrored onto {target.name} now: {pause.why}")
    return Check("mirror", True, f"{target.name} is compared with {source.name}", gates=False)


def _trouble(why: str, ok: bool | None = False) -> Check:
    return Check("mirror", ok, why, "it is tried again by itself", gates=False)


def _ari(state: Pair, policy: Policy, node: Node) -> Check:
    if not policy.node(node.name).has_ari:
        return Check(
            f"ARI of {node.name}", False,
            f"no ARI is configured for {node.name}: registrations are not mirrored",
            f"add nodes.{node.name}.ari", gates=False,
        )  # fmt: skip
    look = node.observations.get(Observer.ARI)
    if look is None or look.outcome is Outcome.ANSWERS:
        ok = True if look else None
        says = "answers" if look else "was not heard yet"
        return Check(f"ARI of {node.name}", ok, f"ARI of {node.name} {says}", gates=False)
    return Check(
        f"ARI of {node.name}", False,
        f"ARI of {node.name} is {look.outcome}: registrations are not mirrored",
        "look at http.conf and ari.conf there", gates=False,
    )  # fmt: skip


def _clocks(source: Node, target: Node) -> Iterator[Check]:
    shift = shift_s(source, target)
    if shift is None:
        yield Check(
            "clocks", None,
            f"how far the clocks of {source.name} and {target.name} are apart is not known:"
            " registrations are copied as if they agreed",
            "timestampevents and AMI Ping tell it", gates=False,
        )  # fmt: skip
    elif abs(shift) > APART_S:
        yield Check(
            "clocks", False,
            f"the clock of {target.name} is {abs(shift):.1f} s {'ahead' if shift > 0 else 'behind'}"
            f" that of {source.name}; the copies' expiries are corrected by that",
            "let both follow the same time servers (chrony)", gates=False,
        )  # fmt: skip


def _refreshes(policy: MirrorPolicy, source: Node) -> Iterator[Check]:
    listing = source.listing(MirrorKind.CONTACT)
    if policy.contacts and listing.unnoticed and not listing.hears_auth:
        yield Check(
            "refreshes", False,
            f"refreshes of registrations on {source.name} are noticed only every"
            f" {policy.compare_every_s:g} s: no security events come in",
            "add security to read= of the AMI user in manager.conf", gates=False,
        )  # fmt: skip


def _peculiar(state: Pair, policy: MirrorPolicy, target: Node) -> Iterator[Check]:
    if state.mirror.shared:
        yield Check(
            "shared contacts", True,
            "both nodes keep their registrations in one place (realtime): they are left alone."
            f" {target.name} can call such a phone at once, but Asterisk rings it for a queue there"
            " only when it has registered there, or after a restart",
            gates=False,
        )  # fmt: skip
    if target.name != state.mirror.target:
        return
    for kind in kinds_of(policy):
        backlog = state.mirror.backlog(kind)
        if backlog.guarded_lived_s is not None and backlog.removals:
            count, mirrored = len(backlog.removals), len(state.mirror.mirrored(kind))
            yield Check(
                f"removals of {kind}", False,
                f"{count} of {mirrored} mirrored things of kind {kind} are gone from"
                f" {state.mirror.source} at once: {target.name} keeps them for a minute, since an"
                " emptied node is more likely a fault",
                f"look whether {state.mirror.source} lost its data", gates=False,
            )  # fmt: skip
