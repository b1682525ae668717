"""`lab call`: one call, calls that are held, or a stream of calls by sipp."""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from contrib.lab.errors import LabError
from contrib.lab.filling import OWN
from contrib.lab.lab import Lab

DID = "5550100"
"""The customer's number at the provider, which rings 600."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", nargs="?", help=f"default 600; with --from-trunk {DID}")
    parser.add_argument("--from-trunk", action="store_true", help="call in by way of the provider")
    parser.add_argument("--held", type=int, metavar="N", help="hold N calls with audio (--seconds)")
    parser.add_argument("--rate", type=float, help="a stream of so many new calls a second (sipp)")
    parser.add_argument("--seconds", type=float, default=5, help="how long (default 5)")
    parser.add_argument("--hold", type=float, default=1, help="of a stream: seconds per call")
    parser.add_argument("--json", action="store_true")


def place(lab: Lab, arguments: argparse.Namespace) -> int:
    """Places the calls; 0 when every one was answered and none was cut."""
    target = lab.provider.address if arguments.from_trunk else lab.virtual_ip
    number = arguments.number or (DID if arguments.from_trunk else "600")
    if arguments.rate:
        told = stream(lab, target, number, arguments.rate, arguments.seconds, arguments.hold)
    else:
        told = _hold(lab, target, number, arguments.held or 1, arguments.seconds)
    print(json.dumps(told) if arguments.json else _words(number, target, told))
    return 0 if not told["refused"] and not told["cut"] else 1


def stream(
    lab: Lab, target: str, number: str, rate: float, seconds: float, hold_s: float
) -> dict[str, Any]:
    """A stream of calls by sipp, from the client; returns when the last one has ended."""
    calls = max(1, round(rate * seconds))
    with tempfile.TemporaryDirectory(dir=lab.directory) as scratch:
        counts = Path(scratch, "counts.csv")
        command = ["sipp", "-sf", str(OWN / "sipp" / "calls.xml"), "-nostdin", "-t", "un"]
        command += ["-i", lab.network.address("client"), "-s", number, "-m", str(calls)]
        command += ["-r", f"{rate:g}", "-d", str(round(hold_s * 1000)), "-max_socket", "5000"]
        command += ["-trace_stat", "-stf", str(counts), "-fd", "1", "-recv_timeout", "33000"]
        timeout_s = seconds + hold_s + 120
        done = lab.run_in("client", [*command, f"{target}:5060"], check=False, timeout_s=timeout_s)
        if not counts.exists():
            raise LabError(f"sipp did not run: {done.stderr.strip() or done.stdout.strip()}")
        with counts.open(encoding="utf-8", newline="") as lines:
            last = list(csv.DictReader(lines, delimiter=";"))[-1]
    placed = int(last["TotalCallCreated"])
    answered = int(last["GenericCounter1(C)"])  # counted at the 200, see the scenario
    held = int(last["SuccessfulCall(C)"])
    return {
        "calls": placed,
        "answered": answered,
        "held": held,
        "refused": placed - answered,
        "cut": answered - held,
        "by": "sipp",
    }


def _hold(lab: Lab, target: str, number: str, calls: int, seconds: float) -> dict[str, Any]:
    address = lab.network.address("client")
    command = ["-m", "contrib.lab.held", "--target", target, "--address", address]
    command += ["--number", number, "--calls", str(calls), "--seconds", str(seconds)]
    watcher = lab.popen_python("client", command, stdout=subprocess.PIPE)
    try:
        lines = watcher.communicate()[0].splitlines()
    except KeyboardInterrupt:  # the watcher got it too, and sums up
        lines = watcher.communicate()[0].splitlines()
    told: dict[str, Any] = json.loads(lines[-1])
    why = [json.loads(line)["why"] for line in lines if '"cut"' in line and '"why"' in line]
    return {**told, "why": why}


def _words(number: str, target: str, told: dict[str, Any]) -> str:
    by = f" by {', '.join(told['servers'])}" if told.get("servers") else ""
    text = (
        f"{number} at {target}: {told['calls']} placed, {told['answered']} answered{by}, "
        f"{told['refused']} refused or unanswered, {told['cut']} cut."
    )
    if told.get("longest_silence_ms"):
        text += f" Longest silence {told['longest_silence_ms']:.0f} ms."
    return "\n".join([text, *(f"  cut: {why}" for why in told.get("why", []))])
