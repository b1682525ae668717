"""The agent by itself: its lines, its watch over the process, its commands."""

from __future__ import annotations

import ast
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.adapters.host import bootstrap
from orchestrator.adapters.host.agent.loop import LONGEST_TURN_S, Loop
from orchestrator.adapters.host.agent.peer import PeerProbe
from orchestrator.adapters.host.agent.process import Process
from orchestrator.adapters.host.agent.process_events import KernelEvents
from orchestrator.adapters.host.agent.run import OUTPUT_TAIL
from orchestrator.adapters.host.shipment import FOLDER, MODULES, OPTIONS
from tests.adapters.host.places import FakeAsterisk


class Talk:
    """An agent as a child, spoken to line by line."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            (sys.executable, *OPTIONS), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.write(MODULES)

    def write(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        assert self.process.stdout
        message: dict[str, Any] = json.loads(self.process.stdout.readline())
        return message

    def ask(self, do: str, **fields: object) -> dict[str, Any]:
        self.write(json.dumps({"id": 7, "do": do, **fields}).encode() + b"\n")
        return self.read()


@pytest.fixture
def talk() -> Iterator[Talk]:
    talk = Talk()
    yield talk
    talk.process.kill()
    talk.process.communicate()


def turn_until(loop: Loop, true: Callable[[], bool], within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it never came"
        loop.turn()


@pytest.mark.parametrize(
    "path", [Path(bootstrap.__file__), *sorted(FOLDER.glob("*.py"))], ids=lambda path: path.stem
)
def test_runs_on_old_pythons(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 6))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        for name in names:
            assert name.split(".")[0] in sys.stdlib_module_names - {"__future__", "dataclasses"}


def test_half_an_agent_is_none() -> None:
    """The link broke while the modules were under way."""
    argv = (sys.executable, *OPTIONS)
    done = subprocess.run(argv, input=MODULES[:-1], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_garbage_is_answered_and_survived(talk: Talk) -> None:
    talk.write(b"no json\n\xff\xfe\n[1,2]\n\n")
    assert [talk.read()["event"] for _ in range(3)] == ["protocol_error"] * 3
    talk.write(b"x" * 400_000 + b"\n")
    assert "thrown away" in talk.read()["error"]
    assert "known are" in talk.ask("dance")["error"]
    assert "missing" in talk.ask("configure")["error"]
    assert "not configured" in talk.ask("address_add")["error"]
    assert talk.ask("ping")["ok"]


def test_end_of_input_ends_it_quietly(talk: Talk) -> None:
    assert talk.ask("ping")["ok"]
    out, _ = talk.process.communicate(timeout=10)
    assert (talk.process.returncode, out) == (0, b"")


def test_commands_give_their_code_and_words(talk: Talk) -> None:
    answer = talk.ask("run", argv=["sh", "-c", "echo out; echo err >&2; exit 3"])
    found = (answer["exit_code"], answer["stdout"], answer["stderr"], answer["timed_out"])
    assert found == (3, "out\n", "err\n", False)


def test_a_command_is_no_shell_line(talk: Talk) -> None:
    assert talk.ask("run", argv=["echo", "$HOME; reboot"])["stdout"] == "$HOME; reboot\n"
    assert "argv" in talk.ask("run", argv="echo x")["error"]
    assert "No such file" in talk.ask("run", argv=["/nowhere/to/be/found"])["error"]


def test_a_command_that_does_not_end_is_killed(talk: Talk) -> None:
    answer = talk.ask("run", argv=["sleep", "60"], timeout_s=0.1)
    assert answer["timed_out"] and answer["exit_code"] == -signal.SIGKILL


def test_only_the_tail_of_the_output_is_kept(talk: Talk) -> None:
    answer = talk.ask("run", argv=["sh", "-c", "yes | head -c 300000; echo end"])
    assert len(answer["stdout"]) == OUTPUT_TAIL and answer["stdout"].endswith("end\n")


def test_process_running_stopped_continued_killed_restarted(tmp_path: Path) -> None:
    name = f"ast-{os.getpid()}"  # once killed it is looked for by name, too: not other tests' fakes
    asterisk = FakeAsterisk(tmp_path, name)
    loop, seen = Loop(), list[tuple[str, int]]()
    watch = Process(
        loop, str(asterisk.pidfile), name, lambda: seen.append((watch.state, watch.pid))
    )
    loop.every(0.02, watch.look)
    pid = asterisk.process.pid
    turn_until(loop, lambda: seen == [("running", pid)])
    asterisk.signal(signal.SIGSTOP)
    turn_until(loop, lambda: seen[1:] == [("stopped", pid)])
    asterisk.signal(signal.SIGCONT)
    turn_until(loop, lambda: seen[2:] == [("running", pid)])
    watch.kill()
    turn_until(loop, lambda: seen[3:] == [("gone", pid)] and not watch.alive())
    asterisk.end()
    asterisk.start()
    turn_until(loop, lambda: seen[4:] == [("running", asterisk.process.pid)])
    watch.close()
    asterisk.end()


def test_a_pid_of_another_program_is_not_asterisk(asterisk: FakeAsterisk) -> None:
    asterisk.end()
    stranger = subprocess.Popen(("sleep", "60"))
    try:
        asterisk.pidfile.write_text(str(stranger.pid))
        watch = Process(Loop(), str(asterisk.pidfile), "asterisk-x", lambda: None)
        watch.look()
        assert watch.state == "gone" and not watch.alive()
        watch.kill()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_without_pid_file_it_is_found_by_name(tmp_path: Path) -> None:
    program = tmp_path / "pbx-by-name"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen((str(program), "60"))
    try:
        watch = Process(Loop(), str(tmp_path / "none"), "pbx-by-name", lambda: None)
        watch.look()
        assert (watch.state, watch.pid) == ("running", process.pid)
        watch.close()
    finally:
        process.kill()
        process.wait()


def test_a_remote_console_is_not_asterisk(tmp_path: Path) -> None:
    console = tmp_path / "pbx-console"
    console.symlink_to("/bin/sh")
    process = subprocess.Popen((str(console), "-c", "read x", "-rx"), stdin=subprocess.PIPE)
    try:
        watch = Process(Loop(), str(tmp_path / "none"), "pbx-console", lambda: None)
        watch.look()
        assert watch.state == "gone"
        watch.close()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the kernel's process connector")
def test_the_kernel_tells_of_a_death(asterisk: FakeAsterisk) -> None:
    try:
        kernel = KernelEvents()
    except OSError as error:
        pytest.skip(f"no process connector here: {error}")
    kernel.only(asterisk.process.pid)
    subprocess.run(("true",), check=True)  # somebody else's death
    asterisk.end()
    deadline, deaths = time.monotonic() + 5, list[tuple[int, str]]()
    while not deaths and time.monotonic() < deadline:
        deaths = kernel.deaths()
    kernel.close()
    assert deaths == [(asterisk.process.pid, "killed by signal 9")]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: ICMP echo")
def test_peer_probe_tells_answers_refused_and_only_the_host() -> None:
    loop, seen = Loop(), list[str]()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        port = server.getsockname()[1]
        probe = PeerProbe(loop, "127.0.0.1", port, 0.1, lambda: seen.append(probe.outcome))
        loop.every(0.02, probe.probe)
        turn_until(loop, lambda: seen == ["host_only"])  # its SIP is stopped, ping answers

        def answer(mask: int) -> None:
            data, sender = server.recvfrom(4096)
            server.sendto(data.replace(b"OPTIONS sip", b"SIP/2.0 404 Not Found\r\nX: ", 1), sender)

        loop.watch(server.fileno(), answer)
        turn_until(loop, lambda: seen[1:] == ["answers"])
        loop.unwatch(server.fileno())
    turn_until(loop, lambda: seen[2:] == ["refused"])
    probe.close()


def test_a_stall_is_no_silence() -> None:
    loop = Loop()
    loop.turn()
    before = loop.lived
    time.sleep(0.5)
    loop.turn()
    assert loop.lived - before <= 2 * LONGEST_TURN_S
