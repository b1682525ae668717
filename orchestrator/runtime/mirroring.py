"""Carries out what the mirror asks for: what it reads comes back as events of the node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from orchestrator.core.commands import Mirror
from orchestrator.core.events import Compared, CopySeen, Event
from orchestrator.core.words import MirrorKind
from orchestrator.errors import ActionFailed
from orchestrator.runtime.ports import ContactStore, Ports

QUALIFY_TIMEOUT_S = 2.0


class Mirroring:
    """Contacts are read and written by ARI, everything else by AMI."""

    def __init__(self, ports: Ports, put: Callable[[Event], object]) -> None:
        self._ports = ports
        self._put = put

    async def fetch(self, node: str, kind: MirrorKind, keys: Sequence[str]) -> None:
        """Read these contacts anew."""
        for key, fields in (await self._contacts(node).fetch(keys)).items():
            self._put(CopySeen(node, kind, key, fields))

    async def compare(self, node: str, kind: MirrorKind, families: Sequence[str]) -> None:
        """List everything of the kind; when that fails the listing says why."""
        try:
            items = await self._ports.nodes[node].manager.list_items(kind, families)
        except ActionFailed as error:
            self._put(Compared(node, kind, problem=str(error)))
            raise
        self._put(Compared(node, kind, tuple(items)))

    async def qualify(self, node: str, endpoints: Sequence[str]) -> None:
        """One after the other, so that the answers do not come all at once."""
        manager = self._ports.nodes[node].manager
        for endpoint in endpoints:
            fields = (("Action", "PJSIPQualify"), ("Endpoint", endpoint))
            await manager.action(fields, QUALIFY_TIMEOUT_S)

    async def write(self, command: Mirror) -> tuple[bool, str, Mapping[str, object]]:
        """Whether all of it is done, in words, and the result's data (core/commands.py)."""
        node, kind = command.node, command.kind
        if kind is MirrorKind.CONTACT:
            written = await self._contacts(node).write(command.puts, command.removals)
        else:
            manager = self._ports.nodes[node].manager
            written = await manager.write_items(kind, command.puts, command.removals)
        says = "; ".join(f"{key}: {why}" for key, why in list(written.failed.items())[:3])
        data = {
            "done": tuple(written.done),
            "failed": dict(written.failed),
            "shared": tuple(written.shared),
        }
        return not written.failed, says or f"{len(written.done)} done", data

    def _contacts(self, node: str) -> ContactStore:
        store = self._ports.nodes[node].contacts
        if store is None:
            raise ActionFailed(
                f"{node} has no ARI configured, so its registrations cannot be mirrored; "
                f"add nodes.{node}.ari"
            )
        return store
