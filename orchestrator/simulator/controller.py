"""The process that has the simulated pair: starts nodes and provider, does faults, answers.

``python -m orchestrator.simulator.controller DIRECTORY``. One JSON object a line on the Unix socket
``control`` in that directory: an order and its answer, or ``hand``, after which the connection
carries host agent lines. When it ends, everything it started ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from orchestrator.simulator.host import Host
from orchestrator.simulator.process import NodeProcess
from orchestrator.simulator.settings import NodeSettings

SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "continue": signal.SIGCONT}
BOOT_S = 20.0


class Controller:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        plan = json.loads((directory / "simulator.json").read_text(encoding="utf-8"))
        settings = {place: NodeSettings(**one) for place, one in plan["places"].items()}
        self.hosts = {
            "a": Host(settings["a"], plan["virtual_ip"], lambda: not self.hosts["b"].plugged),
            "b": Host(settings["b"], plan["virtual_ip"], lambda: not self.hosts["a"].plugged),
        }
        self.provider = NodeProcess(settings["trunk"], lambda: None)
        self.provider_on = True
        self.over = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.over.set)
        watches = [loop.create_task(host.run()) for host in self.hosts.values()]
        self.hosts["a"].add()
        path = str(self.directory / "control")
        try:
            await asyncio.gather(
                self.provider.start(), *(host.start() for host in self.hosts.values())
            )
            await self._give_trunk_to_a()
            server = await asyncio.start_unix_server(self._serve, path)
            async with server:
                await self.over.wait()
        finally:
            for watch in watches:
                watch.cancel()
            await self._end_all()

    async def _give_trunk_to_a(self) -> None:
        """Both registered when they started: a registration can't be configured to start off."""
        deadline = time.monotonic() + BOOT_S
        a, b = self.hosts.values()
        await self._until(b, "Registered", deadline)
        b.process.tell({"do": "trunk", "on": False})
        await self._until(b, "Unregistered", deadline)
        a.process.tell({"do": "trunk", "on": True})
        await self._until(a, "Unregistered", deadline)
        await self._until(a, "Registered", deadline)

    async def _until(self, host: Host, trunk: str, deadline: float) -> None:
        """Wait until the node has booted and, when ``trunk`` is given, its trunk is that."""
        process = host.process
        while time.monotonic() < deadline:
            facts = await process.facts()
            if facts and facts["booted"] and trunk in ("", facts["trunk"]):
                return
            if process.state == "gone":
                break
            await asyncio.sleep(0.02)
        log = Path(process.settings.directory) / "node.log"
        words = f"{host.settings.name} did not come up (its trunk was to be {trunk}): see {log}."
        raise SystemExit(words)

    async def _end_all(self) -> None:
        processes = [self.provider, *(host.process for host in self.hosts.values())]
        for process in processes:
            process.signal(signal.SIGKILL)
        for process in processes:
            await process.gone()

    # --- the control socket ---

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                order = json.loads(line)
                if order.get("do") == "hand":
                    await self._be_hand(self._host(order["node"]), reader, writer)
                    return
                writer.write(json.dumps(await self._obey(order)).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):
            pass  # the client is gone, or is no client
        finally:
            writer.close()

    def _host(self, name: str) -> Host:
        return self.hosts[name.removeprefix("pbx-")]

    async def _be_hand(
        self, host: Host, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        hand = _Hand(writer)
        host.connect(hand)
        try:
            while line := await reader.readline():
                with contextlib.suppress(ValueError):
                    host.received(hand, json.loads(line))
        finally:
            host.disconnect(hand)

    async def _obey(self, order: dict[str, Any]) -> dict[str, Any]:
        match order.get("do"):
            case "status":
                return await self._status()
            case "fault":
                return await self._fault(order["what"], order["node"])
            case "clock":
                self._host(order["node"]).set_clock(order["ahead_s"])
                return {"at": time.time()}
            case "trunk":
                return await self._trunk(order["what"])
            case "vip":
                for place, host in self.hosts.items():
                    if place != order["to"]:
                        host.remove()
                if order["to"]:
                    self.hosts[order["to"]].add()
                return {"at": time.time()}
            case "down":
                self.over.set()
                return {"at": time.time()}
        return {"error": f"unknown order {order.get('do')!r}"}

    async def _fault(self, what: str, node: str) -> dict[str, Any]:
        host, at = self._host(node), time.time()
        if what in SIGNALS:
            if not host.process.signal(SIGNALS[what]):
                return {"error": f"Asterisk of {host.settings.name} is not running."}
            if what == "kill":
                await host.process.gone()
        elif what == "start":
            await host.start()
            await self._until(host, "", time.monotonic() + BOOT_S)
        elif what in ("ari-off", "ari-on"):
            host.process.tell({"do": "ari", "on": what == "ari-on"})
        else:
            host.plug(what == "plug")
        return {"at": at}

    async def _trunk(self, what: str) -> dict[str, Any]:
        at = time.time()
        self.provider_on = what != "off"
        self.provider.tell({"do": "plug", "on": self.provider_on})
        if what != "off":
            self.provider.tell({"do": "reject", "on": what == "reject"})
        return {"at": at}

    async def _status(self) -> dict[str, Any]:
        nodes = {}
        for place, host in self.hosts.items():
            facts = await host.process.facts() or {}
            state = host.process.state
            nodes[place] = {
                "asterisk": state,
                "pid": host.process.pid if state != "gone" else None,
                "trunk": facts.get("trunk", "unknown"),
                "calls": facts.get("calls"),
                "plugged": host.plugged,
            }
        provider = await self.provider.facts() or {}
        return {
            "virtual_ip_holders": [place for place, host in self.hosts.items() if host.holds],
            "nodes": nodes,
            "provider": {
                "asterisk": self.provider.state,
                "registered": provider.get("customer") if self.provider_on else None,
            },
        }


class _Hand:
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def send(self, message: dict[str, Any]) -> None:
        if not self._writer.is_closing():
            self._writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")


if __name__ == "__main__":
    asyncio.run(Controller(Path(sys.argv[1])).run())
