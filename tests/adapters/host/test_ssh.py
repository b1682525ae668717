"""The agent over a real sshd."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.adapters.host import HostLink, SshTransport
from orchestrator.core.events import Event, Observed
from orchestrator.core.words import Observer, Outcome
from orchestrator.errors import NotConnected
from tests.adapters.host.conftest import Connect
from tests.adapters.host.places import Cable, Events, FakeAsterisk, needs_root, settings

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"

pytestmark = [
    pytest.mark.root,
    needs_root,
    pytest.mark.skipif(not Path(SSHD).exists(), reason="needs sshd: package openssh-server"),
]


class Sshd:
    """An sshd of our own on a free port of 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("host", "user", "stranger"):
            argv = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
            subprocess.run(argv, check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        words = (folder / "host.pub").read_text()
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {words}")
        Path("/run/sshd").mkdir(exist_ok=True)
        self.start()

    def start(self) -> None:
        options = {
            "ListenAddress": "127.0.0.1",
            "HostKey": self.folder / "host",
            "AuthorizedKeysFile": self.folder / "user.pub",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PermitRootLogin": "yes",
        }
        argv = [SSHD, "-D", "-f", "/dev/null", "-p", str(self.port)]
        for key, value in options.items():
            argv += ["-o", f"{key}={value}"]
        self.process = subprocess.Popen(argv, stderr=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError("sshd does not listen")

    def stop(self) -> None:
        """End sshd and the sessions it has."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for pid in children.read_text().split() if children.exists() else ():
            os.kill(int(pid), signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def way(self, cable: Cable, key: str = "user") -> SshTransport:
        python = " ".join(cable.inside("python3"))
        keys = (self.folder / key, self.known_hosts)
        return SshTransport("127.0.0.1", "root", *keys, port=self.port, python=python)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    server = Sshd(tmp_path)
    yield server
    server.stop()


def host_says(outcome: Outcome, words: str = "") -> object:
    def fits(event: Event) -> bool:
        return (
            isinstance(event, Observed)
            and (event.observer, event.outcome) == (Observer.HOST, outcome)
            and words in event.detail
        )

    return fits


async def test_address_moves_over_ssh(
    cable: Cable, asterisk: FakeAsterisk, sshd: Sshd, connect: Connect
) -> None:
    client = await connect(settings(asterisk.pidfile), sshd.way(cable), Events())
    await client.address_add(1)
    assert cable.holds()
    assert await client.run(("echo", "a b"), 5) == "a b\n"
    await client.address_remove(1)
    assert not cable.holds()


async def test_comes_back_when_the_connection_broke(
    cable: Cable, asterisk: FakeAsterisk, sshd: Sshd, connect: Connect
) -> None:
    events = Events()
    client = await connect(settings(asterisk.pidfile), sshd.way(cable), events)
    await client.address_add(1)
    await asyncio.to_thread(sshd.stop)
    await events.until(host_says(Outcome.REFUSED))  # type: ignore[arg-type]
    with pytest.raises(NotConnected, match="was not sent"):
        await client.address_check()
    assert cable.holds()
    await asyncio.to_thread(sshd.start)
    await events.until(host_says(Outcome.ANSWERS))  # type: ignore[arg-type]
    assert await client.address_check()


@pytest.mark.parametrize("broken", ["key", "host key"])
async def test_says_what_is_wrong_with_the_keys(
    cable: Cable, asterisk: FakeAsterisk, sshd: Sshd, broken: str
) -> None:
    if broken == "host key":
        words = (sshd.folder / "stranger.pub").read_text()
        sshd.known_hosts.write_text(f"[127.0.0.1]:{sshd.port} {words}")
    way = sshd.way(cable, "stranger" if broken == "key" else "user")
    events = Events()
    running = asyncio.create_task(HostLink(settings(asterisk.pidfile), way, events).run())
    await events.until(host_says(Outcome.DENIED, "known_hosts"))  # type: ignore[arg-type]
    running.cancel()


async def test_says_when_there_is_no_python(
    cable: Cable, asterisk: FakeAsterisk, sshd: Sshd
) -> None:
    keys = (sshd.folder / "user", sshd.known_hosts)
    way = SshTransport("127.0.0.1", "root", *keys, port=sshd.port, python="python-none")
    events = Events()
    running = asyncio.create_task(HostLink(settings(asterisk.pidfile), way, events).run())
    await events.until(host_says(Outcome.DENIED, "python-none"))  # type: ignore[arg-type]
    running.cancel()
