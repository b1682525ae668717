"""What the executor can ask of a node's host."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.adapters.host.link import HostLink
from orchestrator.errors import ActionFailed

REQUEST_S = 5.0  # the executor's own deadline comes first; this one only keeps the table clean


class HostClient:
    """Requests over a ``HostLink``. Each is safe to repeat, none is repeated by itself."""

    def __init__(self, link: HostLink) -> None:
        self._link = link

    async def address_add(self, epoch: int) -> None:
        """Hold the virtual IP and announce it; it is only announced when it is held already.

        ``ActionFailed`` when the host has had an order of a higher epoch over this connection.
        """
        await self._link.ask("address_add", REQUEST_S, epoch=epoch)

    async def address_remove(self, epoch: int) -> None:
        """Give the virtual IP up; returns only when it is seen to be gone."""
        await self._link.ask("address_remove", REQUEST_S, epoch=epoch)

    async def address_check(self) -> bool:
        """Does the host hold the virtual IP, on any interface?"""
        return bool((await self._link.ask("address_check", REQUEST_S))["address"])

    async def process_kill(self) -> None:
        """SIGKILL to Asterisk; returns only when the process is gone (or was already)."""
        await self._link.ask("process_kill", REQUEST_S, timeout_s=REQUEST_S - 1)

    async def run(self, argv: Sequence[str], timeout_s: float) -> str:
        """Run an argument list as the agent's user, without a shell; its output's tail.

        Killed after ``timeout_s``. An exit code other than 0 is an ``ActionFailed``.
        """
        answer = await self._link.ask("run", timeout_s + 1.0, argv=list(argv), timeout_s=timeout_s)
        where = f"{' '.join(argv)} on the host of {self._link.settings.node}"
        if answer["timed_out"]:
            raise ActionFailed(f"{where} did not end within {timeout_s:g} s and was killed")
        if answer["exit_code"] != 0:
            words = (answer["stderr"] or answer["stdout"]).strip() or "it wrote nothing"
            raise ActionFailed(f"{where} ended with exit code {answer['exit_code']}: {words}")
        return str(answer["stdout"])
