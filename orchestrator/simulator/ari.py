"""The ARI of a simulated node: ping, info, and the contacts of its dynamic configuration.

Basic authentication (res_ari.c); answers and refusals as Asterisk 22 gave them (captured).
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import unquote

from aiohttp import web

from orchestrator.simulator.contacts import from_fields, to_fields
from orchestrator.simulator.model import VERSION, Contact
from orchestrator.simulator.pbx import Pbx
from orchestrator.simulator.registrar import Registrar

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
PLACE = "/ari/asterisk/config/dynamic/res_pjsip"


def _stamp(at: float) -> str:
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
    return f"{text}.{int(at % 1 * 1000):03}+0000"


def _refuse(status: int, why: str) -> web.Response:
    return web.json_response({"message": why}, status=status)


class Ari:
    """Serves until stopped. While the cable is out, requests wait, as their packets would."""

    def __init__(self, pbx: Pbx, registrar: Registrar, username: str, password: str) -> None:
        self.pbx = pbx
        self.registrar = registrar
        self.plugged = asyncio.Event()
        self.plugged.set()
        token = base64.b64encode(f"{username}:{password}".encode()).decode()
        self._runner: web.AppRunner | None = None
        self._where = ("", 0)
        self._authorization = f"Basic {token}"

    async def start(self, host: str, port: int) -> None:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/ari/asterisk/ping", self._ping)
        app.router.add_get("/ari/asterisk/info", self._info)
        app.router.add_get(PLACE + "/{kind}/{id}", self._get)
        app.router.add_put(PLACE + "/{kind}/{id}", self._put)
        app.router.add_delete(PLACE + "/{kind}/{id}", self._delete)
        self._runner, self._where = web.AppRunner(app, access_log=None), (host, port)
        await self._runner.setup()
        await self.serve(True)

    async def serve(self, on: bool) -> None:
        """``http.conf`` enabled or not: nobody listens on the port then."""
        if self._runner is None:
            return
        for site in list(self._runner.sites):
            await site.stop()
        if self._runner.server is not None:
            await self._runner.server.shutdown(0)  # connections that are kept, too
        if on:
            await web.TCPSite(self._runner, *self._where).start()

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
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return _refuse(404, "Resource not found")

    # --- contacts (res/ari/resource_asterisk.c) ---

    def _found(self, request: web.Request) -> tuple[str, Contact | None] | web.Response:
        if request.match_info["kind"] != "contact":
            return _refuse(404, f"objectType '{request.match_info['kind']}' not found")
        key = unquote(request.match_info["id"])
        return key, self.pbx.contacts.get(key)

    def _show(self, contact: Contact) -> web.Response:
        fields = to_fields(contact).items()
        return web.json_response([{"attribute": name, "value": value} for name, value in fields])

    async def _get(self, request: web.Request) -> web.StreamResponse:
        found = self._found(request)
        if isinstance(found, web.Response):
            return found
        key, contact = found
        if contact is None or not contact.expires_at:
            return _refuse(404, f"Object with id '{key}' not found")
        return self._show(contact)

    async def _put(self, request: web.Request) -> web.StreamResponse:
        found = self._found(request)
        if isinstance(found, web.Response):
            return found
        key, known = found
        try:
            body = json.loads(await request.read() or b"{}")
            given = {field["attribute"]: field["value"] for field in body.get("fields", ())}
        except (ValueError, TypeError, KeyError, AttributeError):
            return _refuse(400, "Error parsing JSON body.")
        made = from_fields(key, {**(to_fields(known) if known else {}), **given})
        if made is None:
            verb = "Update" if known else "Creation"
            return _refuse(400, f"{verb} of object '{key}' failed field value validation")
        self.registrar.put(made)
        return self._show(made)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        found = self._found(request)
        if isinstance(found, web.Response):
            return found
        key, contact = found
        if contact is None or not contact.expires_at:
            return _refuse(404, f"Object with id '{key}' not found")
        self.registrar.remove(contact)
        return web.Response(status=204)

    # --- the node ---

    async def _ping(self, request: web.Request) -> web.StreamResponse:
        answer = {
            "timestamp": _stamp(self.pbx.now()),
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
