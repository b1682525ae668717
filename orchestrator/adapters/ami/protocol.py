"""One AMI connection: frames to handlers, answers to the actions that wait for them.

It lies under panoramisk's ``Manager`` in place of panoramisk's own protocol, which decodes and
matches every event by a regular expression per pattern, replays unanswered actions after a
reconnect, and lets a failing callback close the connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from orchestrator.adapters.ami import wire
from orchestrator.errors import ActionFailed, ActionTimeout, AnswerLost, NotConnected, ProtocolError

log = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[bytes], None]
Item: TypeAlias = bytes  # one event of a list, raw

MAX_ITEMS = 200_000  # of one list; a list that goes on for ever must not fill the memory
MAX_UNSENT = 1 << 18  # bytes waiting for a peer that does not read
_ACTION_ID = wire.key("ActionID")
_EVENT_LIST = wire.key("EventList")
_MESSAGE = wire.key("Message")


@dataclass(frozen=True, slots=True)
class Reply:
    """What Asterisk answered to one action; ``items`` are the events of a list, raw."""

    ok: bool
    message: str
    headers: tuple[tuple[str, str], ...] = ()
    items: tuple[Item, ...] = ()

    def get(self, name: str) -> str:
        """The first header of that name, empty when absent."""
        return next((value for header, value in self.headers if header == name), "")

    @property
    def output(self) -> str:
        """What a CLI command printed (Asterisk 14 and newer: one ``Output:`` header a line)."""
        return "\n".join(value for header, value in self.headers if header == "Output")


@dataclass(slots=True)
class Pending:
    """An action that waits for its answer."""

    name: str
    future: asyncio.Future[Reply]
    timer: asyncio.TimerHandle
    as_list: bool
    on_begin: Callable[[], None] | None
    head: bytes | None = None
    items: list[Item] | None = None


class AmiProtocol(asyncio.Protocol):
    """Reads always: Asterisk cuts a manager that reads too slowly (``writetimeout``)."""

    def __init__(
        self,
        handler: Callable[[bytes], Handler | None],
        on_lost: Callable[[AmiProtocol, str], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.splitter = wire.Splitter()
        self.banner: asyncio.Future[str] = loop.create_future()
        self.transport: asyncio.Transport | None = None
        self._loop = loop
        self._handler = handler
        self._on_lost = on_lost
        self._known: dict[bytes, Handler | None] = {}
        self._pending: dict[bytes, Pending] = {}
        self._lists = 0
        self._why_lost = "the connection was closed by Asterisk (EOF)"

    # --- asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            frames = self.splitter.feed(data)
        except ProtocolError as error:
            self.abort(str(error))
            return
        if not self.banner.done() and self.splitter.version:
            self.banner.set_result(self.splitter.version)
        known = self._known
        for raw in frames:
            try:
                if raw.startswith(b"Event: "):
                    if self._lists and self._take_item(raw):
                        continue
                    name = raw[7 : raw.find(b"\r\n")]
                    handler = known[name] if name in known else self._learn(name)
                    if handler is not None:
                        handler(raw)
                else:
                    self._take_answer(raw.lstrip(b"\r\n"))
            except Exception:
                log.exception("AMI: a frame could not be handled; it was left out.")

    def connection_lost(self, exc: Exception | None) -> None:
        why = f"{self._why_lost}: {exc}" if exc else self._why_lost
        self.transport = None
        if not self.banner.done():
            self.banner.set_exception(ConnectionResetError(why))
            self.banner.exception()  # retrieved: whoever waits gets it too
        for pending in self._pending.values():
            pending.timer.cancel()
            if not pending.future.done():
                pending.future.set_exception(
                    AnswerLost(
                        f"AMI {pending.name}: the connection broke before the answer came "
                        f"({why}). Whether Asterisk did it is unknown; it is not sent again."
                    )
                )
        self._pending.clear()
        self._lists = 0
        self._on_lost(self, why)

    # --- for the manager ---

    def abort(self, why: str) -> None:
        """Drop the connection at once."""
        self._why_lost = why
        if self.transport is not None:
            self.transport.abort()

    def send(
        self,
        fields: wire.Fields,
        *,
        timeout_s: float,
        as_list: bool = False,
        on_begin: Callable[[], None] | None = None,
    ) -> asyncio.Future[Reply]:
        """Send one action; ``on_begin`` is called when the first bytes of its answer are read.

        The future raises ``ActionTimeout`` or ``AnswerLost``; raises ``NotConnected`` and
        ``ActionFailed`` here when nothing was sent.
        """
        action_id = wire.new_action_id()
        data = wire.encode(fields, action_id)
        name = data[8 : data.find(b"\r\n")].decode()
        if self.transport is None or self.transport.is_closing():
            raise NotConnected(f"AMI {name} was not sent: there is no connection to Asterisk.")
        if self.transport.get_write_buffer_size() > MAX_UNSENT:
            raise NotConnected(f"AMI {name} was not sent: Asterisk does not read what we send.")
        key = action_id.encode()
        timer = self._loop.call_later(timeout_s, self._expire, key, timeout_s)
        future: asyncio.Future[Reply] = self._loop.create_future()
        future.add_done_callback(_look)
        self._pending[key] = Pending(name, future, timer, as_list, on_begin)
        self._lists += as_list
        self.transport.write(data)
        return future

    # --- inside ---

    def _learn(self, name: bytes) -> Handler | None:
        handler = self._handler(name)
        if len(self._known) < 1024:  # names from the network: bounded
            self._known[name] = handler
        return handler

    def _take_answer(self, raw: bytes) -> None:
        key = wire.value(raw, _ACTION_ID)
        pending = self._pending.get(key) if raw.startswith(wire.RESPONSE) else None
        if pending is None:
            return  # too late, or nothing we know
        if pending.on_begin is not None:
            pending.on_begin()
        if pending.as_list and wire.value(raw, _EVENT_LIST) == b"start":
            pending.head, pending.items = raw, []
        else:
            self._finish(key, raw, ())

    def _take_item(self, raw: bytes) -> bool:
        key = wire.value(raw, _ACTION_ID)
        pending = self._pending.get(key)
        if pending is None or pending.items is None or pending.head is None:
            return False
        if wire.value(raw, _EVENT_LIST).lower() in (b"complete", b"cancelled"):
            self._finish(key, pending.head, tuple(pending.items))
        elif len(pending.items) < MAX_ITEMS:
            pending.items.append(raw)
        return True

    def _finish(self, key: bytes, head: bytes, items: tuple[Item, ...]) -> None:
        pending = self._forget(key)
        if not pending.future.done():
            ok = wire.first_line(head) != b"Error"
            headers = tuple(wire.pairs(head))
            pending.future.set_result(Reply(ok, wire.text(head, _MESSAGE), headers, items))

    def _expire(self, key: bytes, timeout_s: float) -> None:
        pending = self._forget(key)
        if not pending.future.done():
            what = "its list was not completed" if pending.items is not None else "no answer"
            pending.future.set_exception(
                ActionTimeout(
                    f"AMI {pending.name}: {what} within {timeout_s:g} s. Whether Asterisk did it "
                    "is unknown; it is not sent again."
                )
            )

    def _forget(self, key: bytes) -> Pending:
        pending = self._pending.pop(key)
        pending.timer.cancel()
        self._lists -= pending.as_list
        return pending


def _look(future: asyncio.Future[Reply]) -> None:
    """Retrieve the error, so that an action nobody waits for any more makes no noise."""
    if not future.cancelled():
        future.exception()


def refuse(reply: Reply, what: str) -> Reply:
    """The reply when it is a success; raises ``ActionFailed`` with Asterisk's words otherwise."""
    if not reply.ok:
        raise ActionFailed(f"{what}: Asterisk answered '{reply.message}'. Nothing was changed.")
    return reply
