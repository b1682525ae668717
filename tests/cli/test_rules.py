"""``rules``: what an author reads, and what CI gets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.codes import Exit
from tests.cli.test_cli import cli
from tests.cli.warm_pair import warm_pair
from tests.runtime.service import Service

NOWHERE = Path("/nowhere.yaml")
SOUND = "rules:\n  x: {when: active.calls > 10, for: 10s, do: [switchover]}\n"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(SOUND)
    return path


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """The configuration of a service that runs."""
    path = tmp_path / "orchestrator.yaml"
    path.write_text("state_dir: .\n")
    with Service(tmp_path, state=warm_pair(time.time())):
        yield path


def test_sound_rules(rules: Path) -> None:
    done = cli(NOWHERE, "rules", "check", str(rules))
    assert (done.returncode, done.stderr) == (Exit.OK, "")
    assert done.stdout == "1 rule, no error, no warning.\n"


def test_without_files_and_configuration_the_shipped_ones_are_checked() -> None:
    done = cli(NOWHERE, "rules", "check")
    assert done.returncode == Exit.OK and "no error, no warning" in done.stdout


def test_errors_come_all_at_once_with_line_and_caret(rules: Path) -> None:
    rules.write_text(SOUND.replace("active.calls", "active.cals") + "  y: {when: 5m, do: [ring]}\n")
    done = cli(NOWHERE, "rules", "check", str(rules))
    assert done.returncode == Exit.FAILED and done.stdout == ""
    lines = done.stderr.splitlines()
    assert "did you mean 'calls'?" in lines[0]
    assert lines[1].strip() == "x: {when: active.cals > 10, for: 10s, do: [switchover]}"
    assert lines[2].index("^") == lines[1].index("cals")
    assert "unknown request 'ring'" in done.stderr


def test_warnings_have_their_own_exit_code(rules: Path) -> None:
    rules.write_text(SOUND.replace("for: 10s, ", ""))
    done = cli(NOWHERE, "rules", "check", str(rules))
    assert done.returncode == Exit.WARNED
    assert "without 'for'" in done.stderr and "(warning)" in done.stderr
    assert done.stdout == "1 rule, no error, 1 warning.\n"


def test_a_broken_configuration_is_said_first(tmp_path: Path, rules: Path) -> None:
    config = tmp_path / "orchestrator.yaml"
    config.write_text("pair: [\n")
    done = cli(config, "rules", "check", str(rules))
    assert done.returncode == Exit.FAILED and "orchestrator.yaml:" in done.stderr


def test_the_schemas_are_printed() -> None:
    done = cli(NOWHERE, "rules", "schema")
    assert done.returncode == Exit.OK and '"Rules of asterisk-orchestrator"' in done.stdout
    assert '"Tests of rules' in cli(NOWHERE, "rules", "schema", "--tests").stdout


def test_names_are_checked_against_the_live_pair(rules: Path, running: Path) -> None:
    rules.write_text(
        "rules:\n"
        "  x:\n"
        "    when: any(not c.reachable for c in active.contacts if like(c.aor, '10*'))\n"
        "      and any(c.reachable for c in active.contacts if like(c.aor, '62*'))\n"
        "      and any(t.registered for t in active.trunks if t.name == 'tunk')\n"
        "    do: [notify]\n"
    )
    done = cli(NOWHERE, "rules", "check", str(rules), "--against", str(running))
    assert done.returncode == Exit.WARNED
    first, second = (line for line in done.stderr.splitlines() if "(warning)" in line)
    assert first.endswith(":4:67: no phone on the pair fits '62*' now (warning)")
    assert ":5:64: the pair has no trunk 'tunk' now" in second
    assert cli(NOWHERE, "rules", "check", str(rules)).returncode == Exit.OK


def test_names_in_messages_are_checked_once_each(rules: Path, running: Path) -> None:
    rules.write_text(
        "rules:\n"
        "  x:\n"
        "    when: active.calls > 10\n"
        "    messages:\n"
        "      fired: \"{count(t for t in active.trunks if t.name == 'tunk')} trunks\"\n"
        "    do: [notify]\n"
    )
    done = cli(NOWHERE, "rules", "check", str(rules), "--against", str(running))
    assert done.returncode == Exit.WARNED
    (said,) = (line for line in done.stderr.splitlines() if "(warning)" in line)
    assert ":5:60: the pair has no trunk 'tunk' now" in said


def test_what_can_not_be_told_is_said_and_is_no_warning(tmp_path: Path, rules: Path) -> None:
    when = "count(q for q in active.queues if q.name == 'sales') > 0"
    rules.write_text(SOUND.replace("active.calls > 10", f'"{when}"'))
    with Service(tmp_path, state=warm_pair(time.time() - 3600)) as service:
        done = cli(NOWHERE, "rules", "check", str(rules), "--against", str(service.socket))
    assert done.returncode == Exit.OK
    assert "queue 'sales' can't be told now" in done.stderr and "(not checked)" in done.stderr
    assert done.stdout == "1 rule, no error, no warning; 1 not checked against the pair.\n"


def test_an_expression_is_tried_on_the_live_pair(running: Path) -> None:
    done = cli(running, "rules", "try", "active.phones_known > 3 and active.uptime > 1h")
    assert done.returncode == Exit.OK
    assert done.stdout.splitlines() == [
        "active.phones_known > 3 and active.uptime > 1h is unknown",
        "  active.phones_known > 3 is true (active.phones_known is 4)",
        "  active.uptime > 1h is unknown (active.uptime is unknown)",
    ]


def test_a_number_is_tried_too(running: Path) -> None:
    done = cli(running, "rules", "try", "active.phones_reachable")
    assert done.stdout == "active.phones_reachable is 4\n"


def test_a_wrong_expression_is_shown_with_a_caret(running: Path) -> None:
    done = cli(running, "rules", "try", "active.cals > 3 && true")
    assert done.returncode == Exit.FAILED
    says, text, caret = done.stderr.splitlines()
    assert "write 'and'" in says and text[caret.index("^")] == "&"


def test_the_caret_stands_right_in_an_expression_of_several_lines(running: Path) -> None:
    done = cli(running, "rules", "try", "active.calls > 3\n  and\tactive.cals > 3")
    assert done.returncode == Exit.FAILED
    _, text, caret = done.stderr.splitlines()
    assert text[caret.index("^") :].startswith("cals")


def test_an_older_service_is_said_to_be_older(tmp_path: Path, rules: Path) -> None:
    config = tmp_path / "old.yaml"
    config.write_text("state_dir: .\n")
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(tmp_path / "control.sock"))
        old.listen()

        def answer() -> None:
            client, _ = old.accept()
            with client:
                client.recv(10_000)
                client.sendall(b'{"ok": false, "says": "There is no request of that name."}\n')

        for arguments in (["try", "pair.held"], ["check", str(rules), "--against", str(config)]):
            service = threading.Thread(target=answer)
            service.start()
            done = cli(config if "try" in arguments else NOWHERE, "rules", *arguments)
            service.join()
            assert done.returncode == Exit.REFUSED and done.stdout == ""
            assert "There is no request" in done.stderr and "restart it" in done.stderr
