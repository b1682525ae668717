"""The Unix socket of the command line: JSON lines, guarded by the socket file's permissions.

One request a line, one answer a line; ``watch`` answers with a status at every change until the
client goes. Who asks is read from the socket itself (SO_PEERCRED), not from what it says.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import pwd
import socket
import stat
import struct
from pathlib import Path
from typing import Any

from orchestrator.errors import ConfigError, JournalError
from orchestrator.runtime.desk import ORDERS, Desk
from orchestrator.runtime.journal import Entry, Line

log = logging.getLogger(__name__)

MODE = 0o660  # the service's user and group
LINE_LIMIT = 64 * 1024
WATCH_MIN_S = 0.1  # no faster than people read
WATCH_MAX_S = 0.5  # durations on the screen go on, even when nothing happens
HISTORY_MAX = 10_000


class ControlServer:
    """Listens on the socket and hands requests to the desk."""

    def __init__(self, path: Path, desk: Desk) -> None:
        self._path = path
        self._desk = desk
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to listen. Raises ConfigError when the place is not a safe or free one."""
        sock = _listen(self._path)
        self._server = await asyncio.start_unix_server(self._serve, sock=sock, limit=LINE_LIMIT)

    async def stop(self) -> None:
        """Stop listening, end all conversations, remove the socket."""
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            await self._talk(reader, writer, _peer_name(writer))
        except (ConnectionError, asyncio.CancelledError):
            pass
        except ValueError:
            log.warning("A client of the control socket sent an endless line and was cut off.")
        finally:
            self._clients.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, by: str
    ) -> None:
        while line := await reader.readline():
            try:
                request = json.loads(line)
            except ValueError:
                request = None
            if not isinstance(request, dict):
                await _send(writer, {"ok": False, "says": "One JSON object a line, please."})
            elif request.get("do") == "watch":
                await self._watch(reader, writer)
                return
            elif request.get("do") == "reload":
                await _send(writer, await self._desk.reload(by))
            else:
                await _send(writer, self._answer(request, by))

    def _answer(self, request: dict[str, Any], by: str) -> dict[str, Any]:
        what = request.get("do")
        if what in ORDERS:
            answer = self._desk.order(request, by)
            log.info("%s asked: %s. Answer: %s", by, what, answer["says"])
            return answer
        if what == "status":
            return {"ok": True, "status": self._desk.status()}
        if what == "phones":
            return {"ok": True, **self._desk.phones()}
        if what == "names":
            return {"ok": True, **self._desk.names()}
        if what == "try":
            return self._desk.attempt(str(request.get("expression") or ""))
        if what == "metrics":
            return {"ok": True, "text": self._desk.metrics()}
        if what == "history":
            limit = request.get("limit", 50)
            limit = limit if isinstance(limit, int) and 0 < limit <= HISTORY_MAX else 50
            return {"ok": True, "lines": self._desk.history(limit)}
        if what == "explain":
            return {"ok": True, "lines": self._desk.explain(str(request.get("rule") or ""))}
        return {"ok": False, "says": f"There is no request '{what}'."}

    async def _watch(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        changed = asyncio.Event()
        told: list[Line] = []

        def listen(entry: Entry) -> None:
            told.extend(entry.lines)
            if entry.lines:
                changed.set()

        gone = asyncio.create_task(reader.read())
        self._desk.loop.on_step.append(listen)
        try:
            while not gone.done():
                lines = [{"severity": line.severity, "text": line.text} for line in told]
                told.clear()
                changed.clear()
                await _send(writer, {"status": self._desk.status(), "lines": lines})
                await asyncio.sleep(WATCH_MIN_S)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(WATCH_MAX_S):
                        await changed.wait()
        finally:
            self._desk.loop.on_step.remove(listen)
            gone.cancel()


async def _send(writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
    writer.write(json.dumps(answer).encode() + b"\n")
    await writer.drain()


def _peer_name(writer: asyncio.StreamWriter) -> str:
    sock: socket.socket = writer.get_extra_info("socket")
    packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", packed)
    try:
        return f"operator {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"operator uid {uid}"


def _listen(path: Path) -> socket.socket:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        if path.parent.stat().st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
            raise ConfigError(
                [f"{path.parent}: anybody may write here and take the control socket's place; "
                 "nothing was started. Set socket to a directory of the service's own."]
            )  # fmt: skip
        _remove_stale(path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o777 & ~MODE)
        try:
            sock.bind(str(path))
        finally:
            os.umask(before)
    except OSError as error:
        raise ConfigError([f"{path}: cannot listen for the command line: {error}"]) from error
    return sock


def _remove_stale(path: Path) -> None:
    """A socket file that nobody listens on is left over from a crash."""
    if not path.exists():
        return
    if not path.is_socket():
        raise ConfigError([f"{path}: is not a socket; it was left alone, nothing was started"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise JournalError(
        f"Another orchestrator answers on {path}. Nothing was started. A dry run beside the service"
        " needs a configuration file of its own with another state_dir (and socket, where set)."
    )
