"""What the standby is given a copy of, listed and written over AMI. Every write is idempotent."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from orchestrator.adapters.ami import listed, wire
from orchestrator.adapters.ami.orders import Orders
from orchestrator.adapters.ami.protocol import Reply, refuse
from orchestrator.adapters.ami.snapshot import EMPTY, NOT_THERE
from orchestrator.core.commands import Put
from orchestrator.core.events import Fields
from orchestrator.core.words import MirrorKind
from orchestrator.errors import ActionFailed, AnswerLost, NotConnected

AT_ONCE = 100  # 2,000 DBPut take 50 ms: a Ping hardly waits behind a hundred
CUSTOM = "Custom:"
STATES_FAMILY = "CustomDevstate"  # where func_devstate keeps them over a restart
_NO_MEMBER = re.compile(r"interface not found|not there|no such queue", re.I)


@dataclass(slots=True)
class Batch:
    """What became of a batch so far (``Written`` of the runtime)."""

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    shared: list[str] = field(default_factory=list)  # only contacts are


class Copies(Orders):
    """Contacts are listed here and written by ARI; the rest is listed and written here."""

    async def list_items(
        self, kind: MirrorKind, families: Sequence[str]
    ) -> list[tuple[str, Fields]]:
        """Everything of the kind: CONTACT, or ASTDB below these families (``CF``, ``AMPUSER``).

        Raises ``ActionFailed`` or a child of it when it cannot be listed as a whole.
        """
        if kind is MirrorKind.CONTACT:
            reply = await self._listing({"Action": "PJSIPShowContacts"}, "contacts")
            return [listed.copied_contact(raw) for raw in reply.items]
        if kind is not MirrorKind.ASTDB:
            raise ActionFailed(f"A {kind} is not listed: {self.node} tells of it by events.")
        found: list[tuple[str, Fields]] = []
        for family in families:
            action = {"Action": "DBGetTree", "Family": family}
            reply = await self._listing(action, f"astdb family '{family}'")
            items = map(listed.copied_key, reply.items)
            # the family is a pattern of SQLite's LIKE: an underscore in it finds others, too
            found += [(key, value) for key, value in items if key.startswith(f"{family}/")]
        return found

    async def write_items(
        self, kind: MirrorKind, puts: Sequence[Put], removals: Sequence[str]
    ) -> Batch:
        """Put these members, astdb keys or custom device states, then remove those.

        Each that fails says why in ``failed``. Raises ``NotConnected`` or ``AnswerLost`` when the
        connection broke: what was written then is unknown.
        """
        put, remove = {
            MirrorKind.MEMBER: (self._put_member, self._remove_member),
            MirrorKind.ASTDB: (self._put_key, self._remove_key),
            MirrorKind.DEVICE: (self._put_state, self._remove_state),
        }[kind]
        batch = Batch()
        await self._each([(one.key, partial(put, one)) for one in puts], batch)
        await self._each([(key, partial(remove, key)) for key in removals], batch)
        return batch

    async def pause_member(self, queue: str, interface: str, paused: bool, reason: str) -> None:
        """Pause or unpause a member; done already is as good."""
        what = f"{interface} in queue {queue} on {self.node} was not "
        what += "paused" if paused else "unpaused"
        refuse(await self._set_paused(queue, interface, paused, reason), what)

    async def _listing(self, action: dict[str, str], what: str) -> Reply:
        reply = await self.action_list(action)
        if reply.ok or EMPTY.match(reply.message):
            return reply
        says = f"The {what} of {self.node} cannot be listed: Asterisk answered '{reply.message}'."
        if NOT_THERE.search(reply.message):
            says += (
                f" It has no {action['Action']}: that comes with res_pjsip, or for astdb with "
                "Asterisk 16.27, 18.13, 19.5 and newer."
            )
        raise ActionFailed(says)

    async def _each(
        self, work: Sequence[tuple[str, Callable[[], Awaitable[None]]]], batch: Batch
    ) -> None:
        for start in range(0, len(work), AT_ONCE):
            some = work[start : start + AT_ONCE]
            results = await asyncio.gather(*(do() for _, do in some), return_exceptions=True)
            for (key, _), result in zip(some, results, strict=True):
                if isinstance(result, NotConnected | AnswerLost):
                    raise result
                if isinstance(result, ActionFailed):
                    batch.failed[key] = str(result)
                elif isinstance(result, BaseException):
                    raise result
                else:
                    batch.done.append(key)

    # --- queue members, key queue|interface ---

    async def _put_member(self, put: Put) -> None:
        queue, _, interface = put.key.partition("|")
        wish = dict(put.fields)
        paused, reason = wish.get("paused") == "1", wish.get("pause_reason", "")
        penalty = wish.get("penalty") or "0"
        add = {"Action": "QueueAdd", "Queue": queue, "Interface": interface, "Penalty": penalty}
        add |= {"Paused": "true" if paused else "false"}
        names = {"MemberName": wish.get("name"), "StateInterface": wish.get("state_interface")}
        add |= {name: value for name, value in names.items() if value}
        what = f"{interface} is not in queue {queue} on {self.node} as it should be"
        reply = await self.action(add)
        there = "already there" in reply.message.lower()
        if not there:
            refuse(reply, what)
        else:
            where = {"Queue": queue, "Interface": interface}
            await self._do({"Action": "QueuePenalty", **where, "Penalty": penalty}, what)
        if there or (paused and reason):  # QueueAdd takes no reason before Asterisk 20
            refuse(await self._set_paused(queue, interface, paused, reason), what)

    async def _set_paused(self, queue: str, interface: str, paused: bool, reason: str) -> Reply:
        pause = {"Action": "QueuePause", "Queue": queue, "Interface": interface}
        pause["Paused"] = "true" if paused else "false"
        return await self.action({**pause, "Reason": reason} if reason else pause)

    async def _remove_member(self, key: str) -> None:
        queue, _, interface = key.partition("|")
        reply = await self.action({"Action": "QueueRemove", "Queue": queue, "Interface": interface})
        if not _NO_MEMBER.search(reply.message):
            refuse(reply, f"{interface} was not taken out of queue {queue} on {self.node}")

    # --- astdb, key family/key ---

    async def _put_key(self, put: Put) -> None:
        family, _, key = put.key.partition("/")
        value = dict(put.fields).get("value", "")
        action = {"Action": "DBPut", "Family": family, "Key": key, "Val": value}
        await self._do(action, f"astdb {put.key} on {self.node} was not written")

    async def _remove_key(self, key: str) -> None:
        family, _, rest = key.partition("/")
        await self.forget_key(family, rest)

    # --- custom device states, key Custom:name ---

    async def _put_state(self, put: Put) -> None:
        state = dict(put.fields).get("state", "").upper()
        if state == "UNKNOWN":
            await self._remove_state(put.key)
        else:
            await self._set_state(put.key, state)

    async def _remove_state(self, key: str) -> None:
        """Asterisk sets no state to unknown, nor forgets one before its next start."""
        await self._set_state(key, "NOT_INUSE")
        await self.forget_key(STATES_FAMILY, key.removeprefix(CUSTOM))

    async def _set_state(self, device: str, state: str) -> None:
        if not device.startswith(CUSTOM) or ")" in device:
            raise ActionFailed(f"{device} is no custom device state: it can't be set.")
        action = {"Action": "Setvar", "Variable": f"DEVICE_STATE({device})", "Value": state}
        await self._do(action, f"Device state {device} on {self.node} was not set to {state}")

    async def _do(self, action: wire.Fields, what: str) -> None:
        refuse(await self.action(action), what)
