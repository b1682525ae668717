"""Could the standby take over now? What must be true: each true, false or unknown, and why."""

from __future__ import annotations

from orchestrator.core.machine.service import trunk_status
from orchestrator.core.readying.check import Check as Check
from orchestrator.core.readying.checks import warmth
from orchestrator.core.state import Node, Pair, Policy, TrunkPolicy
from orchestrator.core.words import (
    ContactStatus,
    Observer,
    Outcome,
    Phase,
    RegistrationStatus,
    Verdict,
)


def readiness(state: Pair, policy: Policy, now: float, name: str) -> tuple[Check, ...]:
    """Every condition of the node's taking over, in the order an engineer would look.

    First those that gate a planned move, then how warm the node is.
    """
    return (*gating(state, policy, now, name), *warmth(state, policy, now, name))


def gating(state: Pair, policy: Policy, now: float, name: str) -> tuple[Check, ...]:
    """The conditions that a planned move waits for; looks at no phone."""
    node = state.nodes[name]
    fresh = node.fresh(now, policy.stale_s) and node.in_sync
    return (
        _healthy(node),
        _fresh(node, now, fresh),
        _version(node),
        *(_trunk(node, trunk, fresh) for trunk in policy.trunks),
        _agent(node, policy),
        _address(state, policy, name),
    )


def missing(state: Pair, policy: Policy, now: float, name: str) -> tuple[str, ...]:
    """What a planned move waits for, in words; empty: ready. Unknown is not ready."""
    return tuple(
        f"{check.why}{f' ({check.do})' if check.do else ''}"
        for check in gating(state, policy, now, name)
        if check.ok is not True
    )


def _healthy(node: Node) -> Check:
    ok = None if node.verdict is Verdict.UNKNOWN else node.verdict is Verdict.HEALTHY
    return Check("healthy", ok, f"{node.name} is {node.verdict}: {node.verdict_why}")


def _fresh(node: Node, now: float, fresh: bool) -> Check:
    if fresh:
        return Check("fresh", True, f"the picture of {node.name} is in step")
    age = "never" if node.confirmed_at is None else f"{max(now - node.confirmed_at, 0.0):.0f} s ago"
    return Check(
        "fresh", None, f"what is known of {node.name} was last confirmed {age}",
        "its AMI must be connected and its snapshot complete",
    )  # fmt: skip


def _version(node: Node) -> Check:
    known = node.asterisk_version
    why = f"{node.name} runs Asterisk {known}" if known else f"{node.name}'s version is not known"
    return Check("version", bool(known) or None, why)


def _trunk(node: Node, trunk: TrunkPolicy, fresh: bool) -> Check:
    """Reachable by qualify; a trunk that is not qualified cannot be told."""
    name = f"trunk {trunk.endpoint}"
    if not fresh:
        return Check(name, None, f"whether {node.name} reaches {name} is not known now")
    statuses = {
        contact.status for contact in node.contacts.values() if contact.aor == trunk.endpoint
    }
    if ContactStatus.REACHABLE in statuses:
        return Check(name, True, f"{node.name} reaches {name}")
    if trunk_status(node, trunk) is RegistrationStatus.REGISTERED:
        return Check(name, True, f"{node.name} is registered at {name}")
    if ContactStatus.UNREACHABLE in statuses:
        return Check(
            name, False, f"{node.name} does not reach {name}", "look at its network and provider"
        )
    return Check(
        name, True, f"{name} is not qualified on {node.name}: the registration will tell",
        "set qualify_frequency on its AOR to know beforehand",
    )  # fmt: skip


def _agent(node: Node, policy: Policy) -> Check:
    look = node.observations.get(Observer.HOST)
    if not policy.node(node.name).has_host:
        return Check("host agent", True, f"no host agent is configured for {node.name}")
    if look is not None and look.outcome is Outcome.ANSWERS:
        return Check("host agent", True, f"the host agent of {node.name} speaks")
    return Check(
        "host agent", None if look is None else False,
        f"the host agent of {node.name} does not say that Asterisk runs",
        "without it the address cannot be moved: look at SSH to that host",
    )  # fmt: skip


def _address(state: Pair, policy: Policy, name: str) -> Check:
    """The standby must not hold the address, unless a move has brought it there."""
    node, move = state.nodes[name], state.move
    if node.holds_address and state.active != name:
        if move is not None and move.to_node == name and state.phase is not Phase.PREPARING:
            return Check("address", True, f"{name} holds the address: the move to it goes on")
        return Check("address", False, f"{name} already holds the address", "two nodes must not")
    other = policy.other(name)
    return Check("address", True, f"the address is not held by {name}; {other} gives it up first")
