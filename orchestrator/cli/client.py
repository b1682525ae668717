"""The command line's end of the control socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

ANSWER_S = 10.0


class NotRunning(Exception):
    """Nobody answers; the message says what to do."""


def control_socket(config: Path) -> Path:
    """Where the service listens; the socket itself may be named too. Reads nothing else of the
    file: ``status`` must work for people who may not read the secrets, and while somebody is in
    the middle of editing.
    """
    try:
        if config.is_socket():
            return config
        loaded = yaml.safe_load(config.read_text(encoding="utf-8"))
        if "socket" in loaded:
            return config.parent / Path(str(loaded["socket"])).expanduser()
        return config.parent / Path(str(loaded["state_dir"])).expanduser() / "control.sock"
    except OSError as error:
        raise NotRunning(
            f"The configuration {config} cannot be read ({error.strerror}). Name it with --config "
            "or in ASTERISK_ORCHESTRATOR_CONFIG."
        ) from error
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise NotRunning(
            f"{config} does not say where the service listens (state_dir or socket). "
            f"Look at: asterisk-orchestrator check -c {config}"
        ) from error


class Client:
    """One conversation with the service."""

    def __init__(self, path: Path) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(ANSWER_S)
        try:
            self._sock.connect(str(path))
        except PermissionError as error:
            raise NotRunning(
                f"You may not talk to the service on {path}. Use sudo, or join the socket's group."
            ) from error
        except OSError as error:
            raise NotRunning(
                f"The orchestrator is not running: nobody answers on {path} "
                f"({error.strerror or error}). Nothing was done. "
                "See: systemctl status asterisk-orchestrator; journalctl -u asterisk-orchestrator"
            ) from error
        self._lines = self._sock.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.close()
        self._sock.close()

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        """One request and its answer."""
        self._send(do, arguments)
        return self._receive()

    def watch(self) -> Iterator[dict[str, Any]]:
        """Statuses as they change, until the service goes."""
        self._send("watch", {})
        while True:
            yield self._receive()

    def _send(self, do: str, arguments: dict[str, object]) -> None:
        self._sock.sendall(json.dumps({"do": do, **arguments}).encode() + b"\n")

    def _receive(self) -> dict[str, Any]:
        try:
            line = self._lines.readline()
        except TimeoutError as error:
            raise NotRunning(
                f"The orchestrator did not answer within {ANSWER_S:g} s; it may be overloaded or "
                "its disk hangs. Whether the order was taken shows in status and history."
            ) from error
        except OSError:
            line = b""
        if not line:
            raise NotRunning("The orchestrator ended while we were talking to it.")
        answer: dict[str, Any] = json.loads(line)
        return answer
