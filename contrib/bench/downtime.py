"""The gap between answered calls at the virtual IP when the active node fails or is moved away.

Each run makes a fresh lab and a fresh orchestrator (in the control namespace); a prober in the
client namespace starts a full call every 20 ms, and 5 held calls are up. One line of JSON a run,
times in milliseconds after the fault: noticed (first reaction of the orchestrator), verdict,
address_moved (the new node has it), first_answer (of a call at the virtual IP).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from contrib.lab import Lab
from contrib.lab.prober import longest_gap
from contrib.lab.service import Service

HELD_CALLS = 5
SETTLE_S = 2.0
LOST = ("dead", "hung", "unreachable")
MOST_S = {"kill": 15.0, "unplug": 20.0, "hang": 20.0, "switchover": 30.0}


def fault(lab: Lab, service: Service, kind: str) -> float:
    """Breaks pbx-a, or asks for the move; when that began, in epoch seconds."""
    active = lab.node("a")
    breaks: Mapping[str, Callable[[], float]] = {
        "kill": active.kill,
        "unplug": active.unplug,
        "hang": active.stop,
    }
    if kind in breaks:
        return breaks[kind]()
    asked_at = time.time()
    service.ask("switchover", "--at-most", "20s")
    return asked_at


def until_moved(lab: Lab, most_s: float) -> None:
    """Waits until pbx-b alone serves, then long enough for the prober to show it."""
    deadline = time.monotonic() + most_s
    while "b" not in lab.vip_holders() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(SETTLE_S)


def finish(process: subprocess.Popen[str]) -> list[dict[str, object]]:
    """Ends one of the lab's peers; the JSON lines that it printed."""
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=20)
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


def reactions(service: Service, began: float) -> dict[str, float | None]:
    """When the orchestrator noticed, judged and moved the address, in ms after the fault."""
    database = sqlite3.connect(f"file:{service.journal}?mode=ro", uri=True)
    lost = " OR ".join(f"text GLOB 'pbx-a is {word}: *'" for word in LOST)
    judged = f"SELECT min(at) FROM history WHERE at >= ? AND ({lost})"
    moved = "SELECT max(done_at) FROM command WHERE at >= ? AND ok AND what GLOB ?"
    times = {
        "noticed": first_logged(service.log, began),
        "verdict": database.execute(judged, (began,)).fetchone()[0],
        "address_moved": database.execute(moved, (began, "pbx-b: add the virtual IP")).fetchone()[
            0
        ],
    }
    return {name: at and round((at - began) * 1000, 1) for name, at in times.items()}


def first_logged(log: Path, began: float) -> float | None:
    """When the first line about pbx-a was logged after the fault."""
    for line in log.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError):
            at = datetime.fromisoformat(line[:23].replace(",", ".")).timestamp()
            if at >= began and "pbx-a" in line:
                return at
    return None


def one_run(kind: str, profile: str, asterisk: int) -> dict[str, object]:
    """A lab, a service, calls, the fault; what became of the calls."""
    with Lab.up(name=f"bench-{os.getpid()}", asterisk=asterisk, profile=profile) as lab:
        with Service(lab) as service:
            service.until_ready()
            target, address = lab.virtual_ip, lab.network.address("client")
            peer = ["--target", target, "--address", address]
            pipe = {"stdout": subprocess.PIPE}
            held = lab.popen_python(
                "client",
                ["-m", "contrib.lab.held", *peer, "--calls", str(HELD_CALLS), "--no-audio"],
                **pipe,
            )
            prober = lab.popen_python("client", ["-m", "contrib.lab.prober", *peer], **pipe)
            time.sleep(SETTLE_S)
            began = fault(lab, service, kind)
            until_moved(lab, MOST_S[kind])
            probed, kept = finish(prober), finish(held)
        times = reactions(service, began)
    return summary(kind, profile, began, probed, kept, times)


def summary(
    kind: str,
    profile: str,
    began: float,
    probed: Sequence[Mapping[str, object]],
    kept: Sequence[Mapping[str, object]],
    times: Mapping[str, float | None],
) -> dict[str, object]:
    """One run in one flat line."""
    answered = [
        float(str(line["answered"])) for line in probed if line.get("answered") and "call" in line
    ]
    gap = longest_gap(answered, began)
    refused = sum(line.get("result") == "refused" for line in probed)
    return {
        "fault": kind,
        "profile": profile,
        "downtime_ms": gap.ms if gap else None,
        "calls_cut": kept[-1]["cut"],
        "calls_refused": refused,
        "calls_probed": sum(line.get("event") == "call" for line in probed),
        **{f"{name}_ms": at for name, at in times.items()},
        "first_answer_ms": round((gap.ended - began) * 1000, 1) if gap else None,
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fault", choices=sorted(MOST_S))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--profile", choices=("normal", "fast"), default="normal")
    parser.add_argument("--asterisk", type=int, choices=(16, 22), default=22)
    arguments = parser.parse_args(argv)
    gaps = []
    for _ in range(arguments.runs):
        result = one_run(arguments.fault, arguments.profile, arguments.asterisk)
        print(json.dumps(result), flush=True)
        gaps.append(result["downtime_ms"])
    known = [float(str(gap)) for gap in gaps if gap is not None]
    if len(known) < len(gaps) or not known:
        print("In a run nobody answered after the fault.", file=sys.stderr)
        return 1
    print(
        f"{arguments.fault}, {arguments.profile}: downtime median {statistics.median(known):.0f} ms"
        f" ({min(known):.0f} to {max(known):.0f}), {len(known)} runs",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
