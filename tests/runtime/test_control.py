"""The control socket: who may talk, what is answered, and what garbage does."""

from __future__ import annotations

import getpass
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.events import MoveRequested, ProbeRequested
from orchestrator.core.words import MoveKind
from orchestrator.errors import ConfigError, JournalError
from orchestrator.runtime.control import _listen
from tests.runtime.service import Service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path) as running:
        yield running


def talk(service: Service, *lines: bytes) -> list[dict[str, object]]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(service.socket))
        answers = sock.makefile("rb")
        got = []
        for line in lines:
            sock.sendall(line + b"\n")
            got.append(json.loads(answers.readline()))
        return got


def ask(service: Service, **request: object) -> dict[str, object]:
    return talk(service, json.dumps(request).encode())[0]


def test_the_socket_is_for_owner_and_group_only(service: Service) -> None:
    assert stat.S_IMODE(service.socket.stat().st_mode) == 0o660


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
def test_a_stranger_cannot_connect(service: Service) -> None:
    for path in (service.socket.parent, *service.socket.parent.parents):
        if path.stat().st_uid == 0 and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o011)  # only the socket's own mode is tested
    code = "import os,socket,sys; os.setgid(65534); os.setuid(65534); socket.socket(socket.AF_UNIX).connect(sys.argv[1])"  # noqa: E501
    done = subprocess.run(
        [sys.executable, "-c", code, str(service.socket)], capture_output=True, check=False
    )
    assert b"PermissionError" in done.stderr


def test_an_order_carries_the_operators_name_from_the_socket(service: Service) -> None:
    answer = ask(service, do="switchover", at_most_s=600, reason="kernel", by="mallory")
    assert answer["ok"] is False, "keys that an order has not got are refused"
    answer = ask(service, do="switchover", at_most_s=600, reason="kernel")
    assert answer == {"ok": True, "says": "It begins.", "move": 7}
    assert service.core.seen == [
        MoveRequested(
            MoveKind.SWITCHOVER, f"operator {getpass.getuser()}", "kernel", at_most_s=600.0
        )
    ]


def test_a_second_move_is_refused_with_the_reason(service: Service) -> None:
    ask(service, do="switchover")
    assert ask(service, do="failback") == {
        "ok": False, "says": "A move is in progress.", "move": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    "request_",
    [
        {"do": "switchover", "at_most_s": "soon"},
        {"do": "switchover", "at_most_s": -1},
        {"do": "extend"},
        {"do": "extend", "seconds": 0},
        {"do": "failover", "force": "yes"},
        {"do": "hold", "for_s": float("inf")},
        {"do": "failover", "evacuate": True},
        {"do": "probe"},
        {"do": "probe", "endpoints": []},
        {"do": "probe", "endpoints": [1001]},
        {"do": "probe", "endpoints": "1001"},
        {"do": "no-such"},
        {},
    ],
)
def test_what_makes_no_sense_is_refused_and_does_nothing(
    service: Service, request_: dict[str, object]
) -> None:
    answer = ask(service, **request_)
    assert answer["ok"] is False
    assert answer["says"]
    assert service.core.seen == []


def test_calls_can_be_carried_over_and_phones_be_tried(service: Service) -> None:
    assert ask(service, do="switchover", evacuate=True)["ok"] is True
    assert ask(service, do="probe", endpoints=["1001", "1002", "1001"])["ok"] is True
    move, probe = service.core.seen
    assert isinstance(move, MoveRequested) and move.evacuate
    assert isinstance(probe, ProbeRequested) and probe.endpoints == ("1001", "1002")
    assert probe.by == f"operator {getpass.getuser()}"


def test_phones_without_a_known_active_say_so(service: Service) -> None:
    answer = ask(service, do="phones")
    assert answer["phones"] == [] and "not known which node is active" in str(answer["says"])


def test_garbage_is_answered_and_the_next_line_is_served(service: Service) -> None:
    first, second, third = talk(service, b"{garbage", b"[1]", b'{"do": "status"}')
    assert first["ok"] is second["ok"] is False
    assert third["ok"] is True


def test_an_endless_line_harms_nobody(service: Service) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(service.socket))
        try:
            for _ in range(64):
                sock.sendall(b"x" * 65536)
            assert sock.recv(100) == b""
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert ask(service, do="status")["ok"] is True


def test_history_tells_what_happened(service: Service) -> None:
    ask(service, do="hold", reason="cabling")
    lines = ask(service, do="history")["lines"]
    assert isinstance(lines, list)
    assert "cabling" in lines[-1]["text"]
    assert lines[-1]["severity"] == "info"


def test_watch_streams_until_the_move_has_ended(service: Service) -> None:
    ask(service, do="switchover")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(service.socket))
        sock.sendall(b'{"do": "watch"}\n')
        phases, texts = [], []
        for line in sock.makefile("rb"):
            update = json.loads(line)
            phases.append(update["status"]["phase"])
            texts += [told["text"] for told in update["lines"]]
            if any("so it ended" in text for text in texts):
                break
    assert phases[0] == "draining"
    assert phases[-1] == "steady"


def test_a_stale_socket_is_replaced_and_a_living_one_is_not(
    tmp_path: Path, service: Service
) -> None:
    stale = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(stale))
    _listen(stale).close()
    with pytest.raises(JournalError, match="Another orchestrator answers"):
        _listen(service.socket)
    assert ask(service, do="status")["ok"] is True


def test_no_socket_where_anybody_may_write(tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    with pytest.raises(ConfigError, match="anybody may write"):
        _listen(open_to_all / "control.sock")


def test_a_file_in_the_sockets_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "control.sock").write_text("mine")
    with pytest.raises(ConfigError, match="is not a socket"):
        _listen(tmp_path / "control.sock")
    assert (tmp_path / "control.sock").read_text() == "mine"


def test_the_socket_is_gone_after_a_stop(tmp_path: Path) -> None:
    with Service(tmp_path) as running:
        assert running.socket.exists()
    assert not running.socket.exists()
