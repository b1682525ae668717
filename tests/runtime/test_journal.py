"""The journal: durable, exclusive, and clear about what is wrong with its file."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core.rulebook.traces import Trace, What
from orchestrator.errors import JournalError
from orchestrator.runtime.journal import Entry, Intent, Journal, Line, Result
from orchestrator.runtime.journal_file import KEPT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.sqlite"


def test_what_was_written_is_there_after_a_restart(path: Path) -> None:
    journal = Journal(path)
    assert journal.state() is None
    journal.write(
        5.0, Entry(3, {"active": "pbx-a"}, (Intent(7, 3, "x"),), (), (Line("info", "moved"),))
    )
    journal.close()
    again = Journal(path)
    assert again.state() == {"active": "pbx-a"}
    assert [(t.at, t.text) for t in again.history(10)] == [(5.0, "moved")]
    assert again.unfinished() == [Intent(7, 3, "x")]


def test_a_result_finishes_its_intent_and_only_its_own_epoch(path: Path) -> None:
    journal = Journal(path)
    journal.write(1.0, Entry(3, None, (Intent(7, 3, "x"), Intent(8, 3, "y"))))
    journal.write(2.0, Entry(3, None, (), (Result(7, 2, True, "late"),)))
    assert len(journal.unfinished()) == 2
    journal.write(3.0, Entry(3, None, (), (Result(7, 3, True, "done"),)))
    assert journal.unfinished() == [Intent(8, 3, "y")]
    assert journal.give_up_unfinished(4.0) == [Intent(8, 3, "y")]
    assert journal.unfinished() == []


def test_written_without_close_survives(path: Path) -> None:
    """The process dies: what was committed is in the WAL, and the lock goes with the process."""
    code = (
        "import os,sys; from pathlib import Path\n"
        "from orchestrator.runtime.journal import *\n"
        "j = Journal(Path(sys.argv[1]))\n"
        "j.write(1.0, Entry(1, {'epoch': 1}, (Intent(1, 1, 'address'),)))\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    journal = Journal(path)
    assert journal.state() == {"epoch": 1}
    assert journal.unfinished() == [Intent(1, 1, "address")]


def test_a_second_orchestrator_is_kept_out(path: Path) -> None:
    first = Journal(path)
    first.write(1.0, Entry(1, {}))
    with pytest.raises(JournalError, match="Another orchestrator is running"):
        Journal(path)


def test_a_damaged_file_is_named_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database at all" * 500)
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"damaged.*mv .*\.damaged"):
        Journal(path)
    assert path.read_bytes() == before


def test_a_page_torn_in_the_middle_is_noticed(path: Path) -> None:
    journal = Journal(path)
    for n in range(2000):
        journal.write(1.0, Entry(1, None, (), (), (Line("info", f"line {n}"),)))
    journal.close()
    torn = bytearray(path.read_bytes())
    torn[4096 * 5 : 4096 * 9] = b"\xff" * (4096 * 4)
    path.write_bytes(torn)
    with pytest.raises(JournalError, match="damaged"):
        Journal(path)


def test_a_foreign_file_is_refused_untouched(path: Path) -> None:
    path.parent.mkdir()
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE cdr (x)")
    db.commit()
    db.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match="another program"):
        Journal(path)
    assert path.read_bytes() == before


def test_another_schema_version_is_refused(path: Path) -> None:
    Journal(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(JournalError, match="schema version 99"):
        Journal(path)


def test_a_full_disk_is_a_journal_error_and_recovers(path: Path) -> None:
    journal = Journal(path)
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count={pages}")  # SQLite's own "disk is full"
    big = Entry(1, {"x": "y" * 100_000})
    with pytest.raises(JournalError, match="decides and does nothing"):
        journal.write(1.0, big)
    assert journal.state() is None
    journal._db.execute("PRAGMA max_page_count=1000000")
    journal.write(2.0, big)
    assert journal.state() is not None


def test_a_directory_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="state directory"):
        Journal(tmp_path / "file" / "journal.sqlite")


def test_only_the_owner_may_read_it(path: Path) -> None:
    Journal(path).write(1.0, Entry(1, {}))
    modes = {p.name: p.stat().st_mode & 0o777 for p in path.parent.iterdir()}
    assert modes
    assert all(mode & 0o077 == 0 for mode in modes.values()), modes


def test_a_durable_write_is_quick_enough_for_the_loop(path: Path) -> None:
    """Synchronous writes in the loop are allowed because they take a fraction of a millisecond."""
    journal = Journal(path)
    started = time.perf_counter()
    for n in range(100):
        journal.write(1.0, Entry(n, {"epoch": n}, (Intent(n, n, "x"),)))
    assert (time.perf_counter() - started) / 100 < 0.05


def test_what_the_mirror_wrote_is_remembered_key_by_key(path: Path) -> None:
    journal = Journal(path)
    keys = [("contact", "1001;@a"), ("astdb", "CF/1001")]
    journal.write(1.0, Entry(1, mirrored=keys))
    journal.write(2.0, Entry(1, mirrored=keys[:1], unmirrored=keys[1:]))  # again: no error
    journal.close()
    assert Journal(path).mirrored() == keys[:1]


def test_a_journal_of_the_version_before_is_taken_over(path: Path) -> None:
    journal = Journal(path)
    journal.write(1.0, Entry(1, {"active": "pbx-a"}))
    journal.close()
    db = sqlite3.connect(path)
    db.executescript("DROP TABLE mirrored; DROP TABLE rule_trace; PRAGMA user_version=1")
    db.close()
    for _ in range(2):  # and only once
        journal = Journal(path)
        assert journal.state() == {"active": "pbx-a"}
        journal.write(2.0, Entry(1, mirrored=[("contact", "1001;@a")]))
        assert journal.mirrored() == [("contact", "1001;@a")]
        journal.close()


def test_traces_of_rules_are_there_after_a_restart(path: Path) -> None:
    journal = Journal(path)
    terms = ("active.calls > 3 is true (active.calls is 4)", "pair.moving is false")
    fired = Trace(5.0, "busy", What.FIRED, "it fired", terms)
    other = Trace(5.0, "other", What.CLEARED, "it cleared", ("x",))
    journal.write(5.0, Entry(1, traces=[fired, other]))
    journal.close()
    again = Journal(path)
    assert again.traces("busy", 10) == [fired]
    again.write(6.0, Entry(1, traces=[replace(fired, at=6.0)]))
    assert [trace.at for trace in again.traces("busy", 1)] == [6.0]
    assert again.traces("other", 9, (What.FIRED,)) == []
    assert again.traces("other", 9, (What.FIRED, What.CLEARED)) == [other]


def test_traces_are_pruned_while_the_service_runs(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KEPT, "rule_trace", 3)
    journal = Journal(path)
    for at in range(6):
        turned = Trace(float(at), "busy", What.BEGAN, "its condition began to hold", ("x",))
        journal.write(float(at), Entry(1, traces=[turned]))
    assert [trace.at for trace in journal.traces("busy", 9)] == [3.0, 4.0, 5.0]
    journal.close()
