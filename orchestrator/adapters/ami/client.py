"""The AMI of one node: connected for ever, and translated into domain events.

Connect → banner → login → FullyBooted → filters → snapshot → events; at any break ``PictureLost``
and an immediate reconnect, which tells refused (the process is gone) from silent. The core makes
the verdict: here every look is only reported as ``Observed``.

The sink is called in the event loop and returns False when it had no room for an event of the
picture. It must always take ``Observed``, ``PictureLost``, ``Snapshot`` and the like, which are
few. Whatever was not taken is made good by a new snapshot.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from typing import TypeAlias

import tenacity
from panoramisk.message import Message

from orchestrator.adapters.ami import translate, wire
from orchestrator.adapters.ami.clock import Clock
from orchestrator.adapters.ami.copies import Copies
from orchestrator.adapters.ami.manager import LoginRefused, Manager
from orchestrator.adapters.ami.probing import Probes
from orchestrator.adapters.ami.protocol import Handler, Reply
from orchestrator.adapters.ami.settings import AmiSettings
from orchestrator.adapters.ami.sync import Sync
from orchestrator.adapters.ami.vocabulary import UNWANTED
from orchestrator.core.events import (
    ClockSeen,
    Event,
    NodeEvent,
    Observed,
    PictureLost,
    Reloaded,
    ShuttingDown,
)
from orchestrator.core.words import Observer, Outcome
from orchestrator.errors import ActionFailed, AnswerLost, OrchestratorError, ProtocolError

log = logging.getLogger(__name__)

Sink: TypeAlias = Callable[[Event], object]

DENIED_RETRY_S = 5.0  # a wrong password tried often gets us banned
QUICK_RESETS = 5  # closed before the banner: a dying process whose port is not closed yet
_FAULTS = (OSError, TimeoutError, OrchestratorError)


class AmiClient(Probes, Copies):
    """Watches one node and carries out orders on it; ``run`` until cancelled."""

    def __init__(self, node: str, settings: AmiSettings, sink: Sink) -> None:
        super().__init__()
        self.node = node
        self.settings = settings
        self._sink = sink
        self._clock = Clock()
        self._sync = Sync(node, self._ask, sink)
        self._manager = Manager(settings, self._handlers(), self._on_lost)
        self._manager.register_event("FullyBooted", self._on_booted)
        self._manager.register_event("Reload", self._on_reload)
        self._manager.register_event("Shutdown", self._on_shutdown)
        self._look_now = asyncio.Event()
        self._lost = asyncio.Event()
        self._booted = asyncio.Event()
        self._said = ""

    # --- the life of the connection ---

    async def run(self) -> None:
        """Keep connected until cancelled."""
        try:
            while True:
                await self._connect()
                await self._session()
        finally:
            self._manager.close()

    def probe_now(self) -> None:
        """Look at once: a Ping, or an attempt to connect that does not wait for its turn."""
        self._look_now.set()

    async def action(self, fields: wire.Fields, timeout_s: float | None = None) -> Reply:
        """Send one action once. Refusals by Asterisk come back as ``Reply.ok`` False.

        Raises ``NotConnected`` (nothing was sent), ``ActionTimeout`` and ``AnswerLost`` (whether
        Asterisk did it is unknown), ``ActionFailed`` (the fields are not allowed).
        """
        return await self._manager.ask(fields, timeout_s)

    async def action_list(self, fields: wire.Fields, timeout_s: float | None = None) -> Reply:
        """Like ``action`` for one that answers by a list; a list without an end times out."""
        return await self._manager.ask(fields, timeout_s or self.settings.list_timeout_s, True)

    async def _connect(self) -> None:
        """Try until it succeeds: at once, then with growing pauses that ``probe_now`` cuts."""
        resets = 0
        async for attempt in tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(_FAULTS),
            wait=self._pause,
            sleep=self._nap,
        ):
            with attempt:
                try:
                    await self._manager.connect()
                except (ConnectionResetError, AnswerLost) as error:
                    resets += 1
                    if resets > QUICK_RESETS:
                        self._report_fault(error)
                    raise
                except _FAULTS as error:
                    self._report_fault(error)
                    raise

    def _pause(self, attempt: tenacity.RetryCallState) -> float:
        error = attempt.outcome.exception() if attempt.outcome else None
        if isinstance(error, LoginRefused | ProtocolError):
            return DENIED_RETRY_S
        return min(
            0.001 * float(2 ** min(attempt.attempt_number, 20)), self.settings.retry_at_most_s
        )

    async def _nap(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._look_now.wait()
        except TimeoutError:
            return
        self._look_now.clear()

    async def _session(self) -> None:
        """From login to the loss of the connection."""
        self._lost.clear()
        self._say("")
        self._observe(Outcome.ANSWERS)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._ping_for_ever()),
                group.create_task(self._keep_synced()),
            ]
            await self._lost.wait()
            for task in tasks:
                task.cancel()

    async def _keep_synced(self) -> None:
        try:
            await self._filter()
            async with asyncio.timeout(self.settings.connect_timeout_s):
                await self._booted.wait()
        except TimeoutError:
            log.info("%s: Asterisk has not said FullyBooted yet; asking for its lists.", self.node)
            self._booted.set()  # should it come later, it asks for another snapshot
        except ActionFailed:
            return  # the connection broke: _on_lost has told
        await self._sync.run()

    async def _filter(self) -> None:
        """Ask Asterisk not to send what nobody reads: three quarters of all bytes."""
        exact = [("Action", "Filter"), ("Operation", "Add")]
        for name in UNWANTED:
            criteria = ("MatchCriteria", f"action(exclude),name({name})")
            if not (await self.action([*exact, criteria])).ok:  # Asterisk before 20.11 / 22.1
                break
        else:
            return
        reply = await self.action([*exact, ("Filter", f"!^Event: ({'|'.join(UNWANTED)})")])
        if not reply.ok:
            log.info("%s: AMI filter refused (%s); reading all.", self.node, reply.message)

    # --- liveness ---

    async def _ping_for_ever(self) -> None:
        """One Ping at a time; a late answer counts when it comes."""
        while True:
            self._look_now.clear()
            sent, sent_at = time.monotonic(), time.time()
            try:
                pong = self._manager.ping()
                await self._answered(pong, sent)
                reply = pong.result()
            except ActionFailed as error:
                self._manager.drop(str(error))
                return
            self._observe(Outcome.ANSWERS)
            self._read_clock(reply, sent_at)
            self._watch_shutdown(reply)
            await self._nap(max(0.0, sent + self.settings.ping_every_s - time.monotonic()))

    async def _answered(self, pong: asyncio.Future[Reply], sent: float) -> None:
        timeout_s = self.settings.ping_timeout_s
        while not (await asyncio.wait({pong}, timeout=timeout_s))[0]:
            silent_s = time.monotonic() - sent
            self._observe(Outcome.SILENT, f"no answer to an AMI Ping for {silent_s:.2g} s")
            if silent_s > self.settings.give_up_s:
                self._manager.drop(f"no answer to an AMI Ping for {silent_s:.1f} s")
            timeout_s = self.settings.ping_every_s

    def _watch_shutdown(self, reply: Reply) -> None:
        """During ``core stop gracefully`` every action is refused; it can be called off."""
        if "shutting down" in reply.message:
            if not self._sync.refused:
                self._sink(ShuttingDown(self.node, restart=False))
            self._sync.refused = True
        elif self._sync.refused:
            self._sync.again()

    def _read_clock(self, reply: Reply, sent_at: float) -> None:
        now = time.time()
        news = self._clock.hear(reply.get("Timestamp"), sent_at, now, time.monotonic())
        if news is not None:
            self._sink(ClockSeen(self.node, news.ahead_s, news.error_s))

    # --- events ---

    def _handlers(self) -> dict[bytes, Handler]:
        """Event name → translate and deliver."""
        return {name: self._handler(make) for name, make in translate.LIVE.items()}

    def _handler(self, make: translate.Translator) -> Handler:
        node, deliver = self.node, self._deliver

        def handle(raw: bytes) -> None:
            event = make(node, raw)
            if event is not None:
                deliver(event)

        return handle

    def _deliver(self, event: NodeEvent) -> None:
        if self._watches:
            self._hear(event)
        if self._probes:
            self._hear_leg(event)
        if self._sync.held and self._sync.waits(event):
            return
        if self._sink(event) is False:
            self._sync.again()

    def _on_booted(self, _: object, event: Message) -> None:
        uptime = event.uptime or "0"
        self._sync.booted_at = time.time() - (int(uptime) if uptime.isdigit() else 0)
        if self._booted.is_set():
            self._sync.again()
        self._booted.set()

    def _on_reload(self, _: object, event: Message) -> None:
        self._sink(Reloaded(self.node, event.module))
        self._sync.again()

    def _on_shutdown(self, _: object, event: Message) -> None:
        self._sink(ShuttingDown(self.node, restart=event.restart == "True"))

    def _on_lost(self, why: str) -> None:
        self._booted.clear()
        self._sync.reset()
        self._lost.set()
        self._sink(PictureLost(self.node, why))
        log.warning("%s: AMI lost: %s. Connecting again.", self.node, why)

    # --- reports ---

    def _observe(self, outcome: Outcome, detail: str = "") -> None:
        self._sink(Observed(self.node, Observer.AMI, outcome, detail))

    def _report_fault(self, error: Exception) -> None:
        detail = str(error) or type(error).__name__
        if isinstance(error, ConnectionRefusedError):
            outcome, detail = Outcome.REFUSED, "nobody listens on the AMI port"
        elif isinstance(error, LoginRefused):
            outcome, detail = Outcome.DENIED, f"AMI login refused: {detail}"
        elif isinstance(error, ProtocolError | ssl.SSLError | ConnectionResetError | AnswerLost):
            outcome = Outcome.DENIED
        else:
            outcome, detail = Outcome.SILENT, f"no AMI session ({detail})"
        self._observe(outcome, detail)
        self._say(detail)

    def _say(self, trouble: str) -> None:
        """A trouble is logged when it begins and when it ends, not at each attempt."""
        if trouble != self._said:
            self._said = trouble
            if trouble:
                log.warning("%s: AMI: %s. Trying on.", self.node, trouble)
            else:
                log.info("%s: AMI is connected again.", self.node)

    async def _ask(
        self, fields: dict[str, str], as_list: bool, on_begin: Callable[[], None] | None
    ) -> Reply:
        timeout_s = self.settings.list_timeout_s
        return await self._manager.ask(fields, timeout_s, as_list, on_begin)
