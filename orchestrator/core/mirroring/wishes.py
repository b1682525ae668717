"""One thing on both nodes: must it be written, removed, or is it in step? Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from immutables import Map

from orchestrator.core.events import Fields
from orchestrator.core.mirroring.memory import NO_KEYS, Keys
from orchestrator.core.picture.listed import EXPIRY, SAME_EXPIRY_S, expiry_of, field_of
from orchestrator.core.words import MirrorKind

CROSS_PAUSE = "in a call on "
BY_US = " (orchestrator)"
# What makes two copies of a contact differ; the rest follows from each node's own configuration.
_CONTACT_FIELDS = ("uri", "path", "user_agent", "call_id", "via_addr", "endpoint")


class Need(Enum):
    """What has to be done about one key."""

    NOTHING = "nothing"
    PUT = "put"
    REMOVE = "remove"
    FORGET = "forget"  # it is on neither node any more: the ledger need not know it
    VERIFY = "verify"  # the target has it, not from us: read it there before it is overwritten


@dataclass(frozen=True, slots=True)
class Sides:
    """The two listings of a kind and what is needed to judge them."""

    kind: MirrorKind
    source: Map[str, Fields]
    target: Map[str, Fields]
    ledger: Keys
    shift_s: float = 0.0  # the target's clock minus the source's
    source_now: float = 0.0  # by the source's clock
    verified: Keys = NO_KEYS
    families: tuple[str, ...] = ()

    def judge(self, key: str) -> Need:
        """What the key needs now."""
        return _JUDGES[self.kind](self, key)

    def wish(self, key: str) -> Fields:
        """The thing as it shall be on the target; only asked for what the source has."""
        source = self.source[key]
        if self.kind is MirrorKind.CONTACT:
            return _shifted(source, self.shift_s)
        if self.kind is MirrorKind.MEMBER:
            return _member_wish(source, self.target.get(key))
        return source

    def came_from_mirror(self, key: str) -> bool:
        """Whether a put makes the thing ours to remove: not what the target has by itself."""
        if self.kind is MirrorKind.DEVICE:
            return False  # Asterisk cannot remove a device's state
        there = self.target.get(key)
        return (
            self.kind is not MirrorKind.MEMBER
            or there is None
            or field_of(there, "membership") == "dynamic"
        )


def _gone(sides: Sides, key: str) -> Need:
    if key not in sides.ledger:
        return Need.NOTHING
    return Need.REMOVE if key in sides.target else Need.FORGET


def _contact(sides: Sides, key: str) -> Need:
    source, target = sides.source.get(key), sides.target.get(key)
    if source is None:
        return _gone(sides, key)
    ends = expiry_of(source)
    if ends is not None and ends <= sides.source_now:
        return Need.NOTHING  # over, and swept soon; a copy ends by itself, too
    if target is None:
        return Need.PUT
    if _same_contact(_shifted(source, sides.shift_s), target):
        return Need.NOTHING
    if key in sides.ledger or key in sides.verified or not same_call(source, target):
        return Need.PUT
    return Need.VERIFY


def same_call(one: Fields, other: Fields) -> bool:
    """Whether both are the same registration (Call-ID of the REGISTER)."""
    call_id = field_of(one, "call_id")
    return bool(call_id) and call_id == field_of(other, "call_id")


def _same_contact(wish: Fields, there: Fields) -> bool:
    ours, theirs = dict(wish), dict(there)
    if any(ours[name] != theirs[name] for name in _CONTACT_FIELDS if name in ours.keys() & theirs):
        return False
    first, second = expiry_of(wish), expiry_of(there)
    if first is None or second is None:
        return first is second
    return abs(first - second) <= SAME_EXPIRY_S


def _shifted(fields: Fields, shift_s: float) -> Fields:
    ends = expiry_of(fields)
    if ends is None or not shift_s:
        return fields
    return tuple(
        (name, str(round(ends + shift_s)) if name == EXPIRY else value) for name, value in fields
    )


def is_cross_pause(fields: Fields) -> bool:
    """Whether the member is paused, and by us: its agent talks on the other node."""
    reason = field_of(fields, "pause_reason")
    ours = reason.startswith(CROSS_PAUSE) and reason.endswith(BY_US)
    return ours and field_of(fields, "paused") == "1"


def cross_pause_reason(node: str) -> str:
    return f"{CROSS_PAUSE}{node}{BY_US}"


def _member(sides: Sides, key: str) -> Need:
    source, target = sides.source.get(key), sides.target.get(key)
    if source is None:
        need = _gone(sides, key)
        dynamic = target is not None and field_of(target, "membership") == "dynamic"
        return need if dynamic or need is not Need.REMOVE else Need.NOTHING
    if target is None:
        dynamic = field_of(source, "membership") == "dynamic"
        return Need.PUT if dynamic else Need.NOTHING
    wish, there = dict(_member_wish(source, target)), dict(target)
    names = ["penalty", "paused"] + (["pause_reason"] if wish["paused"] == "1" else [])
    return Need.NOTHING if all(wish[name] == there[name] for name in names) else Need.PUT


def _member_wish(source: Fields, target: Fields | None) -> Fields:
    """As the agent himself set it: our own pauses are neither copied nor lifted by a copy."""
    wish = {name: value for name, value in source if name != "membership"}
    if is_cross_pause(source):
        wish |= {"paused": "0", "pause_reason": ""}
    if wish["paused"] == "0" and target is not None and is_cross_pause(target):
        wish |= {"paused": "1", "pause_reason": field_of(target, "pause_reason")}
    return tuple(sorted(wish.items()))


def _astdb(sides: Sides, key: str) -> Need:
    if not any(key.startswith(f"{family}/") for family in sides.families):
        return Need.FORGET if key in sides.ledger else Need.NOTHING  # no longer chosen
    if key not in sides.source:
        return _gone(sides, key)
    return Need.NOTHING if sides.source[key] == sides.target.get(key) else Need.PUT


def _device(sides: Sides, key: str) -> Need:
    source = sides.source.get(key)
    return Need.NOTHING if source is None or source == sides.target.get(key) else Need.PUT


_JUDGES = {
    MirrorKind.CONTACT: _contact,
    MirrorKind.MEMBER: _member,
    MirrorKind.ASTDB: _astdb,
    MirrorKind.DEVICE: _device,
}
