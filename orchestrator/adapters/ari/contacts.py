"""The dynamic PJSIP contacts of one node, read and written through ARI.

``/ari/asterisk/config/dynamic/res_pjsip/contact/ID`` (Asterisk res/ari/resource_asterisk.c): a PUT
goes through sorcery's own create or update, so the node qualifies the phone, its endpoint becomes
reachable and its queues ring it, as if the phone had registered there. Such a contact expires by
itself, and the phone's own REGISTER refreshes or replaces it, whatever ``reg_server`` says; only
``prune_on_boot`` works where ``reg_server`` is the node itself. Seen with Asterisk 16 and 22.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from orchestrator.adapters.ari.settings import AriSettings
from orchestrator.core.commands import Put
from orchestrator.core.events import Fields
from orchestrator.errors import ActionFailed, ActionTimeout, NotConnected

PLACE = "/asterisk/config/dynamic/res_pjsip/contact/"
AT_ONCE = 8  # Asterisk's HTTP server takes a thread for each connection; more are hardly faster
LARGEST_ANSWER = 1 << 16  # bytes; a contact has about a thousand
REQUEST_S = 3.0  # a PUT takes a millisecond; a node that writes its database may pause
# the attributes that Asterisk 16 has: what is beyond them an older version may refuse
_COMMON = frozenset((
    "authenticate_qualify", "call_id", "endpoint", "expiration_time", "outbound_proxy", "path",
    "prune_on_boot", "qualify_frequency", "qualify_timeout", "reg_server", "uri", "user_agent",
    "via_addr", "via_port",
))  # fmt: skip


@dataclass(slots=True)
class Batch:
    """What became of a batch so far (``Written`` of the runtime)."""

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    shared: list[str] = field(default_factory=list)


class AriContacts:
    """Usable while ``run`` runs; has connections of its own, so that no ping waits behind it."""

    def __init__(self, node: str, settings: AriSettings) -> None:
        self.node = node
        self.settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._room = asyncio.Semaphore(AT_ONCE)
        self._unknown: frozenset[str] = frozenset()  # attributes that this node refused

    async def run(self) -> None:
        """Keep connections until cancelled."""
        timeout = aiohttp.ClientTimeout(total=REQUEST_S)
        headers = self.settings.headers
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            self._session = session
            try:
                await asyncio.Event().wait()
            finally:
                self._session = None

    async def fetch(self, keys: Sequence[str]) -> dict[str, Fields | None]:
        """The attributes of each contact, sorted; None: there is no such contact.

        Raises ``NotConnected``, ``ActionTimeout`` or ``ActionFailed``: then none was read.
        """
        found: dict[str, Fields | None] = {}

        async def one(key: str) -> None:
            found[key] = await self._get(key)

        failed = await self._each(keys, one)
        for error in failed.values():
            raise error
        return found

    async def write(self, puts: Sequence[Put], removals: Sequence[str]) -> Batch:
        """Put these, then remove those; each that fails says why in ``failed``."""
        batch = Batch()
        by_key = {put.key: put for put in puts}

        async def one(key: str) -> None:
            (batch.done if await self._put(by_key[key]) else batch.shared).append(key)

        async def gone(key: str) -> None:
            await self._ask("DELETE", key, (204, 404))
            batch.done.append(key)

        failed = await self._each(tuple(by_key), one)
        failed |= await self._each(removals, gone, None if not failed else _down(failed))
        batch.failed = {key: str(error) for key, error in failed.items()}
        return batch

    async def _each(
        self,
        keys: Sequence[str],
        do: Callable[[str], Awaitable[None]],
        down: ActionFailed | None = None,
    ) -> dict[str, ActionFailed]:
        """Several at once. A node that cannot be reached is not asked for each of a thousand."""
        failed: dict[str, ActionFailed] = {}

        async def one(key: str) -> None:
            nonlocal down
            async with self._room:
                try:
                    if down is not None:
                        raise down
                    await do(key)
                except (NotConnected, ActionTimeout) as error:
                    down = failed[key] = error
                except ActionFailed as error:
                    failed[key] = error

        async with asyncio.TaskGroup() as group:
            for key in keys:
                group.create_task(one(key))
        return failed

    async def _get(self, key: str) -> Fields | None:
        status, body = await self._ask("GET", key, (200, 404))
        if status == 404:
            return None
        try:
            return _fields(body)
        except (TypeError, KeyError):
            raise ActionFailed(
                f"ARI of {self.node} answered GET of contact {key} with what is no contact. "
                "Nothing was done with it; look what listens on its ARI port."
            ) from None

    async def _put(self, put: Put) -> bool:
        """False: it is there already, as the same registration."""
        if put.fresh:
            there = await self._get(put.key)
            call_id = dict(put.fields).get("call_id")
            if there is not None and call_id and dict(there).get("call_id") == call_id:
                return False
        names = {name for name, _ in put.fields} - self._unknown
        beyond = names - _COMMON
        status, _ = await self._store(put, names, (200, 400) if beyond else (200,))
        if status == 400:
            await self._store(put, names - beyond, (200,))
            self._unknown |= beyond
        return True

    async def _store(
        self, put: Put, names: set[str], allowed: tuple[int, ...]
    ) -> tuple[int, object]:
        fields = [
            {"attribute": name, "value": value} for name, value in put.fields if name in names
        ]
        return await self._ask("PUT", put.key, allowed, {"fields": fields})

    async def _ask(
        self, method: str, key: str, allowed: tuple[int, ...], body: object = None
    ) -> tuple[int, object]:
        if self._session is None:
            raise NotConnected(f"ARI of {self.node} is not in use yet: nothing was asked.")
        url = URL(self.settings.url + PLACE + quote(key, safe=""), encoded=True)
        try:
            try:
                status, said = await self._once(self._session, method, url, body)
            except aiohttp.ServerDisconnectedError:  # a kept connection that Asterisk had closed
                status, said = await self._once(self._session, method, url, body)
        except TimeoutError:
            raise ActionTimeout(
                f"ARI of {self.node} gave no answer to {method} of contact {key} in time. Whether "
                "it was done is unknown; it is compared and tried again."
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            self._unknown = frozenset()  # it may come back as another version
            raise NotConnected(
                f"ARI of {self.node} cannot be reached ({error}). Check http.conf and ari.conf "
                "there; it is tried again."
            ) from None
        if status not in allowed:
            raise self._refusal(method, key, status, said)
        return status, said

    async def _once(
        self, session: aiohttp.ClientSession, method: str, url: URL, body: object
    ) -> tuple[int, object]:
        """The status and what was said."""
        async with session.request(
            method, url, json=body, ssl=self.settings.tls or True, allow_redirects=False
        ) as answer:
            return answer.status, await _said(answer)

    def _refusal(self, method: str, key: str, status: int, said: object) -> ActionFailed:
        why = said.get("message") if isinstance(said, dict) else None
        if status in (401, 403):
            return NotConnected(
                f"ARI of {self.node} does not let us {method} contacts (HTTP {status}"
                f"{f': {why}' if why else ''}). Check the user and read_only=no in ari.conf."
            )
        return ActionFailed(
            f"ARI of {self.node} answered {method} of contact {key} with HTTP {status}: "
            f"{why or 'no reason given'}. It is left as it was."
        )


def _down(failed: Mapping[str, ActionFailed]) -> ActionFailed | None:
    reasons = (e for e in failed.values() if isinstance(e, NotConnected | ActionTimeout))
    return next(reasons, None)


async def _said(answer: aiohttp.ClientResponse) -> object:
    """What was said as JSON; None for anything else, and for more than a contact can be."""
    said = bytearray()
    async for chunk in answer.content.iter_any():
        said += chunk
        if len(said) > LARGEST_ANSWER:
            answer.close()
            return None
    try:
        return json.loads(said or b"null")
    except (ValueError, RecursionError):
        return None


def _fields(body: Any) -> Fields:
    """TypeError or KeyError for what is no list of attributes."""
    pairs = sorted((str(one["attribute"]), str(one["value"])) for one in body)
    # Asterisk 16 has no qualify_2xx_only: what is its default is not said by 22 either
    return tuple(one for one in pairs if one != ("qualify_2xx_only", "false"))
