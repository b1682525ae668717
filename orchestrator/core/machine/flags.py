"""What we raise on a node during a drain, and must lower again: drain flag, trunk maintenance."""

from __future__ import annotations

from orchestrator.core.commands import SetDrainFlag, SetMaintenance
from orchestrator.core.machine.work import Status, Work


def lift_flags(work: Work, name: str) -> list[Status]:
    """Lower the drain flag and reopen the trunk endpoints, where we had raised or closed them."""
    node = work.node(name)
    statuses: list[Status] = [set_drain_flag(work, name, False)] if node.drain_flag else []
    return statuses + [
        set_maintenance(work, name, endpoint, False) for endpoint in sorted(node.maintenance)
    ]


def set_maintenance(work: Work, name: str, endpoint: str, on: bool) -> Status:
    """Close or reopen a trunk endpoint for new requests."""
    if on:
        work.set_node(name, maintenance=work.node(name).maintenance | {endpoint})
    return work.ask(
        f"maintenance {'on' if on else 'off'} for {endpoint} on {name}",
        lambda i, e, t: SetMaintenance(
            id=i, epoch=e, timeout_s=t, node=name, endpoint=endpoint, on=on
        ),
    )


def set_drain_flag(work: Work, name: str, on: bool) -> Status:
    """Tell the node's dialplan to send new calls to the other node, or to keep them."""
    if on:
        work.set_node(name, drain_flag=True)
    return work.ask(
        f"{'raise' if on else 'lower'} the drain flag on {name}",
        lambda i, e, t: SetDrainFlag(id=i, epoch=e, timeout_s=t, node=name, on=on),
    )
