"""The ARI of a simulated node: ping and info, with basic authentication (res_ari.c)."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiohttp import web

from orchestrator.simulator.model import VERSION
from orchestrator.simulator.pbx import Pbx

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _stamp(at: float) -> str:
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
    return f"{text}.{int(at % 1 * 1000):03}+0000"


class Ari:
    """Serves until stopped. While the cable is out, requests wait, as their packets would."""

    def __init__(self, pbx: Pbx, username: str, password: str) -> None:
        self.pbx = pbx
        self.plugged = asyncio.Event()
        self.plugged.set()
        token = base64.b64encode(f"{username}:{password}".encode()).decode()
        self._runner: web.AppRunner | None = None
        self._authorization = f"Basic {token}"

    async def start(self, host: str, port: int) -> None:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/ari/asterisk/ping", self._ping)
        app.router.add_get("/ari/asterisk/info", self._info)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        await self.plugged.wait()
        given = request.headers.get("Authorization", "")
        if not secrets.compare_digest(given, self._authorization):
            wanted = {"WWW-Authenticate": 'Basic realm="Asterisk REST Interface"'}
            return web.json_response(
                {"message": "Authentication required"}, status=401, headers=wanted
            )
        return await handler(request)

    async def _ping(self, request: web.Request) -> web.StreamResponse:
        answer = {
            "timestamp": _stamp(time.time()),
            "ping": "pong",
            "asterisk_id": self.pbx.name,
        }
        return web.json_response(answer)

    async def _info(self, request: web.Request) -> web.StreamResponse:
        started = _stamp(self.pbx.started_at)
        answer = {
            "build": {
                "os": "Linux",
                "kernel": "unknown",
                "machine": "unknown",
                "options": "OPTIONAL_API",
                "date": "2026-07-20 21:35:32 UTC",
                "user": "nobody",
            },
            "system": {"version": VERSION, "entity_id": self.pbx.name},
            "config": {
                "name": self.pbx.name,
                "default_language": "en",
                "setid": {"user": "", "group": ""},
            },
            "status": {"startup_time": started, "last_reload_time": started},
        }
        return web.json_response(answer)
