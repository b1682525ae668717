"""The link to a host agent: kept up, one at a time, its lines turned into events and answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable
from typing import Any

from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from orchestrator.adapters.host.settings import HostSettings
from orchestrator.adapters.host.translate import events_of
from orchestrator.adapters.host.transport import CannotStart, Channel, Transport
from orchestrator.core.events import AddressSeen, Event, Observed
from orchestrator.core.words import Observer, Outcome
from orchestrator.errors import ActionFailed, ActionTimeout, NotConnected

log = logging.getLogger("orchestrator.host")

CONNECT_S = 3.0  # SSH handshake, Python's start and the agent's first answer
END_S = 1.0  # for the agent to go when we stop
DROP_AFTER_S = 1.0  # a link that is silent for so long is made anew: TCP comes back too slowly


class HostLink:
    """Runs until cancelled; tells ``sink`` what the agent says and that it says nothing."""

    def __init__(
        self, settings: HostSettings, transport: Transport, sink: Callable[[Event], object]
    ) -> None:
        self.settings = settings
        self.guards = False  # the agent gives the address up by itself when isolated
        self.clock_offset_s = 0.0  # the host's clock minus ours
        self._transport = transport
        self._sink = sink
        self._channel: Channel | None = None
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._count = 0
        self._quiet_s = 0.0  # lived time since the last line
        self._reading: asyncio.Task[None] | None = None
        self._failure: Observed | None = None  # why there is no link; None: still trying
        self._ready = False
        self._guarded = False

    @property
    def connected(self) -> bool:
        return self._ready

    async def run(self) -> None:
        """Keep an agent running on the host; the first retry comes at once."""
        watch = asyncio.create_task(self._watch_silence())
        try:
            while True:
                reading = await self._open_with_retries()
                await asyncio.wait({reading})
                if not reading.cancelled():
                    self._lost("the host agent, or the way to it, is gone")
        finally:
            watch.cancel()
            channel = self._channel
            self._close()
            if channel:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(END_S):
                        await channel.ended()

    async def ask(self, do: str, within_s: float, **fields: object) -> dict[str, Any]:
        """One request, sent once and never again; its answer, or an error that says what's known.

        ``NotConnected``: not sent. ``ActionTimeout``: sent, no answer. ``ActionFailed``: refused.
        """
        if not self._ready:
            raise NotConnected(
                f"{do} was not sent to the host of {self.settings.node}: "
                + (self._failure.detail if self._failure else "not connected yet")
            )
        return await self._ask(do, within_s, fields)

    async def _ask(self, do: str, within_s: float, fields: dict[str, object]) -> dict[str, Any]:
        self._count += 1
        number = self._count
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        self._send({"id": number, "do": do, **fields})
        try:
            async with asyncio.timeout(within_s):
                message = await answer
        except TimeoutError:
            raise ActionTimeout(
                f"the host of {self.settings.node} did not answer {do} within {within_s:g} s; "
                "whether it was done is not known"
            ) from None
        finally:
            self._asked.pop(number, None)
        if not message.get("ok"):
            raise ActionFailed(
                f"the host of {self.settings.node} refused {do}: {message.get('error')}"
            )
        return message

    def _send(self, message: dict[str, object]) -> None:
        if self._channel:
            self._channel.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    # --- connecting -------------------------------------------------------------------------

    async def _open_with_retries(self) -> asyncio.Task[None]:
        retries = AsyncRetrying(
            wait=wait_random_exponential(0.05, max=1.0, min=0.02),
            retry=retry_if_exception_type(ActionFailed),
        )
        async for attempt in retries:
            with attempt:
                return await self._open()
        raise AssertionError("retries never end")

    async def _open(self) -> asyncio.Task[None]:
        try:
            async with asyncio.timeout(CONNECT_S):
                self._channel = await self._transport.open()
                self._reading = asyncio.create_task(self._read(self._channel))
                await self._configure(self._channel)
        except TimeoutError:
            self._failed(Outcome.SILENT, f"no host agent answered within {CONNECT_S:g} s")
            raise NotConnected("no answer") from None
        except CannotStart as error:
            self._failed(error.outcome, str(error))
            raise
        except ActionFailed as error:
            self._failed(Outcome.DENIED, str(error))
            raise
        return self._reading

    async def _configure(self, channel: Channel) -> None:
        try:
            answer = await self._ask("configure", 2 * CONNECT_S, self.settings.request())
        except ActionTimeout as error:
            words = await channel.last_words()
            raise CannotStart(
                Outcome.DENIED, f"the host agent of {self.settings.node} ended at once: {words}"
            ) from error
        self.guards = bool(answer.get("guards"))
        self._ready, self._quiet_s = True, 0.0
        log.info(
            "%s: host agent is up (process %s, holds the address: %s, guard: %s)",
            *(self.settings.node, answer.get("process"), answer.get("address")),
            _guard_words(self.guards, self.settings.watch_only),
        )
        self._tell({**answer, "event": "alive"})

    def _failed(self, outcome: Outcome, words: str) -> None:
        self._close()
        news = self._failure is None or words != self._failure.detail
        (log.warning if news else log.debug)("%s: %s", self.settings.node, words)
        self._failure = Observed(self.settings.node, Observer.HOST, outcome, words)
        self._sink(self._failure)

    def _lost(self, words: str) -> None:
        self._close()
        self._guarded = False  # with the agent ends its guard
        self._failure = Observed(self.settings.node, Observer.HOST, Outcome.SILENT, words)
        self._sink(AddressSeen(self.settings.node, None))
        log.warning("%s: %s; connecting again", self.settings.node, words)

    def _close(self) -> None:
        self._ready = False
        if self._reading:
            self._reading.cancel()
        if self._channel:
            self._channel.close()
            self._channel = None
        self._fail_asked()

    def _fail_asked(self) -> None:
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(
                    ActionTimeout(
                        f"the link to the host of {self.settings.node} broke before the answer; "
                        "whether it was done is not known"
                    )
                )

    # --- listening --------------------------------------------------------------------------

    async def _read(self, channel: Channel) -> None:
        while await self._take_line(channel):
            pass
        self._fail_asked()

    async def _take_line(self, channel: Channel) -> bool:
        try:
            line = await channel.readline()
        except ValueError:  # longer than any agent writes
            log.warning("%s: an endless line from the host agent", self.settings.node)
            return False
        if not line:
            return False
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if isinstance(message, dict):
            self._quiet_s = 0.0
            self._take(message)
        else:
            log.warning("%s: the host agent wrote garbage: %r", self.settings.node, line[:80])
        return True

    def _take(self, message: dict[str, Any]) -> None:
        if "event" in message:
            if message["event"] == "alive":
                self._answer_heartbeat(message)
            if self._ready:
                self._tell(message)
            return
        answer = self._asked.get(message.get("id", 0))
        if answer and not answer.done():
            answer.set_result(message)

    def _answer_heartbeat(self, message: dict[str, Any]) -> None:
        # Only what we heard renews the lease: a node that we do not hear runs out of it.
        self._send({"do": "lease", "stamp": message.get("stamp", 0.0)})
        with contextlib.suppress(KeyError, TypeError, ValueError):
            self.clock_offset_s = float(message["clock"]) - time.time()

    def _tell(self, message: dict[str, Any]) -> None:
        for event in events_of(self.settings, message):
            if isinstance(event, AddressSeen):
                self._guarded = event.guarded
            self._sink(event)

    async def _watch_silence(self) -> None:
        """Silence is counted in pauses that we lived through, never by the clock."""
        step_s = self.settings.heartbeat_s
        while True:
            await asyncio.sleep(step_s)
            self._quiet_s += step_s
            if not self._ready:
                if self._failure:
                    self._sink(self._failure)
            elif self._quiet_s > self.settings.silence_s:
                self._silent()

    def _silent(self) -> None:
        node = self.settings.node
        words = f"no heartbeat of the host agent for {self._quiet_s:.2f} s"
        self._sink(Observed(node, Observer.HOST, Outcome.SILENT, words))
        # The guard's promise outlives the link: what it was when last heard still holds.
        self._sink(AddressSeen(node, None, guarded=self._guarded))
        if self._quiet_s > self.settings.silence_s + DROP_AFTER_S and self._channel:
            self._failure = Observed(node, Observer.HOST, Outcome.SILENT, words)
            log.warning("%s: %s; connecting again", node, words)
            self._close()


def _guard_words(guards: bool, watch_only: bool) -> str:
    if watch_only:
        return "off: it only watches"
    return "on" if guards else "off: no witnesses are configured"
