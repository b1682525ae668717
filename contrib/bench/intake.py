"""AMI events per second, from the socket to the updated state with the shipped rules.

A child process plays one recorded stream over loopback TCP, first to bare panoramisk with a
callback, then to the orchestrator's own way in: AmiClient → loop → engine (observe, verdict,
rules) → journal. Both get the same bytes: the captured dialogues of Asterisk 22, each repetition
with channel ids of its own, while 5,000 contacts are known. The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import multiprocessing
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests/fixtures/ami/22"
CONTACTS = 5000
BANNER = b"Asterisk Call Manager/11.0.0\r\n"
END = b"Event: DeviceStateChange\r\nPrivilege: call,all\r\nDevice: Bench/end\r\nState: BUSY\r\n\r\n"
MARK = re.compile(r"(?m)^(?:\[ *[\d.]+\].*|#####.*)\n")


def events() -> list[bytes]:
    """The events of the captured dialogues, as they were on the wire."""
    text = "".join((FIXTURES / name).read_text() for name in ("calls.txt", "phone.txt"))
    frames = re.split(r"\n\s*\n", MARK.sub("\n", text))
    wanted = [f.strip("\n") for f in frames if f.strip().startswith("Event: ")]
    wanted = [f for f in wanted if "Event: FullyBooted" not in f]
    return [frame.replace("\n", "\r\n").encode() + b"\r\n\r\n" for frame in wanted]


def stream(count: int) -> Iterator[bytes]:
    """At least ``count`` events; each round of calls has ids of its own."""
    base = events()
    whole = b"".join(base)
    for number in range(-(-count // len(base))):
        yield re.sub(rb"(nodea-1795\d+)\.", rb"\1%05d." % number, whole)


def contact_list(action_id: bytes, contacts: int) -> bytes:
    head = b"Response: Success\r\nActionID: %s\r\nEventList: start\r\n\r\n" % action_id
    item = (
        b"Event: ContactList\r\nActionID: %s\r\nObjectType: contact\r\nObjectName: %d;@%032d\r\n"
        b"ViaAddr: 10.77.0.20\r\nQualifyTimeout: 2.000000\r\nCallId: %d-20046@10.77.0.20\r\n"
        b"RegServer: nodea\r\nPruneOnBoot: no\r\nPath: \r\nEndpoint: %d\r\nViaPort: 6622\r\n"
        b"AuthenticateQualify: no\r\nUri: sip:%d@10.77.0.20:25000\r\nQualifyFrequency: 5\r\n"
        b"UserAgent: sipp-phone\r\nExpirationTime: 1795361958\r\nOutboundProxy: \r\n"
        b"Status: Reachable\r\nRoundtripUsec: 441\r\n\r\n"
    )
    items = b"".join(item % (action_id, n, n, n, n, n) for n in range(10_000, 10_000 + contacts))
    return head + items + list_end(action_id)


def list_end(action_id: bytes) -> bytes:
    return b"Event: ListComplete\r\nActionID: %s\r\nEventList: Complete\r\n\r\n" % action_id


# --- the child: a manager that answers what it must and plays the stream -----------------------


def play(pipe: Connection, count: int) -> None:
    """Serve two clients, one after the other; each gets the stream when the parent says so."""
    data = [*stream(count), END]
    asyncio.run(_serve(pipe, data))


async def _serve(pipe: Connection, data: list[bytes]) -> None:
    go = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(pipe.fileno(), lambda: (pipe.recv(), go.set()))

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(BANNER)
        answering = asyncio.create_task(answer(reader, writer, CONTACTS))
        await go.wait()
        go.clear()
        for block in data:
            writer.write(block)
            await writer.drain()
        await answering

    server = await asyncio.start_server(client, "127.0.0.1", 0)
    pipe.send((server.sockets[0].getsockname()[1], sum(b.count(b"Event: ") for b in data)))
    await server.serve_forever()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, contacts: int) -> None:
    """What a manager answers whose node has so many contacts and nothing else."""
    while action := await reader.readuntil(b"\r\n\r\n"):
        headers = dict(line.split(b": ", 1) for line in action.split(b"\r\n") if b": " in line)
        name, action_id = headers[b"Action"], headers[b"ActionID"]
        if name == b"PJSIPShowContacts":
            writer.write(contact_list(action_id, contacts))
        elif name in (b"CoreShowChannels", b"DeviceStateList", b"QueueStatus") or b"Show" in name:
            head = b"Response: Success\r\nActionID: %s\r\nEventList: start\r\n\r\n" % action_id
            writer.write(head + list_end(action_id))
        else:
            writer.write(b"Response: Success\r\nActionID: %s\r\nPing: Pong\r\n\r\n" % action_id)
        if name == b"Login":
            writer.write(b"Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 9\r\n\r\n")


# --- the two readers ---------------------------------------------------------------------------


async def read_by_panoramisk(port: int, pipe: Connection) -> float:
    """Seconds until a callback has seen the last event."""
    import panoramisk

    done = asyncio.Event()
    seen = 0

    def callback(_: object, event: dict[str, str]) -> None:
        nonlocal seen
        seen += 1
        if event["Event"] == "DeviceStateChange" and event["Device"] == "Bench/end":
            done.set()

    manager = panoramisk.Manager(host="127.0.0.1", port=port, username="bench", secret="bench")
    manager.register_event("*", callback)
    await manager.connect()
    await asyncio.sleep(0.5)
    begun = time.perf_counter()
    pipe.send("go")
    await done.wait()
    took = time.perf_counter() - begun
    manager.reconnect_timeout = 3600
    manager.close()
    return took


async def read_by_orchestrator(port: int, pipe: Connection) -> float:
    """Seconds until the state has the last event, through the real loop, rules and journal."""
    from orchestrator.adapters.ami.client import AmiClient
    from orchestrator.adapters.ami.settings import AmiSettings
    from orchestrator.config.rule_files import load_rules
    from orchestrator.core.durable import to_json
    from orchestrator.core.engine import Engine
    from orchestrator.core.events import AddressSeen, Observed
    from orchestrator.core.state import NodePolicy, Policy, TrunkPolicy
    from orchestrator.core.words import Observer, Outcome
    from orchestrator.runtime.clock import Clock
    from orchestrator.runtime.journal import Journal
    from orchestrator.runtime.loop import Loop

    names = ("pbx-a", "pbx-b")
    policy = Policy(
        (NodePolicy(names[0], "127.0.0.1", preferred=True), NodePolicy(names[1], "127.0.0.2")),
        (TrunkPolicy("trunk-reg", "trunk"),),
        learning_s=0.3,
    )
    engine = Engine(policy, load_rules([ROOT / "rules/*.yaml"], names))
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.sqlite")
        loop = Loop(
            engine,
            engine.start(clock.now()),
            journal=journal,
            clock=clock,
            execute=lambda command: None,
            durable=to_json,
            tick_s=policy.tick_s,
        )
        settings = AmiSettings("127.0.0.1", "bench", "bench", port)
        client = AmiClient(names[0], settings, loop.put)
        tasks = [asyncio.create_task(loop.run()), asyncio.create_task(client.run())]
        for name in names:  # the other observers, so that the pair leaves learning
            for observer in (Observer.SIP, Observer.HOST, Observer.ARI):
                loop.put(Observed(name, observer, Outcome.ANSWERS))
            loop.put(AddressSeen(name, name == names[0]))
        loop.put(Observed(names[1], Observer.AMI, Outcome.ANSWERS))
        async with asyncio.timeout(10):
            while len(loop.state.nodes[names[0]].contacts) < CONTACTS:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        done = asyncio.Event()
        loop.on_step.append(
            lambda _: done.set() if "Bench/end" in loop.state.nodes[names[0]].devices else None
        )
        begun = time.perf_counter()
        pipe.send("go")
        await done.wait()
        took = time.perf_counter() - begun
        node = loop.state.nodes[names[0]]
        print(
            f"  state afterwards: {len(node.contacts)} contacts, {len(node.channels)} channels, "
            f"{node.counters.calls_attempted} calls attempted, {node.counters.calls_failed} failed,"
            f" {loop.health.dropped} events dropped, longest step "
            f"{loop.health.longest_step_ms:.1f} ms, phase {loop.state.phase}"
        )
        assert node.counters.calls_attempted > 0 and not loop.health.dropped
        for task in tasks:
            task.cancel()
    return took


READERS = {"panoramisk": read_by_panoramisk, "orchestrator": read_by_orchestrator}


def measure(reader: str, count: int) -> tuple[float, float]:
    """Events per second and peak MB of one reader, in this process."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=play, args=(theirs, count), daemon=True)
    child.start()
    port, total = ours.recv()
    try:
        took = asyncio.run(READERS[reader](port, ours))
    finally:
        child.kill()
        child.join()
    return total / took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_alone(reader: str, count: int) -> tuple[float, float, str]:
    """Measure in a process of its own: its peak memory is its own."""
    command = [sys.executable, __file__, "--reader", reader, "--events", str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    *lines, last = done.stdout.splitlines()
    rate, rss_mb = json.loads(last)
    return rate, rss_mb, "".join(f"\n{line}" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--reader", choices=READERS, help="only this one, in this process")
    options = parser.parse_args()
    if options.reader:
        logging.basicConfig(level=logging.ERROR)
        print(json.dumps(measure(options.reader, options.events)))
        return
    print(f"{options.events} events of Asterisk 22 over loopback TCP, {CONTACTS} contacts known")
    found: dict[str, tuple[float, float]] = {}
    for _ in range(options.runs):  # in turns, best of each: other load hits both alike
        for reader in READERS:
            rate, rss_mb, lines = run_alone(reader, options.events)
            print(f"{reader:<14}{rate:>10,.0f} events/s   peak {rss_mb:6.1f} MB{lines}")
            best, most = found.get(reader, (0.0, 0.0))
            found[reader] = (max(best, rate), max(most, rss_mb))
    (ours, rss_mb), (theirs, _) = found["orchestrator"], found["panoramisk"]
    print(f"{'ratio':<14}{ours / theirs:>10.1f}")
    print(
        json.dumps(
            {
                "events_per_s": round(ours),
                "panoramisk_events_per_s": round(theirs),
                "peak_rss_mb": round(rss_mb, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
