"""The AMI actions about queues and their members (apps/app_queue.c), as captured."""

from __future__ import annotations

from orchestrator.simulator import shapes
from orchestrator.simulator.ami import ANYBODY, Action, Known, Session
from orchestrator.simulator.members import add, pause, remove, set_penalty
from orchestrator.simulator.model import Frame, Member, Queue
from orchestrator.simulator.pbx import Pbx

AGENT = frozenset({"agent"})
TRUE = ("yes", "true", "y", "t", "1", "on")  # ast_true()


class QueueActions:
    def __init__(self, pbx: Pbx) -> None:
        self.pbx = pbx

    def known(self) -> Known:
        return {
            "queuestatus": (ANYBODY, self._status),
            "queueadd": (AGENT, self._add),
            "queueremove": (AGENT, self._remove),
            "queuepause": (AGENT, self._pause),
            "queuepenalty": (AGENT, self._penalty),
        }

    def _status(self, session: Session, action: Action) -> None:
        items: list[tuple[str, Frame]] = []
        for queue in self.pbx.queues.values():
            if action.get("queue", queue.name) != queue.name:
                continue
            items.append(("QueueParams", shapes.queue_params(queue)))
            for member in queue.members:
                state = self.pbx.state_of(member.device)
                items.append(("QueueMember", shapes.queue_member(queue.name, member, state)))
            for position, waiting in enumerate(queue.callers, 1):
                items.append(("QueueEntry", shapes.queue_entry(queue.name, position, waiting)))
        session.listing(
            action, "Queue status will follow", items, "QueueStatusComplete", id_last=True
        )

    def _member(self, action: Action) -> tuple[Queue | None, Member | None]:
        queue = self.pbx.queues.get(action.get("queue", ""))
        return queue, queue.member(action.get("interface", "")) if queue else None

    def _add(self, session: Session, action: Action) -> None:
        queue, member = self._member(action)
        if queue is None:
            session.refuse(action, "Unable to add interface to queue: No such queue")
            return
        if member is not None:
            session.refuse(action, "Unable to add interface: Already there")
            return
        session.done(action, "Added interface to queue")
        made = Member(
            action.get("interface", ""),
            action.get("membername") or action.get("interface", ""),
            int(action.get("penalty") or 0),
            action.get("paused", "").lower() in TRUE,
            state_interface=action.get("stateinterface", ""),
            dynamic=True,
            since=int(self.pbx.now()),
        )
        made.reason = action.get("reason", "") if made.paused else ""
        add(self.pbx, queue, made)

    def _remove(self, session: Session, action: Action) -> None:
        queue, member = self._member(action)
        if queue is None:
            session.refuse(action, "Unable to remove interface from queue: No such queue")
        elif member is None:
            session.refuse(action, "Unable to remove interface: Not there")
        elif not member.dynamic:
            session.refuse(action, "Member not dynamic")
        else:
            session.done(action, "Removed interface from queue")
            remove(self.pbx, queue, member)

    def _pause(self, session: Session, action: Action) -> None:
        """In one queue, or without ``Queue`` in all."""
        wanted = action.get("queue", "")
        queues = [q for q in self.pbx.queues.values() if wanted in ("", q.name)]
        found = [(q, m) for q in queues if (m := q.member(action.get("interface", "")))]
        if not found:
            session.refuse(action, "Interface not found")
            return
        paused = action.get("paused", "").lower() in TRUE
        session.done(action, f"Interface {'' if paused else 'un'}paused successfully")
        for queue, member in found:
            pause(self.pbx, queue, member, paused, action.get("reason", ""))

    def _penalty(self, session: Session, action: Action) -> None:
        queue, member = self._member(action)
        penalty = action.get("penalty", "")
        if queue is None or member is None or not penalty.isdigit():
            session.refuse(action, "Invalid interface, queuename or penalty")
            return
        session.done(action, "Interface penalty set successfully")
        set_penalty(self.pbx, queue, member, int(penalty))
