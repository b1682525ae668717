"""What the orchestrator orders an Asterisk to do, over AMI. Each order is safe to repeat."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.adapters.ami import listed, wire
from orchestrator.adapters.ami.protocol import Reply, refuse
from orchestrator.adapters.ami.snapshot import without_ghosts
from orchestrator.core.events import ChannelGone, NodeEvent, RegistrationSeen
from orchestrator.core.words import RegistrationStatus
from orchestrator.errors import ActionFailed, ActionTimeout

DRAIN_FAMILY, DRAIN_KEY, DRAIN_VALUE = "orchestrator", "drain", "redirect"
LOOK_EVERY_S = 0.5  # Registry events are quicker; this is for users who may not read them
RETRY_AFTER_S = 1.0


@dataclass(slots=True)
class _Watch:
    """Somebody waits for news of one registration."""

    uris: tuple[str, str]
    news: asyncio.Queue[RegistrationStatus]
    confirmed: bool = False  # looked at after the order


class Orders(ABC):
    """Orders on top of ``action`` and ``action_list``; raise ``ActionFailed`` or a child of it."""

    node: str

    def __init__(self) -> None:
        self._watches: list[_Watch] = []

    @abstractmethod
    async def action(self, fields: wire.Fields, timeout_s: float | None = None) -> Reply:
        """Send one action."""

    @abstractmethod
    async def action_list(self, fields: wire.Fields, timeout_s: float | None = None) -> Reply:
        """Send one action that answers by a list."""

    async def registration(self, name: str) -> RegistrationSeen:
        """A trunk registration as the node sees it now."""
        reply = await self.action_list({"Action": "PJSIPShowRegistrationsOutbound"})
        refuse(reply, "Looking at the trunk registrations")
        for raw in reply.items:
            for event in listed.registration(self.node, raw):
                if isinstance(event, RegistrationSeen) and event.name == name:
                    return event
        raise ActionFailed(
            f"{self.node} has no outbound registration '{name}'. Compare the trunks in the "
            "configuration with 'pjsip show registrations'."
        )

    async def register_trunk(self, name: str, timeout_s: float, *, afresh: bool = False) -> None:
        """Register with the provider; done when the node reports it registered.

        ``afresh``: order it even when the node says Registered. Where the provider keeps one
        contact, the other node's registration may have replaced ours without a word.
        """
        wanted = RegistrationStatus.REGISTERED
        await self._bring_to(name, wanted, "PJSIPRegister", timeout_s, afresh=afresh)

    async def unregister_trunk(self, name: str, timeout_s: float) -> None:
        """Give the registration up; done when the node reports that.

        It is ordered even when the node says Unregistered: that is also said of one that is about
        to register after its random delay.
        """
        await self._bring_to(name, RegistrationStatus.UNREGISTERED, "PJSIPUnregister", timeout_s)

    async def set_drain_flag(self, on: bool) -> None:
        """Set or clear the flag that contrib/asterisk/extensions-drain.conf tests."""
        where = {"Family": DRAIN_FAMILY, "Key": DRAIN_KEY}
        if on:
            reply = await self.action({"Action": "DBPut", **where, "Val": DRAIN_VALUE})
            refuse(reply, f"The drain flag of {self.node} was not set")
        else:
            await self.forget_key(DRAIN_FAMILY, DRAIN_KEY)

    async def forget_key(self, family: str, key: str) -> None:
        """Delete an astdb key; one that is not there is as good."""
        where = {"Family": family, "Key": key}
        reply = await self.action({"Action": "DBDel", **where})
        if (
            not reply.ok
            and "not found" in (await self.action({"Action": "DBGet", **where})).message
        ):
            return  # how DBDel says that it was not there differs between versions
        refuse(reply, f"astdb {family}/{key} of {self.node} was not deleted")

    async def set_maintenance(self, endpoint: str, on: bool) -> None:
        """New requests of a trunk endpoint get 503 (Asterisk 20.20, 22.10, 23.4 and newer)."""
        state = "on" if on else "off"
        reply = await self.action(
            {"Action": "PJSIPSetMaintenance", "Endpoint": endpoint, "State": state}
        )
        refuse(reply, f"Maintenance of endpoint {endpoint} on {self.node} was not set to {state}")

    async def hang_up(self, channels: Sequence[str]) -> None:
        """Hang up channels by name; one that is gone already is as good."""
        refused = []
        for channel in channels:
            reply = await self.action({"Action": "Hangup", "Channel": channel})
            if not reply.ok and "no such channel" not in reply.message.lower():
                refused.append(f"{channel} ({reply.message})")
        if refused:
            raise ActionFailed(f"{self.node} did not hang up {', '.join(refused)}.")

    async def ghosts(self) -> list[ChannelGone]:
        """The end of each channel that is over although no Hangup was sent (snapshot.py)."""
        listing = await self.action_list({"Action": "CoreShowChannels"})
        refuse(listing, f"The list of channels on {self.node}")
        there = refuse(
            await self.action_list({"Action": "Status"}), f"A look at the channels on {self.node}"
        )
        real = set(without_ghosts(listing.items, there))
        return [
            ChannelGone(self.node, listed.uniqueid(raw), 0)
            for raw in listing.items
            if raw not in real
        ]

    async def command(self, line: str) -> str:
        """Output of an Asterisk CLI command; the AMI user needs class *command* for it."""
        reply = refuse(
            await self.action({"Action": "Command", "Command": line}), f"CLI command '{line}'"
        )
        return reply.output

    # --- trunks ---

    def _hear(self, event: NodeEvent) -> None:
        """Every event of the node passes here while somebody waits for one."""
        if isinstance(event, RegistrationSeen):
            for watch in self._watches:
                if watch.uris == (event.client_uri, event.server_uri):
                    watch.news.put_nowait(event.status)

    async def _bring_to(
        self,
        name: str,
        wanted: RegistrationStatus,
        action: str,
        timeout_s: float,
        *,
        afresh: bool = False,
    ) -> None:
        last = RegistrationStatus.UNKNOWN
        try:
            async with asyncio.timeout(timeout_s):
                now = await self.registration(name)
                last = now.status
                if wanted is RegistrationStatus.REGISTERED and last is wanted and not afresh:
                    return
                watch = _Watch((now.client_uri, now.server_uri), asyncio.Queue())
                self._watches.append(watch)
                try:
                    await self._order(name, action)
                    while last is not wanted or not watch.confirmed:
                        last = await self._next_status(name, action, wanted, watch)
                finally:
                    self._watches.remove(watch)
        except TimeoutError:
            raise ActionTimeout(
                f"Trunk {name} on {self.node} is {last}, not {wanted}, after {timeout_s:g} s. "
                "See 'pjsip show registrations' there and ask the provider."
            ) from None

    async def _order(self, name: str, action: str) -> None:
        reply = await self.action({"Action": action, "Registration": name})
        refuse(reply, f"{action} {name} on {self.node}")

    async def _next_status(
        self, name: str, action: str, wanted: RegistrationStatus, watch: _Watch
    ) -> RegistrationStatus:
        """News of the registration, or a look of our own when none comes."""
        watch.confirmed = True
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                status = await watch.news.get()
        except TimeoutError:
            status = (await self.registration(name)).status
            if status is RegistrationStatus.REJECTED and wanted is RegistrationStatus.UNREGISTERED:
                return wanted  # not registered, and told to stop trying
            return status
        if status is RegistrationStatus.REJECTED and wanted is RegistrationStatus.REGISTERED:
            # Asterisk itself would try again only after retry_interval (60 s)
            await asyncio.sleep(RETRY_AFTER_S)
            await self._order(name, action)
        return status
