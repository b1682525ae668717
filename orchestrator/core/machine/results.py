"""What results and the hosts tell about the address: who could serve it, beyond doubt.

``Node.could_serve`` is False only when it is certain that the node has not got the address and no
order to add it is still on its way. No other fact lets the machine add the address elsewhere.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.commands import (
    AddAddress,
    Command,
    Fence,
    RemoveAddress,
    SetDrainFlag,
    SetMaintenance,
    Verify,
)
from orchestrator.core.events import AddressSeen, CommandDone
from orchestrator.core.machine.work import Work
from orchestrator.core.mirroring.settling import settle
from orchestrator.core.state import Node
from orchestrator.core.words import FenceMethod


def address_seen(work: Work, event: AddressSeen) -> None:
    """Draw the conclusion from a host's word on the address."""
    node = work.state.nodes.get(event.node)
    if node is None or event.holds is None:
        return
    if _just_settled(work, node):
        return
    if event.holds:
        if node.adding or not node.could_serve:
            work.set_node(event.node, could_serve=True, adding=0)
    elif node.could_serve and not node.adding:
        work.set_node(event.node, could_serve=False)


def _just_settled(work: Work, node: Node) -> bool:
    """A host's look from before our order was carried out may come in after its result."""
    since = node.settled_at
    return since is not None and work.now - since < work.policy.silence_s / 2


def command_done(work: Work, event: CommandDone) -> None:
    """Take a result in; one of an old epoch, or that nobody waits for, is dropped."""
    asked = work.state.asked.get(event.command_id)
    if asked is None or asked.command.epoch != event.epoch:
        return
    work.set(asked=work.state.asked.delete(event.command_id))
    if event.ok:
        _learn(work, asked.command, event)
    settle(work, asked.command, asked.key, event)
    _settle(work, event.command_id, asked.key, "" if event.ok else event.detail or "failed")


def expire(work: Work) -> None:
    """A result that never came is a failure: nothing may wait for ever."""
    for number, asked in work.state.asked.items():
        if work.state.lived_s >= asked.overdue_lived_s:
            work.set(asked=work.state.asked.delete(number))
            late = f"no result of '{asked.key}' came in time"
            settle(work, asked.command, asked.key, CommandDone(number, 0, False, late))
            _settle(work, number, asked.key, late)


def _settle(work: Work, number: int, key: str, result: str) -> None:
    move = work.state.move
    if move is None or number not in move.pending:
        return
    failures = (*move.failures, f"{key}: {result}") if result else move.failures
    work.set(
        move=replace(
            move,
            pending=move.pending - {number},
            results=move.results.set(key, result),
            failures=failures[-20:],
        )
    )


def _learn(work: Work, command: Command, event: CommandDone) -> None:
    if isinstance(command, AddAddress):
        if work.node(command.node).adding == command.id:
            work.set_node(
                command.node, holds_address=True, address_at=work.now, adding=0, settled_at=work.now
            )
    elif isinstance(command, RemoveAddress) or (
        isinstance(command, Fence) and command.method is FenceMethod.ADDRESS
    ):
        # An order to add that was given after this one may have been carried out since.
        if work.node(command.node).added < command.id:
            work.set_node(
                command.node,
                holds_address=False,
                address_at=work.now,
                adding=0,
                could_serve=False,
                settled_at=work.now,
            )
    elif isinstance(command, SetDrainFlag) and not command.on:
        work.set_node(command.node, drain_flag=False)
    elif isinstance(command, SetMaintenance) and not command.on:
        closed = work.node(command.node).maintenance
        work.set_node(command.node, maintenance=closed - {command.endpoint})
    elif isinstance(command, Verify) and work.state.move is not None:
        work.set_move(contact_host=str(event.data.get("contact_host") or ""))
