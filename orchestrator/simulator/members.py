"""Members of queues come, pause and go; the dynamic ones outlive a restart (persistentmembers=yes).

Asterisk keeps them in astdb, family ``Queue/PersistentMembers``, one key a queue; pauses and
penalties of configured members end with the process.
"""

from __future__ import annotations

from orchestrator.simulator.model import Member, Queue
from orchestrator.simulator.pbx import Pbx

FAMILY = "Queue/PersistentMembers"


def add(pbx: Pbx, queue: Queue, member: Member) -> None:
    queue.members.append(member)
    member.last_pause = member.since if member.paused else 0
    _pause_device(pbx, queue, member)
    pbx.member_tell("QueueMemberAdded", queue, member)
    _changed(pbx, queue)


def remove(pbx: Pbx, queue: Queue, member: Member) -> None:
    queue.members.remove(member)
    pbx.member_tell("QueueMemberRemoved", queue, member)
    pbx.set_device(f"Queue:{queue.name}_pause_{member.interface}", "NOT_INUSE")
    _changed(pbx, queue)


def pause(pbx: Pbx, queue: Queue, member: Member, paused: bool, reason: str) -> None:
    """A repetition is told again, and takes the reason that is given then (measured)."""
    member.paused = paused
    member.reason = reason if paused else ""
    if paused:
        member.last_pause = int(pbx.now())
    _pause_device(pbx, queue, member)
    pbx.member_tell("QueueMemberPause", queue, member)
    _changed(pbx, queue)


def set_penalty(pbx: Pbx, queue: Queue, member: Member, penalty: int) -> None:
    member.penalty = penalty
    pbx.member_tell("QueueMemberPenalty", queue, member)
    _changed(pbx, queue)


def boot(pbx: Pbx) -> None:
    """The queues as they are at the start: configured members, and those that astdb kept."""
    for queue in pbx.queues.values():
        kept = pbx.database.get((FAMILY, queue.name), "")
        queue.members += [_from_text(entry) for entry in kept.split("|") if entry]
        for member in queue.members:
            pbx.others[f"Queue:{queue.name}_pause_{member.interface}"] = _pause_state(member)
        pbx.others[f"Queue:{queue.name}_avail"] = "INUSE"  # no phone has been reached yet


def _pause_state(member: Member) -> str:
    return "INUSE" if member.paused else "NOT_INUSE"


def _pause_device(pbx: Pbx, queue: Queue, member: Member) -> None:
    pbx.set_device(f"Queue:{queue.name}_pause_{member.interface}", _pause_state(member))


def _changed(pbx: Pbx, queue: Queue) -> None:
    pbx.queue_available(queue)
    kept = "|".join(_to_text(member) for member in queue.members if member.dynamic)
    if kept == pbx.database.get((FAMILY, queue.name), ""):
        return
    if kept:
        pbx.database[FAMILY, queue.name] = kept
    else:
        del pbx.database[FAMILY, queue.name]
    pbx.save()


def _to_text(member: Member) -> str:
    parts = [member.interface, str(member.penalty), str(int(member.paused)), member.name]
    return ";".join([*parts, member.device, member.reason, "0"])


def _from_text(text: str) -> Member:
    interface, penalty, paused, name, state, reason, _ = text.split(";")
    return Member(interface, name, int(penalty), paused == "1", reason, state, dynamic=True)
