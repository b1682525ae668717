"""The demo on the simulated pair: it tells the story, believes nobody, and cleans up."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from contrib.demo.story import PHONES, Story, Untrue
from orchestrator.simulator import Lab
from orchestrator.simulator.lab import names

PROJECT = Path(__file__).resolve().parent.parent.parent


MARK = "DEMO_UNDER_TEST"


def demo() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "contrib.demo", "simulator"],
        cwd=PROJECT,
        env={**os.environ, MARK: str(os.getpid())},  # its children inherit it
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def left_behind(process: subprocess.Popen[str]) -> list[str]:
    """The lab of that demo and its processes, when there are any."""
    found = [name for name in names() if name == f"demo-{process.pid}"]
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{MARK}={os.getpid()}".encode() in (path / "environ").read_bytes().split(b"\0"):
                found.append((path / "cmdline").read_text(encoding="utf-8").replace("\0", " "))
    return found


@pytest.mark.timeout(240)
def test_the_whole_story_happens() -> None:
    process = demo()
    told, _ = process.communicate(timeout=230)
    assert process.returncode == 0, told
    steps = ("CRASH", "comes back", "PLANNED SWITCHOVER", "GATED FAILBACK", "All of it happened")
    places = [told.index(step) for step in steps]
    assert places == sorted(places)
    assert told.count("0 cut;") == 2
    assert told.count("10 of 10 phones ring on pbx-b; none registered anew") == 2
    assert left_behind(process) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing(number: signal.Signals) -> None:
    process = demo()
    deadline = time.monotonic() + 20
    while not any("talkers" in line for line in left_behind(process)):
        assert time.monotonic() < deadline, "no calls came up"
        time.sleep(0.05)
    process.send_signal(number)
    told, _ = process.communicate(timeout=20)
    assert process.returncode == 130, told
    assert left_behind(process) == []


def test_a_takeover_that_did_not_happen_is_not_believed() -> None:
    with Lab.up(f"untrue-{os.getpid()}") as lab:
        # A service that says what it is told to say and moves nothing.
        warm = {"node": "pbx-b", "phones": len(PHONES), "phones_ready": len(PHONES)}
        liar = SimpleNamespace(until_ready=lambda active: None, status=lambda: {"standby": warm})
        story = Story(lab, liar)  # type: ignore[arg-type]
        try:
            story.prepare()
            with pytest.raises(Untrue, match="pbx-b did not take over"):
                story.crash()
        finally:
            story.end()
