"""What rules cost under a steady stream of AMI events, all the way from the socket to the state.

A child process plays the captured dialogues of Asterisk 22 at a steady rate over loopback TCP, each
repetition with channel ids of its own, to the orchestrator's own way in: AmiClient → loop → engine
(observe, verdict, rules) → journal. Both nodes have 2,000 phones. Every set of rules runs in a
process of its own: 10 and 500 that read what the stream does not change, and 500 that all read what
it changes. Ends 0 only when no set fills a core and an event costs no more with 500 unrelated rules
than with 10. The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from contrib.bench.intake import BANNER, END, answer, stream
from orchestrator.adapters.ami.client import AmiClient
from orchestrator.adapters.ami.settings import AmiSettings
from orchestrator.config.rule_files import load_rules
from orchestrator.core.durable import to_json
from orchestrator.core.engine import Engine
from orchestrator.core.events import AddressSeen, Observed
from orchestrator.core.rules import waiting_of
from orchestrator.core.state import NodePolicy, Policy, TrunkPolicy
from orchestrator.core.words import Observer, Outcome, Phase
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.loop import Loop

PHONES = 2000
NODES = ("pbx-a", "pbx-b")
SLOT_S = 0.002  # so often the child writes what is due
MOST_OF_A_CORE = 0.9
WORST_RATIO = 1.25  # of the CPU time per event; on a quiet machine it is 1.0

UNRELATED = (
    'standby.verdict == "dead" and standby.phones_known < {n}',
    'any(c.status == "unreachable" and like(c.aor, "{n}*") for c in standby.contacts)',
    'standby.calls > {n} and pair.hold_reason == "{n}"',
    "count(standby.trunks) > {n} or pair.epoch > {n} + 1000",
    'preferred.verdict == "hung" and node("pbx-b").channels > {n}',
)
READING = (
    "active.calls > {n} + 5000",
    'any(c.status == "unreachable" and like(c.aor, "{n}-*") for c in active.contacts)',
    "increase(active.calls_failed, {n}s) > 1000000",
    'active.phones_reachable < 5 and active.verdict == "healthy" and active.calls_failed > {n}',
    'any(t.status == "rejected" and t.cause == "{n}" for t in active.trunks)',
)
SETS = {"10 unrelated": (UNRELATED, 10), "500 unrelated": (UNRELATED, 500),
        "500 that read it": (READING, 500)}  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """Of one set of rules, measured while the stream was played."""

    load_ms: float  # reading and checking the rules
    events_per_s: float
    core: float  # share of one
    us_per_event: float  # CPU time, sockets and journal included
    longest_step_ms: float
    dropped: int


def rule_file(folder: Path, conditions: tuple[str, ...], count: int) -> Path:
    rules = [conditions[n % len(conditions)].format(n=n + 10) for n in range(count)]
    text = "".join(f"  r{n}:\n    when: '{when}'\n    for: 10s\n    do: [notify]\n"
                   for n, when in enumerate(rules))  # fmt: skip
    path = folder / "rules.yaml"
    path.write_text(f"rules:\n{text}")
    return path


# --- the child: two managers, of which the first has something to tell ---------------------------


def play(pipe: Connection, rate: float, seconds: float) -> None:
    """Serve both nodes; the first one's stream begins when the parent says so."""
    asyncio.run(_serve(pipe, rate, seconds))


async def _serve(pipe: Connection, rate: float, seconds: float) -> None:
    frames = [
        f + b"\r\n\r\n" for s in stream(int(rate * seconds)) for f in s.split(b"\r\n\r\n")[:-1]
    ]
    go = asyncio.Event()
    asyncio.get_running_loop().add_reader(pipe.fileno(), lambda: (pipe.recv(), go.set()))

    async def active(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(BANNER)
        answering = asyncio.create_task(answer(reader, writer, PHONES))
        await go.wait()
        await _play(writer, frames, rate)
        with contextlib.suppress(asyncio.IncompleteReadError):  # the end of the run
            await answering

    async def standby(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(BANNER)
        with contextlib.suppress(asyncio.IncompleteReadError):
            await answer(reader, writer, PHONES)

    servers = [await asyncio.start_server(one, "127.0.0.1", 0) for one in (active, standby)]
    pipe.send(([server.sockets[0].getsockname()[1] for server in servers], len(frames)))
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def _play(writer: asyncio.StreamWriter, frames: list[bytes], rate: float) -> None:
    sent, began = 0, time.monotonic()
    while sent < len(frames):
        due = int((time.monotonic() - began) * rate)
        writer.write(b"".join(frames[sent:due]))
        sent = max(sent, due)
        await writer.drain()
        await asyncio.sleep(SLOT_S)
    writer.write(END)


# --- the orchestrator ----------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def running(folder: Path, rules: Path, ports: list[int]) -> AsyncIterator[Loop]:
    """The loop with both nodes' AMI; the other observers always say that all is well."""
    policy = Policy(
        (NodePolicy(NODES[0], "127.0.0.1", preferred=True), NodePolicy(NODES[1], "127.0.0.2")),
        (TrunkPolicy("trunk-reg", "trunk"),),
        learning_s=0.3,
    )
    clock = Clock()
    engine = Engine(policy, load_rules([rules], NODES))
    loop = Loop(
        engine, engine.start(clock.now()), journal=Journal(folder / "journal.sqlite"), clock=clock,
        execute=lambda command: None, durable=to_json, tick_s=policy.tick_s,
    )  # fmt: skip
    tasks = [asyncio.create_task(loop.run()), asyncio.create_task(_say_all_is_well(loop))]
    for name, port in zip(NODES, ports, strict=True):
        settings = AmiSettings("127.0.0.1", "bench", "bench", port)
        tasks.append(asyncio.create_task(AmiClient(name, settings, loop.put).run()))
    try:
        async with asyncio.timeout(20):
            while not _ready(loop):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        yield loop
    finally:
        for task in tasks:
            task.cancel()


async def _say_all_is_well(loop: Loop) -> None:
    while True:
        for name in NODES:
            for observer in (Observer.SIP, Observer.HOST, Observer.ARI):
                loop.put(Observed(name, observer, Outcome.ANSWERS))
            loop.put(AddressSeen(name, name == NODES[0]))
        await asyncio.sleep(0.2)


def _ready(loop: Loop) -> bool:
    known = [len(loop.state.nodes[name].contacts) for name in NODES]
    settled = loop.state.phase is Phase.STEADY and not waiting_of(loop.state.rules)
    return settled and known == [PHONES] * 2


async def measure(folder: Path, rules: Path, ports: list[int], events: int, go: Connection) -> Cost:
    """Play the stream, and take the time."""
    began = time.process_time()
    load_rules([rules], NODES)
    load_ms = (time.process_time() - began) * 1000
    async with running(folder, rules, ports) as loop:
        await asyncio.sleep(1.0)
        done = asyncio.Event()
        loop.on_step.append(
            lambda _: done.set() if "Bench/end" in loop.state.nodes[NODES[0]].devices else None
        )
        loop.health.longest_step_ms = 0.0
        go.send("now")
        began, cpu = time.perf_counter(), time.process_time()
        await done.wait()
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        assert loop.state.phase is Phase.STEADY and not loop.health.trouble
        counters = loop.state.nodes[NODES[0]].counters
        assert counters.calls_attempted and not counters.registrations_lost
        return Cost(
            round(load_ms),
            round(events / took),
            round(cpu / took, 3),
            round(cpu / events * 1e6, 1),
            round(loop.health.longest_step_ms, 1),
            loop.health.dropped,
        )


def measure_here(name: str, rate: float, seconds: float) -> Cost:
    """One set of rules, in this process."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=play, args=(theirs, rate, seconds), daemon=True)
    child.start()
    try:
        ports, events = ours.recv()
        with tempfile.TemporaryDirectory() as folder:
            rules = rule_file(Path(folder), *SETS[name])
            return asyncio.run(measure(Path(folder), rules, ports, events, ours))
    finally:
        child.kill()
        child.join()


def measure_alone(name: str, options: argparse.Namespace) -> Cost:
    """The same in a process of its own, so that no set profits from another one."""
    command = [sys.executable, __file__, "--set", name]
    command += ["--rate", str(options.rate), "--seconds", str(options.seconds)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Cost(**json.loads(done.stdout))


def verdict(found: dict[str, Cost], rate: float) -> list[str]:
    """What does not hold; empty: all is well."""
    wrong = []
    for name, cost in found.items():
        if cost.core > MOST_OF_A_CORE or cost.dropped or cost.events_per_s < 0.95 * rate:
            wrong.append(f"{name}: a core is filled")
    if ratio(found) > WORST_RATIO:
        wrong.append(f"an event costs {ratio(found)} times as much with 500 unrelated rules")
    return wrong


def ratio(found: dict[str, Cost]) -> float:
    """Of the time of an event: with 500 unrelated rules to with 10."""
    few, many, _ = (found[name].us_per_event for name in SETS)
    return round(many / few, 2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=5000, help="events a second")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--set", choices=SETS, help="only this one, in this process")
    options = parser.parse_args()
    if options.set:
        logging.basicConfig(level=logging.ERROR)
        print(json.dumps(asdict(measure_here(options.set, options.rate, options.seconds))))
        return 0
    print(f"{options.rate:.0f} events/s of Asterisk 22 for {options.seconds:g} s, {PHONES} phones")
    found: dict[str, Cost] = {}
    for _ in range(options.runs):  # in turns, the cheapest of each: other load hits all alike
        for name in SETS:
            cost = measure_alone(name, options)
            print(f"{name:<18}{cost.core:>7.1%} of a core {cost.us_per_event:>7.1f} µs an event"
                  f"   longest step {cost.longest_step_ms:6.1f} ms   rules loaded in"
                  f" {cost.load_ms:.0f} ms")  # fmt: skip
            if name not in found or cost.us_per_event < found[name].us_per_event:
                found[name] = cost
    wrong = verdict(found, options.rate)
    print(f"500 unrelated rules to 10: {ratio(found)} times the time of an event")
    print(f"NOT WELL: {'; '.join(wrong)}" if wrong else "well: no set of rules fills a core, and"
          " rules that read nothing of an event cost it nothing")  # fmt: skip
    print(json.dumps({"ratio": ratio(found), **{name: asdict(c) for name, c in found.items()}}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
