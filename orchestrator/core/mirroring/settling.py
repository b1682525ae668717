"""What became of the mirror's commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

from orchestrator.core.commands import Command, Compare, Fetch, Mirror, PauseMember
from orchestrator.core.events import CommandDone
from orchestrator.core.machine.work import Work
from orchestrator.core.mirroring.memory import next_pause
from orchestrator.core.mirroring.reading import set_listing
from orchestrator.core.mirroring.writing import after_failures, after_writes, set_backlog
from orchestrator.core.picture.listed import with_item
from orchestrator.core.words import MirrorKind

_TOLD_BY_EVENTS = (MirrorKind.MEMBER, MirrorKind.DEVICE)


def settle(work: Work, command: Command, key: str, done: CommandDone) -> None:
    """Take the result of one of the mirror's commands in; of any other one, nothing."""
    if not isinstance(command, Fetch | Compare | Mirror | PauseMember):
        return
    data = done.data if isinstance(command, Mirror) else {}
    as_a_whole = not done.ok and not data
    if not isinstance(command, PauseMember):
        _pause(work, key, done.detail or "it failed" if as_a_whole else "")
    if isinstance(command, Fetch):
        _fetched(work, command, done.ok)
    elif isinstance(command, Mirror):
        if as_a_whole:
            data = {}
        elif not data:
            data = {"done": [*(put.key for put in command.puts), *command.removals]}
        _written(work, command, data)
    elif isinstance(command, PauseMember):
        _paused(work, command, key, done)


def _pause(work: Work, key: str, failure: str) -> None:
    """A command that failed as a whole is held back for a while; its reason is for readiness."""
    memory = work.state.mirror
    if failure:
        pause = next_pause(memory.pauses.get(key), work.now, failure)
        work.set(mirror=replace(memory, pauses=memory.pauses.set(key, pause)))
    elif key in memory.pauses:
        work.set(mirror=replace(memory, pauses=memory.pauses.delete(key)))


def _fetched(work: Work, command: Fetch, ok: bool) -> None:
    memory = work.state.mirror
    if command.node == memory.source:
        if not ok:
            listing = work.node(command.node).listing(command.kind)
            wanted = listing.wanted.update(dict.fromkeys(command.keys, work.now))
            set_listing(work, command.node, command.kind, replace(listing, wanted=wanted))
        return
    keys = dict.fromkeys(command.keys, True)
    if not ok:
        work.set(mirror=replace(memory, doubtful=memory.doubtful.update(keys)))
        return
    work.set(mirror=replace(memory, verified=memory.verified.update(keys)))
    _look_again(work, command.kind, command.keys)


def _look_again(work: Work, kind: MirrorKind, keys: Iterable[str]) -> None:
    backlog = work.state.mirror.backlog(kind)
    todo = backlog.todo.update(dict.fromkeys(keys, True))
    set_backlog(work, kind, replace(backlog, todo=todo))


def _written(work: Work, command: Mirror, data: Mapping[str, object]) -> None:
    """Anything not named in the result is looked at again."""
    kind, node = command.kind, command.node
    puts = {put.key: put.fields for put in command.puts}
    done = [str(key) for key in cast(Iterable[Any], data.get("done", ()))]
    failed = {str(k): str(v) for k, v in cast(Mapping[Any, Any], data.get("failed", {})).items()}
    shared = [str(key) for key in cast(Iterable[Any], data.get("shared", ()))]
    _disown(work, kind, shared)
    if kind in _TOLD_BY_EVENTS:
        set_backlog(work, kind, after_writes(work.state.mirror.backlog(kind), done, work.now))
    else:
        listing = work.node(node).listing(kind)
        for key in done:
            listing = with_item(listing, key, puts.get(key), kind is MirrorKind.CONTACT)
        set_listing(work, node, kind, listing)
    if shared:
        work.set(mirror=replace(work.state.mirror, shared=True))
    if node != work.state.mirror.target:
        return  # turned round meanwhile: everything is looked through again anyway
    if failed:
        backlog = after_failures(work.state.mirror.backlog(kind), failed, work.now)
        set_backlog(work, kind, backlog)
    named = {*done, *failed, *shared}
    left = [key for key in (*puts, *command.removals) if key not in named]
    if left:
        _look_again(work, kind, left)


def _disown(work: Work, kind: MirrorKind, keys: list[str]) -> None:
    """What was there by itself is not the mirror's to remove."""
    memory = work.state.mirror
    known = memory.mirrored(kind)
    if not any(key in known for key in keys):
        return
    left = known.mutate()
    for key in keys:
        left.pop(key, None)
    work.set(mirror=replace(memory, ledger=memory.ledger.set(kind, left.finish())))


def _paused(work: Work, command: PauseMember, key: str, done: CommandDone) -> None:
    """Its event tells what came of it; a failure is tried again, later each time."""
    memory = work.state.mirror
    before = memory.cross_asked.get(key)
    if done.ok:
        pause = replace(next_pause(None, work.now, ""), tries=0)
    else:
        pause = next_pause(before, work.now, done.detail)
    work.set(mirror=replace(memory, cross_asked=memory.cross_asked.set(key, pause)))
