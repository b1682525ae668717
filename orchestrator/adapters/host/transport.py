"""Ways to have an agent running: a child process here, a process over SSH, a given command."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import asyncssh

from orchestrator.adapters.host.shipment import MODULES, OPTIONS
from orchestrator.core.words import Outcome
from orchestrator.errors import NotConnected

LONGEST_LINE = 1 << 20


class CannotStart(NotConnected):
    """The agent cannot be started; ``outcome`` is what that says of the host."""

    def __init__(self, outcome: Outcome, words: str) -> None:
        super().__init__(words)
        self.outcome = outcome


class Channel(Protocol):
    """A running agent: lines in, lines out."""

    async def readline(self) -> bytes:
        """The next line; empty when the agent or the way to it is gone."""

    def write(self, data: bytes) -> None:
        """Send; never waits."""

    async def last_words(self) -> str:
        """What the agent wrote to stderr, for the operator."""

    def close(self) -> None:
        """End it now; it leaves the address as it is."""

    async def ended(self) -> None:
        """After ``close``: waits until nothing of it is left here."""


class Transport(Protocol):
    async def open(self) -> Channel:
        """Start an agent; ``CannotStart`` when that fails. The caller sets the deadline."""


class _ChildChannel:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin and process.stdout and process.stderr
        self._process = process
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr

    async def readline(self) -> bytes:
        return await self._stdout.readline()

    def write(self, data: bytes) -> None:
        self._stdin.write(data)

    async def last_words(self) -> str:
        return (await self._stderr.read(4096)).decode(errors="replace").strip()

    def close(self) -> None:
        self._stdin.close()

    async def ended(self) -> None:
        await self._process.wait()


@dataclass(frozen=True, slots=True)
class CommandTransport:
    """A local command that speaks the agent's lines; ``first`` is what it reads before them."""

    argv: tuple[str, ...]
    first: bytes = b""

    async def open(self) -> Channel:
        try:
            process = await asyncio.create_subprocess_exec(
                *self.argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=LONGEST_LINE,
                start_new_session=True,  # Ctrl-C at the orchestrator is not meant for it
            )
        except OSError as error:
            raise CannotStart(
                Outcome.DENIED, f"cannot start the host agent {self.argv[0]}: {error}"
            ) from error
        channel = _ChildChannel(process)
        channel.write(self.first)
        return channel


def local_transport(*before: str) -> CommandTransport:
    """The agent for the host that the orchestrator itself runs on.

    ``before``: what comes before ``python3``, as ``ip netns exec NAME`` does.
    """
    return CommandTransport((*before, sys.executable, *OPTIONS), MODULES)


class _SshChannel:
    def __init__(
        self, connection: asyncssh.SSHClientConnection, process: asyncssh.SSHClientProcess[bytes]
    ) -> None:
        self._connection = connection
        self._process = process

    async def readline(self) -> bytes:
        try:
            return await self._process.stdout.readline()
        except (asyncssh.Error, OSError):
            return b""

    def write(self, data: bytes) -> None:
        with contextlib.suppress(asyncssh.Error, OSError):
            self._process.stdin.write(data)

    async def last_words(self) -> str:
        with contextlib.suppress(asyncssh.Error, OSError):
            return (await self._process.stderr.read(4096)).decode(errors="replace").strip()
        return ""

    def close(self) -> None:
        self._connection.abort()

    async def ended(self) -> None:
        await self._connection.wait_closed()


@dataclass(frozen=True, slots=True)
class SshTransport:
    """The agent on another host: its modules go down the pipe, nothing is installed there."""

    host: str
    username: str
    key_file: Path
    known_hosts: Path
    port: int = 22
    python: str = "python3"

    async def open(self) -> Channel:
        try:
            connection = await self._connect()
        except asyncssh.ConnectionLost as error:
            raise CannotStart(
                Outcome.SILENT, f"SSH to {self.host} port {self.port} broke off: {error}"
            ) from error
        except (asyncssh.DisconnectError, asyncssh.KeyImportError) as error:
            raise CannotStart(
                Outcome.DENIED,
                f"SSH to {self.username}@{self.host} port {self.port} is refused: {error}; check "
                f"the key {self.key_file} and the host key in {self.known_hosts}",
            ) from error
        except ConnectionRefusedError as error:
            raise CannotStart(
                Outcome.REFUSED, f"no SSH server listens on {self.host} port {self.port}"
            ) from error
        except OSError as error:
            raise CannotStart(
                Outcome.SILENT, f"no SSH to {self.host} port {self.port}: {error}"
            ) from error
        return await self._start(connection)

    async def _connect(self) -> asyncssh.SSHClientConnection:
        return await asyncssh.connect(
            self.host,
            self.port,
            username=self.username,
            client_keys=[str(self.key_file)],
            known_hosts=str(self.known_hosts),
            config=[],  # nobody's ~/.ssh/config decides how a failover goes
            agent_path=None,
            preferred_auth="publickey",
            compression_algs=None,
            keepalive_interval=0,  # the agent's heartbeats are the keepalive
        )

    async def _start(self, connection: asyncssh.SSHClientConnection) -> Channel:
        try:
            process = await connection.create_process(
                f"exec {self.python} {shlex.join(OPTIONS)}", encoding=None
            )
        except (asyncssh.Error, OSError) as error:
            connection.abort()
            raise CannotStart(
                Outcome.DENIED, f"{self.host} lets us log in but starts no command: {error}"
            ) from error
        except asyncio.CancelledError:
            connection.abort()
            raise
        process.stdin.write(MODULES)
        return _SshChannel(connection, process)
