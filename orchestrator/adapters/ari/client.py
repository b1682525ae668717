"""ARI of one node, as an observer: its HTTP server answers while AMI may be refused or busy.

``GET /ari/asterisk/ping`` costs 0.2 ms. The events websocket is left out on purpose: it shows no
outbound registrations and nothing that AMI does not show, and a second websocket with the same
application name would throw the first one out. Contacts are read and written by contacts.py over
connections of its own, so that no ping ever waits behind them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import aiohttp

from orchestrator.adapters.ari.settings import AriSettings
from orchestrator.core.events import Event, Observed
from orchestrator.core.words import Observer, Outcome

log = logging.getLogger(__name__)

PING = "/asterisk/ping"
MAX_ANSWER = 4096  # bytes; the real one has about 80


class AriClient:
    """Pings one node's ARI for ever and reports each look; ``run`` until cancelled."""

    def __init__(self, node: str, settings: AriSettings, sink: Callable[[Event], object]) -> None:
        self.node = node
        self.settings = settings
        self._sink = sink
        self._look_now = asyncio.Event()
        self._said = ""

    async def run(self) -> None:
        """Look every quarter of the silence deadline."""
        every_s = self.settings.silence_s / 4
        timeout = aiohttp.ClientTimeout(total=self.settings.silence_s / 2)
        loop = asyncio.get_running_loop()
        headers = self.settings.headers
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            while True:
                due = loop.time() + every_s
                self._look_now.clear()
                self._report(*await self._look(session))
                try:
                    async with asyncio.timeout_at(due):
                        await self._look_now.wait()
                except TimeoutError:
                    continue

    def probe_now(self) -> None:
        """Look at once."""
        self._look_now.set()

    async def _look(self, session: aiohttp.ClientSession) -> tuple[Outcome, str]:
        try:
            try:
                return await self._ping(session)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                if isinstance(error, aiohttp.ClientConnectorError):
                    raise
                return await self._ping(session)  # the kept connection died: look by a new one
        except TimeoutError:
            return Outcome.SILENT, "no answer to an ARI ping in time"
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, ConnectionRefusedError):
                return Outcome.REFUSED, "nobody listens on the ARI port"
            if isinstance(error, aiohttp.ClientSSLError):
                return Outcome.DENIED, f"ARI: TLS failed ({error})"
            return Outcome.SILENT, f"ARI cannot be reached ({error.os_error})"
        except (aiohttp.ClientError, OSError) as error:
            return Outcome.DENIED, f"the ARI port answers, but no ARI ({error})"

    async def _ping(self, session: aiohttp.ClientSession) -> tuple[Outcome, str]:
        async with session.get(
            self.settings.url + PING, ssl=self.settings.tls or True, allow_redirects=False
        ) as answer:
            body = await answer.content.read(MAX_ANSWER)
            if answer.status in (401, 403):
                return Outcome.DENIED, f"ARI refuses our user (HTTP {answer.status})"
            if answer.status != 200 or b"pong" not in body:
                return Outcome.DENIED, f"the ARI port answers, but no ARI ({answer.status})"
            return Outcome.ANSWERS, ""

    def _report(self, outcome: Outcome, detail: str) -> None:
        self._sink(Observed(self.node, Observer.ARI, outcome, detail))
        trouble = "" if outcome is Outcome.ANSWERS else detail
        if trouble != self._said:
            self._said = trouble
            log.info("%s: %s.", self.node, trouble or "ARI answers")
