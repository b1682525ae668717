"""The ARI observer against a small real HTTP server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import BasicAuth, web

from orchestrator.adapters.ari.client import PING, AriClient
from orchestrator.adapters.ari.settings import AriSettings
from orchestrator.core.events import Event, Observed
from orchestrator.core.words import Observer, Outcome

SECRET = "s3cret"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def pong(request: web.Request) -> web.Response:
    auth = BasicAuth.decode(request.headers["Authorization"])
    if auth.password != SECRET:
        return web.Response(status=401)
    return web.json_response({"ping": "pong", "timestamp": "now", "asterisk_id": "a"})


async def hang(request: web.Request) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


async def other(request: web.Request) -> web.Response:
    return web.Response(text="It works!")


@contextlib.asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_get(f"/ari{PING}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def looks(port: int, count: int, secret: str = SECRET) -> list[Observed]:
    seen: list[Observed] = []
    enough = asyncio.Event()

    def sink(event: Event) -> None:
        assert isinstance(event, Observed)
        seen.append(event)
        if len(seen) >= count:
            enough.set()

    settings = AriSettings("127.0.0.1", "orchestrator", secret, port, silence_s=0.2)
    task = asyncio.create_task(AriClient("pbx-a", settings, sink).run())
    try:
        async with asyncio.timeout(10):
            await enough.wait()
    finally:
        task.cancel()
    return seen


async def test_a_ping_that_is_answered() -> None:
    async with server(pong) as port:
        assert set(await looks(port, 3)) == {Observed("pbx-a", Observer.ARI, Outcome.ANSWERS)}


async def test_a_closed_port_is_refused() -> None:
    async with server(pong) as port:
        pass
    assert (await looks(port, 1))[0].outcome is Outcome.REFUSED


async def test_a_server_that_hangs_is_silent() -> None:
    async with server(hang) as port:
        assert (await looks(port, 1))[0].outcome is Outcome.SILENT


async def test_a_wrong_secret_is_denied_and_never_told() -> None:
    async with server(pong) as port:
        seen = await looks(port, 1, "wrong-one")
    assert seen[0].outcome is Outcome.DENIED
    assert "wrong-one" not in repr(seen)
    assert "wrong-one" not in repr(AriSettings("h", "u", "wrong-one"))


async def test_a_web_server_that_is_no_ari_is_denied() -> None:
    async with server(other) as port:
        assert (await looks(port, 1))[0].outcome is Outcome.DENIED


async def test_probe_now_does_not_wait_for_its_turn() -> None:
    seen: asyncio.Queue[Event] = asyncio.Queue()
    async with server(pong) as port:
        settings = AriSettings("127.0.0.1", "orchestrator", SECRET, port, silence_s=400)
        client = AriClient("pbx-a", settings, seen.put_nowait)
        task = asyncio.create_task(client.run())
        async with asyncio.timeout(10):
            await seen.get()
            client.probe_now()
            await seen.get()
        task.cancel()
