"""The record: written beside the loop, read while it is written, tidied up; what cannot be read."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.rulebook.traces import Trace, What
from orchestrator.core.rules import RuleSet
from orchestrator.core.state import Pair
from orchestrator.core.words import Verdict
from orchestrator.errors import JournalError
from orchestrator.runtime import recorder as recording
from orchestrator.runtime.journal import Entry, Intent, Journal, Line, Result
from orchestrator.runtime.record_file import FORGET_UP_TO, IS_WHOLE, WHOLE
from orchestrator.runtime.recorded import Carried, RecordReader
from orchestrator.runtime.recorder import Recorder
from tests.core.rule_lab import START, Play

NOTHING = Entry(1)
FIRED = Trace(START + 1, "r", What.FIRED, "it fired", ("x is true", "y is true"))


class Bench:
    """A pair whose recorder listens to steps that the test makes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.play = Play(RuleSet())
        self.recorder = self.anew()

    def anew(self) -> Recorder:
        return Recorder(self.path, self.play.policy, lambda: self.play.state)

    def step(self, entry: Entry = NOTHING, after_s: float = 1.0) -> None:
        self.play.now += after_s
        self.play.pair(now=self.play.now)
        for name in ("pbx-a", "pbx-b"):
            self.play.node(name, confirmed_at=self.play.now, address_at=self.play.now)
        self.recorder.listen(entry)

    def close(self) -> None:
        self.recorder.close(self.play.now)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "record.sqlite")


def wholes(reader: RecordReader) -> list[float]:
    return [at for at, found in reader.moments(0, None) if found[0][0] == WHOLE]


def test_it_is_read_while_it_is_written(bench: Bench) -> None:
    bench.step()
    assert stat.S_IMODE(bench.path.stat().st_mode) == 0o600
    reader = RecordReader(bench.path)
    begin = reader.begin(None)
    assert begin == START + 1
    ((at, first),) = reader.moments(begin, None)
    assert at == begin and first[0] == (WHOLE, None)
    assert dict(first)["pair.active"] == "pbx-a"
    bench.play.verdict("pbx-a", Verdict.DEAD)
    for _ in range(5):
        bench.step()
    _, (later, found) = reader.moments(begin, None)
    assert later == START + 2 and dict(found)["pbx-a.verdict"] == "dead"
    assert list(reader.moments(begin, START + 1.5)) == [(at, first)]


def test_it_looks_once_a_second_and_writes_every_five(bench: Bench) -> None:
    bench.step()
    for number in range(39):
        bench.play.pair(epoch=number)
        bench.step(after_s=0.125)
    reader = RecordReader(bench.path)
    assert len(list(reader.moments(0, None))) == 1
    bench.step(after_s=0.125)
    assert [at - START for at, _ in reader.moments(0, None)] == [1, 2, 3, 4, 5, 6]


def test_what_was_told_and_done_and_why_is_beside_the_facts(bench: Bench) -> None:
    entry = Entry(
        3,
        intents=[Intent(7, 3, "pbx-b: add the virtual IP"), Intent(8, 3, "pbx-a: remove it")],
        lines=[Line("info", "pbx-b is active")],
        traces=[FIRED],
    )
    bench.step(entry)
    bench.step(Entry(3, results=[Result(7, 3, ok=False, says="refused")]))
    bench.step(Entry(3, lines=[Line("info", "later")]))
    bench.close()
    reader = RecordReader(bench.path)
    assert reader.told(START, START + 1) == [(START + 1, "pbx-b is active")]
    assert [text for _, text in reader.told(START, None)] == ["pbx-b is active", "later"]
    assert reader.traces(START, None) == [FIRED]
    assert reader.commands(START, None) == [
        Carried(START + 1, "pbx-b: add the virtual IP", START + 2, False, "refused"),
        Carried(START + 1, "pbx-a: remove it", None, None, None),
    ]


def test_each_start_begins_a_whole_record(bench: Bench) -> None:
    bench.step()
    bench.close()
    bench.recorder = bench.anew()
    bench.step()
    reader = RecordReader(bench.path)
    assert wholes(reader) == [START + 1, START + 2]
    assert reader.begin(START + 1.5) == START + 1
    assert reader.begin(START + 99) == START + 2


def test_old_facts_are_forgotten_up_to_a_whole_record(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "KEPT_S", 100.0)
    monkeypatch.setattr(recording, "WHOLE_EVERY_S", 30.0)
    bench.step(Entry(1, lines=[Line("info", "old")], traces=[FIRED]))
    for number in range(60):
        bench.play.pair(epoch=number)
        bench.step(after_s=5)
    bench.close()
    reader = RecordReader(bench.path)
    oldest = min(wholes(reader))
    assert bench.play.now - 130 <= oldest <= bench.play.now - 100
    assert next(reader.moments(0, None))[0] == oldest
    assert reader.told(0, None) == [] and reader.traces(0, None) == []


def test_whole_records_are_found_without_looking_through_the_others(bench: Bench) -> None:
    bench.step()
    bench.close()
    db = sqlite3.connect(bench.path)
    for sql, values in (
        (FORGET_UP_TO, (START, 5)),
        (f"SELECT max(at) FROM fact WHERE {IS_WHOLE} AND at <= ?", (START,)),
        (f"SELECT min(at) FROM fact WHERE {IS_WHOLE}", ()),
    ):
        plan = str(db.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall())
        assert "fact_whole" in plan, plan


def test_many_changes_do_not_fill_the_disk(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "KEPT_FACTS", 300)
    monkeypatch.setattr(recording, "WHOLE_EVERY_FACTS", 100)
    for number in range(1500):
        bench.play.pair(epoch=number)
        bench.step()
    bench.close()
    reader = RecordReader(bench.path)
    kept = sum(len(found) for _, found in reader.moments(0, None))
    assert 300 <= kept <= 700
    assert wholes(reader)[0] == next(reader.moments(0, None))[0]


def test_a_gap_is_said_once_and_ends_with_a_whole_record(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench.path.mkdir()
    for _ in range(20):
        bench.step()
    assert caplog.text.count("rules cannot be replayed over this time") == 1
    bench.path.rmdir()
    for _ in range(6):
        bench.step()
    assert "is written again" in caplog.text
    reader = RecordReader(bench.path)
    assert wholes(reader) == [reader.begin(None)]


def test_another_programs_file_is_left_alone(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    db = sqlite3.connect(bench.path)
    db.execute("CREATE TABLE fact (mine)")
    db.close()
    before = bench.path.read_bytes()
    bench.step()
    bench.close()
    assert "a file of another program" in caplog.text
    assert bench.path.read_bytes() == before


def test_a_record_of_another_version_is_begun_anew(bench: Bench) -> None:
    bench.step(Entry(1, lines=[Line("info", "old")]))
    bench.close()
    db = sqlite3.connect(bench.path)
    db.executescript("PRAGMA user_version=1; DROP TABLE command; DROP TABLE rule_trace")
    db.close()
    with pytest.raises(JournalError, match="another version"):
        RecordReader(bench.path)
    bench.recorder = bench.anew()
    bench.step()
    reader = RecordReader(bench.path)
    assert reader.told(0, None) == [] and wholes(reader) == [START + 2]


# --- what cannot be read -------------------------------------------------------------------------


def test_what_is_no_record_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="There is no record"):
        RecordReader(tmp_path / "nowhere.sqlite")
    text = tmp_path / "text"
    text.write_text("rules:\n" * 200)
    with pytest.raises(JournalError, match="damaged or no record"):
        RecordReader(text)
    sqlite3.connect(tmp_path / "other.sqlite").execute("CREATE TABLE x (y)").connection.close()
    with pytest.raises(JournalError, match="is no record of asterisk-orchestrator"):
        RecordReader(tmp_path / "other.sqlite")


def test_who_names_the_journal_is_told_where_the_facts_are(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    journal.write(1.0, Entry(1, {"active": "pbx-a"}))
    with pytest.raises(JournalError, match=r"is locked.*record\.sqlite beside it"):
        RecordReader(path)
    journal.close()
    with pytest.raises(JournalError, match=r"is a journal; .*record\.sqlite beside it"):
        RecordReader(path)


def test_an_empty_record_has_no_beginning(bench: Bench) -> None:
    bench.step()
    bench.close()
    db = sqlite3.connect(bench.path)
    db.execute("DELETE FROM fact")
    db.commit()
    db.close()
    with pytest.raises(JournalError, match="Nothing is recorded"):
        RecordReader(bench.path).begin(None)


@pytest.mark.parametrize("how", ["pages", "value"])
def test_a_damaged_record_says_so_wherever_it_is_noticed(bench: Bench, how: str) -> None:
    bench.step()
    bench.close()
    if how == "value":
        db = sqlite3.connect(bench.path)
        db.execute("UPDATE fact SET value='{' WHERE path='pair.phase'")
        db.commit()
        db.close()
    else:
        raw = bytearray(bench.path.read_bytes())
        raw[8192:] = os.urandom(len(raw) - 8192)
        bench.path.write_bytes(raw)

    def read() -> list[Any]:
        reader = RecordReader(bench.path)
        return list(reader.moments(reader.begin(None), None))

    with pytest.raises(JournalError, match="is damaged"):
        read()


def test_an_entry_without_anything_to_tell_costs_nothing(bench: Bench) -> None:
    bench.step()
    before = bench.recorder._batch
    bench.step(replace(NOTHING, state={"active": "pbx-a"}), after_s=0.1)
    assert bench.recorder._batch is before and not before.lines


def test_a_fault_of_its_own_costs_the_loop_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Pair:
        raise KeyError("pbx-c")

    recorder = Recorder(tmp_path / "record.sqlite", Play(RuleSet()).policy, broken)
    for _ in range(3):
        recorder.listen(NOTHING)
    (line,) = caplog.records
    assert "internal error: KeyError" in line.getMessage() and "goes on" in line.getMessage()
