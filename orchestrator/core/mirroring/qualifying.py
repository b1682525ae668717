"""A target that has just started does not know yet which of its phones answer: let it look now.

Measured on 22: contacts survive a restart, but their first qualify comes at random within
``qualify_frequency``; writing them again does not hasten it, PJSIPQualify does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from immutables import Map

from orchestrator.core.commands import Qualify
from orchestrator.core.machine.work import Work
from orchestrator.core.mirroring.reading import AT_ONCE, awaited
from orchestrator.core.picture.listed import field_of, owner_of
from orchestrator.core.state import Contact, Node
from orchestrator.core.words import ContactStatus, MirrorKind

QUALIFY_TIMEOUT_S = 10.0


def look_at_phones(work: Work, source: Node, target: Node) -> None:
    """Once after each of the target's snapshots: phones that only the source has looked at."""
    taken_at = target.listing(MirrorKind.MEMBER).at
    listed = target.listing(MirrorKind.CONTACT).at is not None
    if listed and taken_at is not None and taken_at != work.state.mirror.unlooked_at:
        unlooked = Map(dict.fromkeys(_unlooked(source, target), True))
        memory = work.state.mirror
        work.set(mirror=replace(memory, unlooked=unlooked, unlooked_at=taken_at))
    _send(work, target.name)


def _unlooked(source: Node, target: Node) -> Iterator[str]:
    for key, fields in target.listing(MirrorKind.CONTACT).items.items():
        name = f"{key.partition(';@')[0]}/{field_of(fields, 'uri')}"
        here, there = source.contacts.get(name), target.contacts.get(name)
        if _is(here, ContactStatus.REACHABLE) and _is(there, ContactStatus.UNQUALIFIED):
            yield owner_of(key, fields)


def _is(contact: Contact | None, status: ContactStatus) -> bool:
    return contact is not None and contact.status is status


def _send(work: Work, target: str) -> None:
    """What fails is not tried again: the target looks by itself in a while."""
    unlooked = work.state.mirror.unlooked
    key = f"mirror: look at phones on {target}"
    if not unlooked or awaited(work, key):
        return
    endpoints = tuple(unlooked)[:AT_ONCE]
    left = unlooked.mutate()
    for endpoint in endpoints:
        del left[endpoint]
    work.set(mirror=replace(work.state.mirror, unlooked=left.finish()))
    work.send(
        key,
        lambda i, e, t: Qualify(id=i, epoch=e, timeout_s=t, node=target, endpoints=endpoints),
        QUALIFY_TIMEOUT_S,
    )
