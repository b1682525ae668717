"""The service: configuration, journal, core and adapters put together, run, and ended in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import logging.handlers
import queue
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from orchestrator import __version__
from orchestrator.config import Settings, load, load_settings_rules
from orchestrator.core.commands import AnyCommand
from orchestrator.core.durable import Durable, from_json, to_json
from orchestrator.core.engine import Engine
from orchestrator.core.mirroring.memory import ledger_of
from orchestrator.core.rulebook.explain import explain
from orchestrator.core.rulebook.trying import Tried, try_expression
from orchestrator.core.state import Pair
from orchestrator.errors import ConfigError, JournalError, OrchestratorError
from orchestrator.runtime import record_file
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.control import ControlServer
from orchestrator.runtime.desk import Desk
from orchestrator.runtime.executor import Executor
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.loop import Loop
from orchestrator.runtime.ports import Source
from orchestrator.runtime.recorder import Recorder
from orchestrator.runtime.reloading import Reloading
from orchestrator.runtime.sd_notify import sd_notify, watchdog_s
from orchestrator.runtime.wiring import wire

log = logging.getLogger(__name__)

JOURNAL = "journal.sqlite"
# The pair's own stay as they are.
DRY_RUN_FILES = ("dry-run.sqlite", "dry-run-record.sqlite")
RESTART_PAUSE_S = 1.0
STATUS_EVERY_S = 1.0


@contextlib.contextmanager
def logging_to_stderr() -> Iterator[None]:
    """Plain lines: time, level, sentence. Written by a thread: a full pipe must not stop us."""
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(lines, stream)
    handler = logging.handlers.QueueHandler(lines)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    logging.getLogger("panoramisk").setLevel(logging.WARNING)
    logging.getLogger("apprise").setLevel(logging.WARNING)
    listener.start()
    try:
        yield
    finally:
        listener.stop()


def check(config: Path) -> tuple[list[str], str]:
    """All problems of the configuration and its rules, and a summary for when there are none."""
    try:
        settings = load(config)
        rules = load_settings_rules(settings)
    except ConfigError as error:
        return error.problems, ""
    nodes = " and ".join(settings.nodes)
    return [], f"{config} is sound: pair {settings.pair} of {nodes}, {len(rules.rules)} rules."


def serve(config: Path, *, dry_run: bool = False) -> bool:
    """Run until SIGTERM or SIGINT. False: it could not start; the log says why."""
    with logging_to_stderr():
        try:
            settings = load(config)
            asyncio.run(Service(config, settings, dry_run=dry_run).run())
        except OrchestratorError as error:
            for line in str(error).splitlines():
                log.critical("%s", line)
            return False
    return True


class Service:
    """Everything that runs, for one pair."""

    def __init__(self, config: Path, settings: Settings, *, dry_run: bool = False) -> None:
        """Read rules and journal. Raises what ``errors`` has for each."""
        self._settings = settings
        self._clock = Clock()
        self._dry_run = dry_run
        policy = replace(settings.policy(), dry_run=dry_run)
        engine = Engine(policy, load_settings_rules(settings))
        files = DRY_RUN_FILES if dry_run else (JOURNAL, record_file.NAME)
        self._journal = Journal(settings.state_dir / files[0])
        self._loop = Loop(
            engine,
            self._first_state(engine),
            journal=self._journal,
            clock=self._clock,
            execute=self._execute,
            durable=to_json,
            tick_s=policy.tick_s,
        )
        self._recorder = Recorder(settings.state_dir / files[1], policy, lambda: self._loop.state)
        self._loop.on_step.append(self._recorder.listen)
        self._reloading = Reloading(config, settings, engine, self._loop)
        wiring = wire(settings, policy, self._loop.put)
        self._sources = wiring.sources
        self._executor = Executor(wiring.ports, self._loop.put, dry_run=dry_run)
        desk = Desk(
            pair=settings.pair,
            policy=policy,
            loop=self._loop,
            journal=self._journal,
            clock=self._clock,
            explain=lambda state, now, rule: _explain(self._reloading.engine, state, now, rule),
            attempt=self._try,
            reload=self._reloading.reload,
        )
        self._control = ControlServer(settings.control_socket, desk)

    def _try(self, state: Pair, now: float, expression: str) -> Tried:
        engine = self._reloading.engine
        return try_expression(expression, engine.rules, state, engine.policy, now)

    def _execute(self, command: AnyCommand) -> None:
        self._executor.start(command)

    def _first_state(self, engine: Engine) -> Pair:
        now = self._clock.now()
        for intent in self._journal.give_up_unfinished(now):
            log.warning(
                "The last run ended while this was under way: %s. Whether it was done is looked "
                "up, not assumed.",
                intent.what,
            )
        remembered = self._journal.state()
        if remembered is None:
            log.info("The journal is new: who is active is learnt from the nodes.")
            return engine.start(now)
        durable = _understood(remembered, self._journal)
        if self._dry_run:  # others moved the pair meanwhile: who was active is no evidence
            durable = replace(durable, active="")
        ledger = ledger_of(self._journal.mirrored())
        return engine.resume(replace(durable, ledger=ledger), now)

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT, then end in order."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hung_up)
        await self._control.start()
        tasks = [asyncio.create_task(_keep_running(*source)) for source in self._sources]
        tasks.append(asyncio.create_task(self._loop.run()))
        tasks.append(asyncio.create_task(self._tell_systemd()))
        log.info(
            "asterisk-orchestrator %s runs for pair %s; commands at %s.",
            __version__,
            self._settings.pair,
            self._settings.control_socket,
        )
        if self._dry_run:
            log.warning(
                "Dry run: nothing is changed and nobody is told; what would be done is said here "
                "and written to %s.",
                self._journal.path,
            )
        sd_notify("READY=1")
        try:
            await stop.wait()
        finally:
            sd_notify("STOPPING=1")
            await self._end(tasks)

    def _hung_up(self) -> None:
        """SIGHUP; what comes of it is in the log."""
        self._reload = asyncio.create_task(self._reloading.reload("SIGHUP"))

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        log.info("Stopping. Nothing is moved by that; the nodes stay as they are.")
        await self._control.stop()
        await self._executor.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._loop.finish()
        self._recorder.close(self._clock.now())
        self._journal.close()

    async def _tell_systemd(self) -> None:
        """Only a loop that really steps feeds the watchdog."""
        pause_s = min((watchdog_s() or 2 * STATUS_EVERY_S) / 2, STATUS_EVERY_S)
        seen_at = -1.0
        while True:
            health = self._loop.health
            if health.stepped_at != seen_at:
                sd_notify(f"WATCHDOG=1\nSTATUS={self._headline()}")
            seen_at = health.stepped_at
            await asyncio.sleep(pause_s)

    def _headline(self) -> str:
        state, trouble = self._loop.state, self._loop.health.trouble
        dry = "dry run, nothing is changed; " if self._dry_run else ""
        if trouble:
            return f"{dry}decides nothing: {trouble}"
        held = f", held by {state.hold.by}" if state.hold else ""
        nodes = ", ".join(f"{name} {node.verdict}" for name, node in sorted(state.nodes.items()))
        return f"{dry}active: {state.active or 'not known'}; {state.phase}{held}; {nodes}"


def _understood(remembered: dict[str, object], journal: Journal) -> Durable:
    try:
        return from_json(remembered)
    except (ValueError, KeyError, TypeError) as error:
        raise JournalError(
            f"The record in {journal.path} is not understood ({error}). Nothing was started. "
            "Install the version that wrote it, or move the file away: the orchestrator then "
            "learns from the nodes who is active."
        ) from error


def _explain(engine: Engine, state: Pair, now: float, rule: str) -> list[str]:
    """The rule, or the last decisions and every rule."""
    rules = explain(engine.rules, state, engine.policy, now, rule or None)
    return rules if rule else [*state.notes, *rules]


async def _keep_running(name: str, source: Source) -> None:
    """An adapter never ends by itself; one that does has a bug and is started again."""
    while True:
        try:
            await source.run()
            log.error("Internal error: %s ended; it is started again.", name)
        except Exception:
            log.exception("Internal error in %s; it is started again.", name)
        await asyncio.sleep(RESTART_PAUSE_S)
