"""The address and the trunks: the steps that moves and upkeep are made of, and their one guard."""

from __future__ import annotations

from orchestrator.core.commands import Fence, RegisterTrunk, RemoveAddress, UnregisterTrunk
from orchestrator.core.machine.work import Status, Work
from orchestrator.core.state import Node, TrunkPolicy
from orchestrator.core.words import FenceMethod, Observer, RegistrationStatus, Verdict

# Heartbeat (0.2), witness probe and the way there, as parts of the silence deadline: so much later
# than our last word from it may the guard of a node begin to count.
GUARD_MARGIN = 0.4


def trunk_status(node: Node, trunk: TrunkPolicy) -> RegistrationStatus:
    """How the trunk's registration stands on that node; UNKNOWN when it was never seen."""
    for seen in node.registrations.values():
        named = seen.name == trunk.registration
        same_uris = bool(trunk.client_uri) and (
            (seen.client_uri, seen.server_uri) == (trunk.client_uri, trunk.server_uri)
        )
        if named or same_uris:
            return seen.status
    return RegistrationStatus.UNKNOWN


def add_address(work: Work, name: str) -> Status:
    """Give the node the address, once it is certain that the other one serves nothing.

    This is the only way a move adds the address: *unknown never promotes*, and *never two*.
    """
    key = f"add the address to {name}"
    move, other = work.move, work.policy.other(name)
    if key not in move.results and not _asked(work, key):
        if work.node(other).could_serve and not (move.vouched and other == move.from_node):
            return f"it is not certain that {other} serves nothing"
        verdict = work.node(name).verdict
        if not work.well(name) and not (move.force and verdict is Verdict.UNKNOWN):
            return None
        number = work.send_address(key, name)
        work.set_move(pending=work.move.pending | {number})
        return None
    return move.results.get(key)


def clear_address(work: Work, name: str) -> Status:
    """Make certain that the node can serve nothing, by the methods that its verdict allows."""
    if not work.node(name).could_serve:
        return ""
    failures: list[str] = []
    for method in fence_methods(work, name):
        status = _isolated(work, name) if method is FenceMethod.ISOLATION else _fence(
            work, name, method
        )  # fmt: skip
        if status is None:
            return None
        if status == "":
            return ""
        failures.append(f"{method}: {status}")
    return "; ".join(failures) or "no fencing method is configured"


def fence_methods(work: Work, name: str) -> tuple[FenceMethod, ...]:
    """The methods for a node, by its verdict, in the order in which they are tried."""
    policy, verdict = work.policy, work.node(name).verdict
    if verdict is Verdict.DEAD:
        return policy.fence_dead
    if verdict is Verdict.HUNG:
        return policy.fence_hung
    if verdict is Verdict.UNREACHABLE:
        return policy.fence_unreachable
    return (FenceMethod.ADDRESS,)


def remove_address(work: Work, name: str) -> Status:
    """Take the address from a node that is well; nothing to do when it certainly has not got it."""
    if not work.node(name).could_serve:
        return ""
    return work.ask(
        f"remove the address from {name}",
        lambda i, e, t: RemoveAddress(id=i, epoch=e, timeout_s=t, node=name),
    )


def register_trunks(work: Work, name: str) -> list[Status]:
    """Register every trunk of the site on the node."""
    return [
        work.ask(
            f"register {trunk.registration} on {name}",
            lambda i, e, t, r=trunk.registration: RegisterTrunk(  # type: ignore[misc]
                id=i, epoch=e, timeout_s=t, node=name, registration=r
            ),
            work.policy.trunk_timeout_s,
        )
        for trunk in work.policy.trunks
    ]


def unregister_trunks(work: Work, name: str) -> list[Status]:
    """Unregister every trunk of the site on the node."""
    return [
        work.ask(
            f"unregister {trunk.registration} on {name}",
            lambda i, e, t, r=trunk.registration: UnregisterTrunk(  # type: ignore[misc]
                id=i, epoch=e, timeout_s=t, node=name, registration=r
            ),
            work.policy.trunk_timeout_s,
        )
        for trunk in work.policy.trunks
    ]


def _asked(work: Work, key: str) -> bool:
    pending = work.move.pending
    return any(a.key == key and number in pending for number, a in work.state.asked.items())


def _fence(work: Work, name: str, method: FenceMethod) -> Status:
    status = work.ask(
        f"fence {name} by {method}",
        lambda i, e, t: Fence(id=i, epoch=e, timeout_s=t, node=name, method=method),
    )
    if status == "" and method is not FenceMethod.ADDRESS and name == work.move.from_node:
        work.set_move(vouched=f"{name} was fenced by {method}")
    return status


def _isolated(work: Work, name: str) -> Status:
    """Certain when its guard was armed and must have given the address up by now."""
    node, policy = work.node(name), work.policy
    if node.verdict is not Verdict.UNREACHABLE:
        return f"it is {node.verdict}, so its guard may still hear the other node"
    look = node.observations.get(Observer.HOST)
    if not node.guarded or look is None or look.answered_lived_s is None:
        return "its guard was not armed when it was last heard"
    if node.adding:
        return "an order to add the address may still reach it"
    peer = node.observations.get(Observer.PEER)
    heard = max(look.answered_lived_s, (peer.answered_lived_s if peer else None) or 0.0)
    unheard_s = work.state.lived_s - heard  # the guard listens to the other node, too
    if node.settled_at is not None:  # an order that it carried out reached it, whoever saw it
        unheard_s = min(unheard_s, work.now - node.settled_at)
    if unheard_s < policy.lease_s + GUARD_MARGIN * policy.silence_s + policy.tick_s:
        return None
    work.set_node(name, could_serve=False, holds_address=None)
    work.note(f"{name} was unheard for {unheard_s:.2f} s: its guard has given the address up")
    return ""
