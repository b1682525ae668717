"""The contact store against a small real HTTP server that keeps contacts as Asterisk does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from orchestrator.adapters.ari.contacts import AT_ONCE, AriContacts
from orchestrator.adapters.ari.settings import AriSettings
from orchestrator.core.commands import Put
from orchestrator.errors import ActionFailed, ActionTimeout, NotConnected

KEY = "1001;@0d63468bb4a2ae19045262cf71f26407"
KNOWN = {"uri", "expiration_time", "call_id", "qualify_frequency"}
FIELDS = (("call_id", "one"), ("expiration_time", "1795381253"), ("uri", "sip:1001@10.0.0.1:5060"))


@dataclass
class Sorcery:
    """Asterisk's side: answers copied from 16 and 22."""

    contacts: dict[str, dict[str, str]] = field(default_factory=dict)
    puts: list[tuple[str, set[str]]] = field(default_factory=list)
    status: int = 0  # answer everything with this
    silent: bool = False
    garbage: bytes = b""  # say this instead
    at_once: int = 0
    most_at_once: int = 0

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            await asyncio.sleep(30 if self.silent else 0.002)
            return await self._answer(request)
        finally:
            self.at_once -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        key = request.match_info["key"]
        if self.garbage:
            return web.Response(body=self.garbage)
        if self.status:
            return web.json_response({"message": "no"}, status=self.status)
        if request.method == "PUT":
            sent = {one["attribute"]: one["value"] for one in (await request.json())["fields"]}
            self.puts.append((key, set(sent)))
            if not set(sent) <= KNOWN:
                why = f"Creation of object '{key}' failed field value validation"
                return web.json_response({"message": why}, status=400)
            self.contacts[key] = sent
        elif key not in self.contacts:
            return web.json_response({"message": f"Object with id '{key}' not found"}, status=404)
        elif request.method == "DELETE":
            del self.contacts[key]
            return web.Response(status=204)
        pairs = self.contacts[key].items()
        return web.json_response([{"attribute": k, "value": v} for k, v in pairs])


@contextlib.asynccontextmanager
async def serving(asterisk: Sorcery) -> AsyncIterator[AriContacts]:
    app = web.Application()
    app.router.add_route(
        "*", "/ari/asterisk/config/dynamic/res_pjsip/contact/{key}", asterisk.serve
    )
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    settings = AriSettings("127.0.0.1", "orchestrator", "s3cret", runner.addresses[0][1])
    store = AriContacts("pbx-b", settings)
    task = asyncio.create_task(store.run())
    await asyncio.sleep(0)
    try:
        yield store
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await runner.cleanup()


async def test_what_is_put_can_be_fetched_and_is_gone_after_its_removal() -> None:
    asterisk = Sorcery()
    async with serving(asterisk) as store:
        written = await store.write([Put(KEY, FIELDS)], [])
        assert (written.done, written.failed, written.shared) == ([KEY], {}, [])
        assert await store.fetch([KEY, "1002;@none"]) == {KEY: FIELDS, "1002;@none": None}
        assert (await store.write([], [KEY, "1002;@none"])).done == [KEY, "1002;@none"]
    assert asterisk.contacts == {}


async def test_a_fresh_one_that_is_the_same_registration_is_shared_and_left_alone() -> None:
    asterisk = Sorcery(contacts={KEY: dict(FIELDS), "1002;@x": {**dict(FIELDS), "call_id": "two"}})
    async with serving(asterisk) as store:
        puts = [Put(key, FIELDS, fresh=True) for key in (KEY, "1002;@x", "1003;@x")]
        written = await store.write(puts, [])
    assert written.shared == [KEY]
    assert sorted(written.done) == ["1002;@x", "1003;@x"]
    assert {key for key, _ in asterisk.puts} == {"1002;@x", "1003;@x"}


async def test_an_attribute_that_the_version_lacks_is_left_out_from_then_on() -> None:
    asterisk = Sorcery()
    put = Put(KEY, (*FIELDS, ("qualify_2xx_only", "true")))
    async with serving(asterisk) as store:
        assert (await store.write([put], [])).done == [KEY]
        assert (await store.write([put], [])).done == [KEY]
    assert ["qualify_2xx_only" in sent for _, sent in asterisk.puts] == [True, False, False]


async def test_a_value_that_is_refused_fails_alone_and_says_why() -> None:
    asterisk = Sorcery()
    bad = Put("1002;@x", (*FIELDS, ("via_port", "none")))
    async with serving(asterisk) as store:
        written = await store.write([bad, Put(KEY, FIELDS)], [])
    assert written.done == [KEY]
    assert "HTTP 400: Creation of object '1002;@x'" in written.failed["1002;@x"]


async def test_many_go_several_at_once_but_never_all() -> None:
    asterisk = Sorcery()
    async with serving(asterisk) as store:
        puts = [Put(f"{number};@x", FIELDS) for number in range(60)]
        assert len((await store.write(puts, [])).done) == 60
    assert 1 < asterisk.most_at_once <= AT_ONCE


async def test_a_silent_node_is_not_asked_for_each_of_a_thousand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.adapters.ari.contacts.REQUEST_S", 0.2)
    asterisk = Sorcery(silent=True)
    async with serving(asterisk) as store, asyncio.timeout(10):
        keys = [f"{number};@x" for number in range(1000)]
        written = await store.write([Put(key, FIELDS) for key in keys], ["gone;@x"])
        assert set(written.failed) == {*keys, "gone;@x"}
        assert "gave no answer" in written.failed["gone;@x"]
        with pytest.raises(ActionTimeout):
            await store.fetch(keys)


@pytest.mark.parametrize(
    "garbage",
    [b"<html>", b"null", b"7", b"[1]", b'{"attribute": "uri"}', b'[{"attribute": "uri"}]',
     b"[" * 60_000, b"[]" + b" " * 10_000_000],
    ids=["html", "null", "number", "numbers", "object", "no value", "deep", "endless"],
)  # fmt: skip
async def test_what_is_no_contact_is_never_taken_for_one(garbage: bytes) -> None:
    async with serving(Sorcery(garbage=garbage)) as store:
        with pytest.raises(ActionFailed, match="no contact"):
            await store.fetch([KEY])
        written = await store.write([Put(KEY, FIELDS, fresh=True)], [])
    assert "no contact" in written.failed[KEY]


async def test_refusals_and_a_dead_node_are_said_in_words() -> None:
    asterisk = Sorcery(status=403)
    async with serving(asterisk) as store:
        with pytest.raises(NotConnected, match="read_only=no"):
            await store.fetch([KEY])
        asterisk.status = 500
        with pytest.raises(ActionFailed, match="HTTP 500: no"):
            await store.fetch([KEY])
    with pytest.raises(NotConnected, match="not in use"):
        await store.fetch([KEY])
    dead = AriContacts("pbx-b", AriSettings("127.0.0.1", "u", "s", 1))
    task = asyncio.create_task(dead.run())
    await asyncio.sleep(0)
    written = await dead.write([Put(KEY, FIELDS)], [])
    assert "cannot be reached" in written.failed[KEY]
    task.cancel()
