"""The simulated lab: the API of the real one (contrib/lab), without root and without Asterisk.

>>> with Lab.up(name="trial") as lab:
...     lab.node("a").kill()
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from orchestrator.simulator.configuration import configuration
from orchestrator.simulator.parts import LabError, Node, Provider
from orchestrator.simulator.settings import HOSTS, NodeSettings

PROJECT = Path(__file__).resolve().parent.parent.parent
PROFILES = ("normal", "fast")
UP_S = 30.0
MAX_LABS = 200


def base() -> Path:
    """Where the simulated labs of this user live."""
    path = Path(tempfile.gettempdir()) / f"asterisk-orchestrator-simulator-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.stat().st_uid != os.getuid():
        raise LabError(f"{path} belongs to somebody else; nothing was started. Set TMPDIR.")
    return path


def names() -> list[str]:
    return sorted(path.parent.name for path in base().glob("*/simulator.json"))


class Lab:
    """A lab that is up. `Lab.up()` makes one, `Lab.load()` finds one; `down()` removes it."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.directory = base() / name
        self.virtual_ip = self.address("vip")
        self.config_path = self.directory / "orchestrator.yaml"
        self.nodes = {place: Node(self, place) for place in ("a", "b")}
        self.provider = Provider(self)

    @classmethod
    def up(cls, name: str = "lab", profile: str = "fast") -> Lab:
        """Makes a lab and returns when pbx-a serves the virtual IP and holds the trunk."""
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
            raise LabError(
                f"'{name}' can't name a lab: small letters, digits and '-', a letter first."
            )
        if profile not in PROFILES:
            raise LabError(f"There is no profile '{profile}': {' or '.join(PROFILES)}.")
        with _reserved() as number:
            lab = cls(name, number)
            if lab.directory.exists():
                raise LabError(
                    f"A simulated lab '{name}' is there already: nothing was changed. "
                    "Take it down or give another name."
                )
            lab.directory.mkdir()
            lab._write(profile)
        try:
            lab._start()
        except BaseException:
            lab.down()
            raise
        return lab

    @classmethod
    def load(cls, name: str = "lab") -> Lab:
        """The lab of that name, made by this or another process."""
        try:
            text = (base() / name / "simulator.json").read_text(encoding="utf-8")
            return cls(name, int(json.loads(text)["number"]))
        except (OSError, ValueError, KeyError) as error:
            there = ", ".join(names()) or "none"
            raise LabError(f"There is no simulated lab '{name}' (up: {there}).") from error

    def _write(self, profile: str) -> None:
        keys = {name: secrets.token_hex(12) for name in ("ami", "ari", "trunk")}
        for name in ("ami", "ari"):
            path = self.directory / f"{name}.secret"
            path.touch(mode=0o600)
            path.write_text(keys[name] + "\n", encoding="utf-8")
        places = {
            place: NodeSettings(
                kind="provider" if place == "trunk" else "node",
                name="provider" if place == "trunk" else f"pbx-{place}",
                address=self.address(place),
                peer=self.address({"a": "b", "b": "a"}.get(place, "trunk")),
                provider=self.address("trunk"),
                client=self.address("client"),
                directory=str(self.directory / place),
                ami_secret=keys["ami"],
                ari_secret=keys["ari"],
                trunk_secret=keys["trunk"],
            )
            for place in ("a", "b", "trunk")
        }
        plan = {"number": self.number, "virtual_ip": self.virtual_ip}
        told = {place: asdict(one) for place, one in places.items()}
        for one in places.values():
            Path(one.directory).mkdir()
        path = self.directory / "simulator.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({**plan, "places": told}), encoding="utf-8")
        text = configuration(self.name, self.number, self.directory, profile, PROJECT)
        self.config_path.write_text(text, encoding="utf-8")

    def _start(self) -> None:
        log = self.directory / "controller.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator.simulator.controller", str(self.directory)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=PROJECT,
                start_new_session=True,
            )
        (self.directory / "controller.pid").write_text(f"{process.pid}\n", encoding="utf-8")
        deadline = time.monotonic() + UP_S
        while time.monotonic() < deadline and process.poll() is None:
            if (self.directory / "control").exists():
                return
            time.sleep(0.02)
        process.terminate()
        words = log.read_text(encoding="utf-8", errors="replace").strip()[-2000:]
        raise LabError(f"The simulated pair did not come up; nothing is left of it. {words}")

    def down(self) -> None:
        """Ends what the lab started and removes its directory."""
        with contextlib.suppress(LabError):
            self.ask({"do": "down"})
        pid = self._controller()
        deadline = time.monotonic() + 5.0
        while pid and self._controller() and time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            time.sleep(0.02)
        if pid and self._controller():
            os.kill(pid, signal.SIGKILL)  # its nodes die with it (PR_SET_PDEATHSIG)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _controller(self) -> int:
        """The controller's pid while it is that very process, otherwise 0."""
        try:
            pid = int((self.directory / "controller.pid").read_text(encoding="utf-8"))
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return 0
        return pid if str(self.directory).encode() in command else 0

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()

    # -- looking and moving

    def address(self, place: str) -> str:
        """Of `a`, `b`, `trunk`, `client`, `ctl` or `vip`."""
        return f"127.77.{self.number}.{HOSTS[place]}"

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """One order to the controller; LabError when it refuses or does not answer."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(UP_S)
            try:
                sock.connect(str(self.directory / "control"))
                sock.sendall(json.dumps(order).encode() + b"\n")
                with sock.makefile("rb") as file:
                    line = file.readline()
            except OSError as error:
                raise LabError(
                    f"The simulated lab '{self.name}' does not answer: {error}"
                ) from error
        answer: dict[str, Any] = json.loads(line) if line else {"error": "it ended"}
        if "error" in answer:
            raise LabError(f"The simulated lab '{self.name}' refused: {answer['error']}")
        return answer

    def node(self, which: str) -> Node:
        """By place (`a`) or name (`pbx-a`)."""
        place = which.removeprefix("pbx-")
        if place not in self.nodes:
            raise LabError(f"There is no node '{which}': a or b.")
        return self.nodes[place]

    def vip_holders(self) -> tuple[str, ...]:
        return tuple(self.ask({"do": "status"})["virtual_ip_holders"])

    def vip_holder(self) -> str | None:
        """`a` or `b`, None when nobody has the virtual IP; LabError when both have it."""
        holders = self.vip_holders()
        if len(holders) > 1:
            raise LabError(f"Both nodes have the virtual IP {self.virtual_ip}.")
        return holders[0] if holders else None

    def move_vip(self, to: str | None) -> None:
        """Moves the virtual IP by hand; None takes it away from both."""
        self.ask({"do": "vip", "to": to})

    def status(self) -> dict[str, Any]:
        """The lab in a few facts, ready for JSON; the keys of the real lab's status."""
        told = self.ask({"do": "status"})
        places = {node.address: node.place for node in self.nodes.values()}
        registered = told["provider"]["registered"]
        return {
            "name": self.name,
            "directory": str(self.directory),
            "asterisk": "simulated",
            "mode": "overlap",
            "virtual_ip": self.virtual_ip,
            "virtual_ip_holders": told["virtual_ip_holders"],
            "nodes": {
                node.name: {"address": node.address, **told["nodes"][place]}
                for place, node in self.nodes.items()
            },
            "provider": {
                "address": self.provider.address,
                "asterisk": told["provider"]["asterisk"],
                "sends_calls_to": places.get(registered or "", registered),
            },
            "client": self.address("client"),
            "ctl": self.address("ctl"),
            "config": str(self.config_path),
        }

    # -- running things in its places (all on this machine's loopback)

    def run_in(
        self, place: str, argv: Sequence[str], *, check: bool = True, timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        return subprocess.run(argv, check=check, timeout=timeout_s, capture_output=True, text=True)

    def popen_in(self, place: str, argv: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Starts a command (text mode; this project importable)."""
        environment = {**os.environ, **options.pop("env", {})}
        environment["PYTHONPATH"] = f"{PROJECT}:{environment.get('PYTHONPATH', '')}".rstrip(":")
        return subprocess.Popen(list(argv), text=True, env=environment, **options)

    def popen_python(
        self, place: str, argv: Sequence[str], **options: Any
    ) -> subprocess.Popen[str]:
        """Starts this Python, e.g. ["-m", "contrib.lab.prober", …]."""
        return self.popen_in(place, [sys.executable, *argv], **options)


@contextlib.contextmanager
def _reserved() -> Iterator[int]:
    """A free lab number: not taken by a lab of ours, its addresses free of other servers."""
    with (base() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        taken = {Lab.load(name).number for name in names()}
        yield next(n for n in range(1, MAX_LABS) if n not in taken and _free(f"127.77.{n}.11"))


def _free(address: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((address, 5060))
        except OSError:
            return False
        return True
