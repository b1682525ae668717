"""One node's process as its host sees it: started, stopped, killed, and spoken to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.simulator.settings import NodeSettings

ANSWER_S = 1.0
PACKET = 65536


class NodeProcess:
    """``ended`` is called when the process is gone, however it ended."""

    def __init__(self, settings: NodeSettings, ended: Callable[[], None]) -> None:
        self.settings = settings
        self.pid = 0
        self._ended = ended
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._asked: dict[int, asyncio.Future[dict[str, Any] | None]] = {}
        self._count = 0
        self._waiting: asyncio.Task[None] | None = None

    @property
    def state(self) -> str:
        """``running``, ``stopped`` (SIGSTOP) or ``gone``."""
        if self._process is None:
            return "gone"
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return "gone"
        letter = stat.rpartition(")")[2].split()[0]
        return {"T": "stopped", "t": "stopped", "Z": "gone", "X": "gone"}.get(letter, "running")

    async def start(self) -> None:
        """Start it unless it runs already; returns when it has been told who it is."""
        if self.state != "gone":
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        directory = Path(self.settings.directory)
        with (directory / "node.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "orchestrator.simulator.node", str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        theirs.close()
        self.pid = self._process.pid
        (directory / "asterisk.pid").write_text(f"{self.pid}\n", encoding="utf-8")
        ours.setblocking(False)
        self._control = ours
        self.tell(asdict(self.settings))
        asyncio.get_running_loop().add_reader(ours, self._readable, ours)
        self._waiting = asyncio.get_running_loop().create_task(self._wait(self._process))

    async def _wait(self, process: asyncio.subprocess.Process) -> None:
        await process.wait()
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
            self._control = None
        self._process = None
        for asked in self._asked.values():
            if not asked.done():
                asked.set_result(None)
        self._ended()

    def _readable(self, control: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            answer = json.loads(control.recv(PACKET))
            asked = self._asked.get(answer["id"])
            if asked is not None and not asked.done():
                asked.set_result(answer)

    def tell(self, order: dict[str, Any], sock: socket.socket | None = None) -> None:
        """An order that wants no answer; a stopped process finds it when it goes on."""
        if self._control is None:
            return
        data = json.dumps(order).encode()
        with contextlib.suppress(OSError):
            socket.send_fds(self._control, [data], [sock.fileno()] if sock else [])

    async def facts(self) -> dict[str, Any] | None:
        """What the node says of itself; None when it can't be asked."""
        if self.state != "running":
            return None
        self._count += 1
        asked: asyncio.Future[dict[str, Any] | None] = asyncio.get_running_loop().create_future()
        self._asked[self._count] = asked
        self.tell({"do": "facts", "id": self._count})
        try:
            async with asyncio.timeout(ANSWER_S):
                return await asked
        except TimeoutError:
            return None
        finally:
            self._asked.pop(self._count, None)

    def signal(self, number: signal.Signals) -> bool:
        """Send it; False when there is no process."""
        if self.state == "gone":
            return False
        os.kill(self.pid, number)
        return True

    async def gone(self) -> None:
        """Wait until the process is gone."""
        if self._waiting is not None:
            await asyncio.wait({self._waiting})
