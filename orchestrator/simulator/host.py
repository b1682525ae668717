"""A node's simulated host: its share of the virtual IP, its cable, its view of the process.

It speaks the host agent's lines (orchestrator/adapters/host/agent/) with the ``hand`` processes
that the orchestrator starts, and has the agent's guard: cut off for longer than the lease, it gives
the virtual IP up by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Callable
from typing import Any, Protocol

from orchestrator.simulator.probe import PeerProbe
from orchestrator.simulator.process import NodeProcess
from orchestrator.simulator.settings import SIP_PORT, NodeSettings

NOWHERE = ("127.0.0.1", 1)
TICK_S = 0.01
VERSION = 1
NOT_OF_WATCHERS = ("lease", "address_add", "address_remove", "process_kill", "run")


class Line(Protocol):
    """A connected ``hand``."""

    def send(self, message: dict[str, Any]) -> None: ...


class Host:
    """``peer_cut`` tells whether the peer's cable is out (nothing is heard of it then)."""

    def __init__(self, settings: NodeSettings, virtual_ip: str, peer_cut: Callable[[], bool]):
        self.settings = settings
        self.virtual_ip = virtual_ip
        self.process = NodeProcess(settings, self._process_ended)
        self.plugged = True
        self.holds = False
        self._peer_cut = peer_cut
        self._virtual: socket.socket | None = None
        self._lines: set[Line] = set()
        self._watchers: set[Line] = set()  # of a dry run: they change nothing
        self._configured: dict[str, Any] = {}
        self.clock_ahead_s = 0.0
        self._renewed_at = 0.0
        self._highest_epoch = 0
        self._told_state = "gone"
        self._peer = PeerProbe(settings.address, (settings.peer, SIP_PORT))
        self._told_peer = "unknown"
        self._beat_at = 0.0

    # --- the process ---

    async def start(self) -> None:
        """Start Asterisk; the host hands it the virtual IP when it has it."""
        await self.process.start()
        if not self.plugged:
            self.process.tell({"do": "plug", "on": False})
        self.set_clock(self.clock_ahead_s)
        self._serve_virtual()

    def _process_ended(self) -> None:
        self._drop_virtual()  # nobody serves the port now: the kernel refuses
        self._look()

    # --- the virtual IP ---

    def add(self) -> bool:
        """True when it was added, False when it was held already."""
        added, self.holds = not self.holds, True
        self._renewed_at = time.monotonic()
        if added:
            self._serve_virtual()
            self._tell_address()
        return added

    def remove(self) -> bool:
        removed, self.holds = self.holds, False
        if removed:
            self._drop_virtual()
            self.process.tell({"do": "virtual"})
            self._tell_address()
        return removed

    def _serve_virtual(self) -> None:
        """Give the process a socket on the virtual IP; keep a duplicate, to take it away even
        from a process that is stopped."""
        self._drop_virtual()
        if not self.holds or not self.plugged or self.process.state == "gone":
            return
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self.virtual_ip, SIP_PORT))
        self._virtual = sock
        self.process.tell({"do": "virtual"}, sock)

    def _drop_virtual(self) -> None:
        if self._virtual is not None:
            with contextlib.suppress(OSError):
                self._virtual.connect(NOWHERE)  # the process's duplicate is deaf from now on
            self._virtual.close()
            self._virtual = None

    def _tell_address(self) -> None:
        self._say({"event": "address", "address": self.holds, "guarded": self._armed})

    # --- the clock ---

    def set_clock(self, ahead_s: float) -> None:
        """Of the machine: Asterisk that is started again reads the same wrong time."""
        self.clock_ahead_s = ahead_s
        self.process.tell({"do": "clock", "ahead_s": ahead_s})

    # --- the cable ---

    def plug(self, on: bool) -> None:
        self.plugged = on
        self.process.tell({"do": "plug", "on": on})
        if on:
            self._serve_virtual()
        else:
            self._drop_virtual()

    @property
    def _armed(self) -> bool:
        return self.holds and bool(self._configured.get("witnesses"))

    def _guard(self) -> None:
        """The witnesses answer as long as the cable is in: only an unplugged host runs out."""
        lease_s = float(self._configured.get("lease_s", 0.0))
        if self.plugged:
            return
        if self._armed and time.monotonic() - self._renewed_at > lease_s:
            self.remove()
            words = f"heard neither the orchestrator nor anybody (the link is down) for {lease_s} s"
            self._say({"event": "gave_up_address", "why": words})

    # --- the orchestrator's hands ---

    def connect(self, line: Line) -> None:
        self._lines.add(line)

    def disconnect(self, line: Line) -> None:
        self._lines.discard(line)
        self._watchers.discard(line)

    def _say(self, message: dict[str, Any]) -> None:
        if self.plugged and self._configured:
            for line in self._lines:
                line.send(message)

    def received(self, line: Line, request: dict[str, Any]) -> None:
        """One request of the orchestrator; lost when the cable is out."""
        if not self.plugged:
            return
        answer: dict[str, Any] | None = {}
        match request.get("do"):
            case "configure":
                answer = self._configure(line, request)
            case do if line in self._watchers and do in NOT_OF_WATCHERS:
                answer = {"ok": False, "error": "nothing was changed: this agent only watches"}
            case "lease":
                stamp = min(float(request.get("stamp", 0.0)), time.monotonic())
                self._renewed_at = max(self._renewed_at, stamp)
                return
            case "ping":
                answer = {"clock": time.time()}
            case "address_add":
                answer = self._ordered_to_add(int(request["epoch"]))
            case "address_remove":
                self._highest_epoch = max(self._highest_epoch, int(request["epoch"]))
                answer = {"removed": self.remove(), "address": False}
            case "address_check":
                answer = {"address": self.holds}
            case "process_kill":
                asyncio.get_running_loop().create_task(self._kill(line, request))
                return
            case "run":
                asyncio.get_running_loop().create_task(self._run(line, request))
                return
            case unknown:
                answer = {"ok": False, "error": f"unknown request {unknown!r}"}
        line.send({"id": request.get("id"), "ok": True, **answer})

    def _ordered_to_add(self, epoch: int) -> dict[str, Any]:
        if epoch < self._highest_epoch:
            words = f"not added: epoch {epoch} is of the past, {self._highest_epoch} has come"
            return {"ok": False, "error": words}
        self._highest_epoch = epoch
        return {"added": self.add(), "address": True}

    def _configure(self, line: Line, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("watch_only"):
            self._watchers.add(line)
            self._configured = self._configured or {**request, "witnesses": []}
        else:
            self._configured = request
            self._highest_epoch = 0
            self._renewed_at = time.monotonic()
        guards = bool(request.get("witnesses")) and line not in self._watchers
        more = {"version": VERSION, "guards": guards, "kernel_events": False}
        return {**self._picture(), **more, "clock": time.time()}

    async def _kill(self, line: Line, request: dict[str, Any]) -> None:
        killed = self.process.signal(signal.SIGKILL)
        await self.process.gone()
        words = f"process {self.process.pid} is gone"
        line.send({"id": request.get("id"), "ok": True, "killed": killed, "detail": words})

    async def _run(self, line: Line, request: dict[str, Any]) -> None:
        began = time.monotonic()
        answer: dict[str, Any] = {"ok": True, "timed_out": False}
        try:
            process = await asyncio.create_subprocess_exec(
                *request["argv"],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            line.send({"id": request.get("id"), "ok": False, "error": str(error)})
            return
        try:
            limit = float(request.get("timeout_s", 10.0))
            async with asyncio.timeout(limit):
                out, err = await process.communicate()
        except TimeoutError:
            process.kill()
            out, err = await process.communicate()
            answer["timed_out"] = True
        answer |= {"exit_code": process.returncode, "took_s": time.monotonic() - began}
        texts = {"stdout": out.decode(errors="replace"), "stderr": err.decode(errors="replace")}
        line.send({"id": request.get("id"), **answer, **texts})

    # --- what is told unasked ---

    def _picture(self) -> dict[str, Any]:
        state = self.process.state
        words = {"gone": f"process {self.process.pid} is gone"}
        return {
            "process": state,
            "pid": self.process.pid,
            "detail": words.get(state, f"process {self.process.pid}"),
            "address": self.holds,
            "guarded": self._armed,
            "peer": self._peer.outcome,
        }

    def _look(self) -> None:
        state = self.process.state
        if state != self._told_state:
            self._told_state = state
            picture = self._picture()
            told = {"state": state, "pid": picture["pid"], "detail": picture["detail"]}
            self._say({"event": "process", **told})
        if self._peer.outcome != self._told_peer:
            self._told_peer = self._peer.outcome
            self._say({"event": "peer", "outcome": self._told_peer})

    async def run(self) -> None:
        """Watch the process, the peer and the lease, and send heartbeats, until cancelled."""
        await self._peer.open()
        while True:
            self._look()
            self._guard()
            now = time.monotonic()
            if self._configured:
                self._peer.every(
                    float(self._configured["peer_interval_s"]),
                    float(self._configured["peer_timeout_s"]),
                    cut=not self.plugged or self._peer_cut(),
                )
                if now - self._beat_at >= float(self._configured["heartbeat_s"]):
                    self._beat_at = now
                    beat = {"event": "alive", "clock": time.time(), "stamp": now}
                    self._say({**beat, **self._picture()})
            await asyncio.sleep(TICK_S)
