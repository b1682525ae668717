"""Carries commands out: each one an adapter call with its deadline, its result an event.

A command never waits for another and never blocks the loop. Every failure is a ``CommandDone``
with a sentence; only a stop of the service leaves a command without a result, and the journal
shows that.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from orchestrator.core.commands import (
    AddAddress,
    AmiAction,
    AnyCommand,
    Compare,
    Evacuate,
    Fence,
    Fetch,
    HangUp,
    Mirror,
    Notify,
    PauseMember,
    ProbeNow,
    ProbePhone,
    Qualify,
    Reading,
    Recount,
    RegisterTrunk,
    Rejoin,
    RemoveAddress,
    RunHook,
    SetDrainFlag,
    SetMaintenance,
    UnregisterTrunk,
    Verify,
)
from orchestrator.core.events import CommandDone, Event
from orchestrator.core.words import FenceMethod, MirrorKind
from orchestrator.errors import ActionFailed, OrchestratorError
from orchestrator.runtime.carrying import Carrying
from orchestrator.runtime.describe import describe
from orchestrator.runtime.mirroring import Mirroring
from orchestrator.runtime.ports import Host, Manager, Ports

log = logging.getLogger(__name__)

INNER_SHARE = 0.9  # adapters that keep a deadline themselves say better what was missing


@dataclass(frozen=True, slots=True)
class _Outcome:
    ok: bool
    says: str
    data: Mapping[str, object] = field(default_factory=dict)


_DONE = _Outcome(True, "done")


class Executor:
    """Starts commands; ``put`` takes their results. In a dry run those that only read."""

    def __init__(
        self, ports: Ports, put: Callable[[Event], object], *, dry_run: bool = False
    ) -> None:
        self._ports = ports
        self._put = put
        self._dry_run = dry_run
        self._mirroring = Mirroring(ports, put)
        self._carrying = Carrying(ports, put)
        self._troubles: dict[tuple[str, type, MirrorKind], str] = {}
        self._running: set[asyncio.Task[None]] = set()

    def start(self, command: AnyCommand) -> None:
        """Begin it and return at once."""
        if self._dry_run and not isinstance(command, Reading):
            self._refuse(command)
        elif isinstance(command, Notify):
            self._ports.announcer.tell(command.severity, command.title, command.text)
        elif isinstance(command, ProbeNow):
            for prober in self._ports.nodes[command.node].probers:
                prober.probe_now()
        else:
            task = asyncio.create_task(self._carry_out(command), name=describe(command))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def _refuse(self, command: AnyCommand) -> None:
        """The core asks for nothing of the kind in a dry run; should it, it is not done."""
        says = "it was not done: this is a dry run"
        log.error("Internal error: %s was asked for; %s.", describe(command), says)
        self._put(CommandDone(command.id, command.epoch, False, says))

    async def stop(self) -> None:
        """Cancel what runs; results stay unknown, as the journal will show."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _carry_out(self, command: AnyCommand) -> None:
        outcome = await self._outcome(command)
        if isinstance(command, Fetch | Compare | Mirror):
            self._say_once(command, outcome)
        else:
            usual = logging.DEBUG if isinstance(command, Recount) else logging.INFO
            level = usual if outcome.ok else logging.WARNING
            log.log(level, "%s: %s", describe(command), outcome.says)
        self._put(CommandDone(command.id, command.epoch, outcome.ok, outcome.says, outcome.data))

    def _say_once(self, command: Fetch | Compare | Mirror, outcome: _Outcome) -> None:
        """The mirror asks many times a second: only a change of how it goes is worth a line."""
        what = (command.node, type(command), command.kind)
        trouble = "" if outcome.ok else outcome.says
        if trouble != self._troubles.get(what, ""):
            if trouble:
                log.warning("%s: %s. It is tried on.", describe(command), trouble.rstrip("."))
            else:
                log.info("%s: works again.", describe(command))
        self._troubles[what] = trouble

    async def _outcome(self, command: AnyCommand) -> _Outcome:
        try:
            async with asyncio.timeout(command.timeout_s):
                return await self._do(command)
        except TimeoutError:
            return _Outcome(
                False, f"no answer within {command.timeout_s:g} s; whether it was done is not known"
            )
        except OrchestratorError as error:
            return _Outcome(False, str(error))
        except Exception as error:
            log.exception("Internal error while carrying out %s", describe(command))
            return _Outcome(False, f"internal error: {type(error).__name__}: {error}")

    async def _do(self, command: AnyCommand) -> _Outcome:
        inner_s = command.timeout_s * INNER_SHARE
        match command:
            case AddAddress(node=node, epoch=epoch):
                await self._host(node).address_add(epoch)
            case RemoveAddress(node=node, epoch=epoch):
                await self._host(node).address_remove(epoch)
            case Fence(node=node, method=method, epoch=epoch):
                return await self._fence(node, method, epoch)
            case RegisterTrunk(node=node, registration=name, afresh=afresh):
                await self._manager(node).register_trunk(name, inner_s, afresh=afresh)
            case UnregisterTrunk(node=node, registration=name):
                await self._manager(node).unregister_trunk(name, inner_s)
            case SetDrainFlag(node=node, on=on):
                await self._manager(node).set_drain_flag(on)
            case SetMaintenance(node=node, endpoint=endpoint, on=on):
                await self._manager(node).set_maintenance(endpoint, on)
            case HangUp(node=node, channels=channels):
                await self._manager(node).hang_up(channels)
            case Recount(node=node):
                for gone in await self._manager(node).ghosts():
                    self._put(gone)
            case Verify():
                return await self._verify(inner_s)
            case RunHook(node=node, name=name):
                await self._host(node).run(self._ports.hooks[name], inner_s)
            case Fetch(node=node, kind=kind, keys=keys):
                await self._mirroring.fetch(node, kind, keys)
            case Compare(node=node, kind=kind, families=families):
                await self._mirroring.compare(node, kind, families)
            case Mirror():
                return _Outcome(*await self._mirroring.write(command))
            case Qualify(node=node, endpoints=endpoints):
                await self._mirroring.qualify(node, endpoints)
            case PauseMember(node=node, queue=queue, interface=who, paused=paused, reason=why):
                await self._manager(node).pause_member(queue, who, paused, why)
            case Evacuate():
                await self._carrying.evacuate(command)
            case Rejoin(node=node, call=call, channels=channels):
                await self._manager(node).rejoin(call, channels)
            case ProbePhone():
                await self._carrying.probe(command, inner_s)
            case AmiAction(node=node, action=action):
                reply = await self._manager(node).action(action, inner_s)
                return _Outcome(reply.ok, reply.message or "done")
            case ProbeNow() | Notify():
                raise AssertionError("started without a result")
            case _:
                assert_never(command)
        return _DONE

    def _manager(self, node: str) -> Manager:
        return self._ports.nodes[node].manager

    def _host(self, node: str) -> Host:
        host = self._ports.nodes[node].host
        if host is None:
            raise ActionFailed(
                f"{node} has no host configured, so nothing can be done on it; "
                f"add nodes.{node}.host"
            )
        return host

    async def _fence(self, node: str, method: FenceMethod, epoch: int) -> _Outcome:
        match method:
            case FenceMethod.ADDRESS:
                await self._host(node).address_remove(epoch)
                return _Outcome(True, f"the host of {node} no longer holds the virtual IP")
            case FenceMethod.KILL:
                await self._host(node).process_kill()
                return _Outcome(True, f"Asterisk on {node} was killed and is gone")
            case FenceMethod.ISOLATION:
                raise ActionFailed(
                    f"{node} has not said that it gave the virtual IP up, nor is its guard's lease "
                    "over"
                )
            case FenceMethod.COMMAND:
                await run_here(self._ports.fence_commands.get(node, ()))
                return _Outcome(True, f"the fencing command says that {node} is off")
            case _:
                assert_never(method)

    async def _verify(self, timeout_s: float) -> _Outcome:
        proof = await self._ports.test_service(timeout_s)
        data = {"contact_host": proof.contact_host, "answer_ms": proof.answer_ms}
        return _Outcome(proof.ok, proof.says, data)


async def run_here(argv: tuple[str, ...]) -> None:
    """Run an argument list beside the orchestrator; raises unless it exits with 0.

    A caller that stops waiting kills it.
    """
    if not argv:
        raise ActionFailed("no fencing command is configured (fencing.command)")
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise ActionFailed(f"{argv[0]} cannot be run: {error.strerror}") from error
    try:
        _, stderr = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode:
        words = stderr.decode(errors="replace").strip()[-200:]
        raise ActionFailed(f"{argv[0]} ended with exit code {process.returncode}: {words}")
