"""Queues: their members, and who waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.core.events import QueueCallerSeen, QueueMemberSeen
from orchestrator.core.picture.draft import NodeDraft
from orchestrator.core.picture.observe_calls import changed
from orchestrator.core.state import Queue, QueueCaller, QueueMember


def _member(draft: NodeDraft, event: QueueMemberSeen) -> None:
    queue = draft.queues.get(event.queue) or Queue(event.queue)
    if not event.removed:
        known = queue.members.get(event.interface)
        member = QueueMember(
            event.interface,
            event.name,
            event.penalty,
            event.paused,
            event.pause_reason,
            event.in_call,
            event.status,
            event.state_interface or (known.state_interface if known else ""),
            event.membership or (known.membership if known else ""),
        )
        members = queue.members.set(event.interface, member)
    elif event.interface in queue.members:
        members = queue.members.delete(event.interface)
    else:
        return
    draft.queues = draft.queues.set(event.queue, replace(queue, members=members))


def _caller(draft: NodeDraft, event: QueueCallerSeen) -> None:
    """``QueueCallerLeave`` comes first; ``AgentConnect`` or ``QueueCallerAbandon`` says why."""
    if event.position >= 1:
        _waits(draft, event)
        return
    if event.abandoned:
        draft.count("callers_abandoned")
    queue = draft.queues.get(event.queue)
    if queue is not None and event.uniqueid in queue.callers:
        callers = queue.callers.delete(event.uniqueid)
        draft.queues = draft.queues.set(event.queue, replace(queue, callers=callers))
    _name_queue(draft, event.uniqueid, event.queue if event.answered else "")


def _waits(draft: NodeDraft, event: QueueCallerSeen) -> None:
    queue = draft.queues.get(event.queue) or Queue(event.queue)
    caller = QueueCaller(
        event.uniqueid, event.position, event.caller_number, draft.now - event.waited_s
    )
    callers = queue.callers.set(event.uniqueid, caller)
    draft.queues = draft.queues.set(event.queue, replace(queue, callers=callers))
    _name_queue(draft, event.uniqueid, event.queue)


def _name_queue(draft: NodeDraft, uniqueid: str, queue: str) -> None:
    channel = draft.channels.get(uniqueid)
    if channel is not None and channel.queue != queue:
        draft.channels[uniqueid] = changed(channel, queue=queue)


QUEUE_HANDLERS: Mapping[type, Callable[[NodeDraft, Any], None]] = {
    QueueMemberSeen: _member,
    QueueCallerSeen: _caller,
}
