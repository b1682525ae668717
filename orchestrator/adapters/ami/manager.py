"""panoramisk's ``Manager`` with safe insides: the API stays, what it does by itself does not.

Of panoramisk remain ``register_event``, ``send_action``, ``send_command``, ``close`` and the
``protocol_factory`` by which our own protocol comes in. Overridden, because measured to be unsafe
for failover: connecting (no deadline, reconnects by itself, also after ``close``), pinging (never
notices a hung node), unanswered actions (were replayed after a reconnect), failing callbacks
(closed the connection).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import socket
from collections.abc import Callable, Mapping
from typing import Any

import panoramisk
from panoramisk.message import Message

from orchestrator.adapters.ami import wire
from orchestrator.adapters.ami.protocol import AmiProtocol, Handler, Reply
from orchestrator.adapters.ami.settings import AmiSettings
from orchestrator.errors import ActionFailed, NotConnected

log = logging.getLogger(__name__)


class LoginRefused(ActionFailed):
    """Asterisk answers but does not let us in."""


class Manager(panoramisk.Manager):  # type: ignore[misc]  # panoramisk has no types
    """One connection at a time to one Asterisk; never connects by itself."""

    def __init__(
        self,
        settings: AmiSettings,
        fast: Mapping[bytes, Handler],
        on_lost: Callable[[str], None],
    ) -> None:
        """``fast`` takes events by their exact name, ahead of registered patterns."""
        super().__init__(
            host=settings.host,
            port=settings.port,
            ssl=settings.tls,
            protocol_factory=lambda: AmiProtocol(self._handler, self.connection_lost),
        )
        self.settings = settings
        self.protocol: AmiProtocol | None = None
        self._fast = fast
        self._on_lost = on_lost
        self._connecting: asyncio.Task[None] | None = None

    # --- connecting ---

    def connect(self, *_: object, **__: object) -> asyncio.Task[None]:
        """Connect and log in; a second call joins the attempt under way.

        The task raises ``OSError``, ``TimeoutError``, ``ProtocolError`` or ``LoginRefused``.
        """
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
        return self._connecting

    async def _connect(self) -> None:
        self.close()
        deadline_s = self.settings.connect_timeout_s
        async with asyncio.timeout(deadline_s):
            transport, protocol = await asyncio.get_running_loop().create_connection(
                self.config["protocol_factory"],
                self.config["host"],
                self.config["port"],
                ssl=self.config["ssl"],
            )
        assert isinstance(protocol, AmiProtocol)
        self.protocol = protocol
        try:
            _tune(transport.get_extra_info("socket"), self.settings.give_up_s)
            async with asyncio.timeout(deadline_s):
                await protocol.banner
            async with asyncio.timeout(deadline_s):
                await self.login()
        except BaseException:
            self.close()
            raise

    async def login(self, *_: object) -> None:
        """Log in, by MD5 challenge where both sides can, so that the secret is not sent."""
        settings = self.settings
        how = {"Secret": settings.secret}
        if settings.challenge:
            reply = await self.ask({"Action": "Challenge", "AuthType": "MD5"})
            challenge = reply.get("Challenge")
            if not reply.ok and "unknown command" not in reply.message.lower():
                raise LoginRefused(reply.message)  # no reason to send the secret in clear
            if challenge:
                digest = hashlib.md5(f"{challenge}{settings.secret}".encode()).hexdigest()
                how = {"AuthType": "MD5", "Key": digest}
        reply = await self.ask(
            {"Action": "Login", "Username": settings.username, **how, "Events": "on"}
        )
        if not reply.ok:
            raise LoginRefused(reply.message or "no reason given")
        self.authenticated = True

    def connection_lost(self, protocol: AmiProtocol, why: str) -> None:
        """Called by the protocol; only the loss of the present session is news."""
        if protocol is self.protocol:
            self.protocol = None
            was_in, self.authenticated = self.authenticated, False
            if was_in:
                self._on_lost(why)

    def drop(self, why: str) -> None:
        """End the session at once; reported as lost."""
        if self.protocol is not None:
            self.protocol.abort(why)

    def close(self) -> None:
        """End the session without a report; pending actions fail."""
        protocol, self.protocol, self.authenticated = self.protocol, None, False
        if protocol is not None:
            protocol.abort("we closed the connection")

    # --- sending ---

    def ask(
        self,
        fields: wire.Fields,
        timeout_s: float | None = None,
        as_list: bool = False,
        on_begin: Callable[[], None] | None = None,
    ) -> asyncio.Future[Reply]:
        """Send one action once, with a deadline; see ``AmiProtocol.send`` for the errors."""
        if self.protocol is None:
            raise NotConnected("The AMI action was not sent: there is no connection to Asterisk.")
        return self.protocol.send(
            fields,
            timeout_s=timeout_s or self.settings.action_timeout_s,
            as_list=as_list,
            on_begin=on_begin,
        )

    def send_action(
        self, action: Mapping[str, str], as_list: bool | None = None, **kwargs: str
    ) -> asyncio.Future[Reply]:
        """panoramisk's way to send an action: here with a deadline, and never sent twice."""
        return self.ask({**action, **kwargs}, as_list=bool(as_list))

    def ping(self) -> asyncio.Future[Reply]:
        """One Ping; its answer may come late, so the deadline is that of giving the session up."""
        return self.ask({"Action": "Ping"}, 2 * self.settings.give_up_s)

    async def send_awaiting_actions(self, *_: object) -> None:
        """Nothing is kept to be sent again: an Originate must not be made twice."""

    # --- events ---

    def _handler(self, name: bytes) -> Handler | None:
        """Whoever wants events of this name; asked once per name and connection."""
        callbacks = [
            callback
            for pattern, regexp in self.patterns
            if re.match(regexp, name.decode("utf-8", "replace"))
            for callback in self.callbacks[pattern]
            if callback != self.send_awaiting_actions
        ]
        fast = self._fast.get(name)
        if not callbacks:
            return fast

        def handle(raw: bytes) -> None:
            if fast is not None:
                fast(raw)
            self.dispatch(Message(dict(wire.pairs(raw))), callbacks)

        return handle

    def dispatch(self, event: Message, callbacks: list[Callable[..., Any]]) -> None:
        """Call back as panoramisk does; one that fails does not take the connection down."""
        event.manager = self
        for callback in callbacks:
            try:
                callback(self, event)
            except Exception:
                log.exception("AMI: a callback for %s failed; the others go on.", event.event)


def _tune(sock: socket.socket, give_up_s: float) -> None:
    """No delay for pings; the kernel ends a dead connection no later than we would."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(give_up_s * 1000))
