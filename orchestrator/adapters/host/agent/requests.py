"""What the orchestrator asks for, and the answers."""

# ruff: noqa: UP031

import os
import time
from typing import Any, Callable  # noqa: UP035 (collections.abc has no subscript before 3.9)

from .address import Address
from .duty import Duty
from .lines import Lines
from .loop import Loop
from .run import Run
from .settings import Settings
from .trouble import Trouble

VERSION = 1
MOST_RUNS = 8
CHANGING = ("address_add", "address_remove", "process_kill", "run")


class Agent:
    def __init__(self, source: int = 0, target: int = 1) -> None:
        self.loop = Loop()
        self.lines = Lines(self.loop, source, target, self.received)
        self.leaving = False
        self.runs: set[Run] = set()
        self.duty: Duty | None = None
        self.requests: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
            "configure": self.do_configure,
            "ping": lambda request: {"clock": time.time()},
            "lease": self.do_lease,
            "address_add": self.do_address_add,
            "address_remove": self.do_address_remove,
            "address_check": self.do_address_check,
            "process_kill": self.do_process_kill,
            "run": self.do_run,
        }

    def serve(self) -> None:
        while not self.leaving:
            self.loop.turn()
            if self.duty.look() if self.duty else not self.lines.open:
                self.leaving = True
        self._unconfigure()
        for run in self.runs:
            run.kill()

    def received(self, request: "dict[str, Any]") -> None:
        call = self.requests.get(str(request.get("do")))
        try:
            if not call:
                raise Trouble(
                    "unknown request %r; known are %s"
                    % (request.get("do"), ", ".join(sorted(self.requests)))
                )
            if request["do"] in CHANGING and self.duty and self.duty.settings.watch_only:
                raise Trouble("nothing was changed: this agent only watches")
            answer = call(request)
        except PermissionError as error:
            words = "the agent needs root on this host; it runs as uid %d: %s"
            self._reply(request, {"ok": False, "error": words % (os.geteuid(), error)})
        except (Trouble, OSError) as error:
            self._reply(request, {"ok": False, "error": str(error)})
        except (KeyError, TypeError, ValueError) as error:
            words = "%s: bad or missing value: %s" % (request.get("do"), error)
            self._reply(request, {"ok": False, "error": words})
        else:
            if answer is not None:
                self._reply(request, answer)

    def _reply(self, request: "dict[str, Any]", answer: "dict[str, Any]") -> None:
        self.lines.send(dict({"id": request.get("id"), "ok": True}, **answer))

    def do_configure(self, request: "dict[str, Any]") -> "dict[str, Any]":
        settings = Settings(request)
        address = Address(settings.interface, settings.virtual_ip, settings.route_source)
        self._unconfigure()
        duty = self.duty = Duty(self.loop, self.lines, address, settings, self._leave)
        duty.start()
        return dict(
            duty.picture(),
            version=VERSION,
            guards=bool(duty.guard.witnesses),
            kernel_events=bool(duty.process.kernel),
            clock=time.time(),
        )

    def _unconfigure(self) -> None:
        if self.duty:
            self.duty.close()
            self.duty = None

    def _configured(self) -> Duty:
        if not self.duty:
            raise Trouble("not configured yet; send configure first")
        return self.duty

    def _leave(self) -> None:
        self.leaving = True

    def do_lease(self, request: "dict[str, Any]") -> None:
        stamp = float(request["stamp"])
        if self.duty:
            self.duty.guard.renew(stamp)

    def do_address_add(self, request: "dict[str, Any]") -> "dict[str, Any]":
        duty, epoch = self._configured(), int(request["epoch"])
        if epoch < duty.highest_epoch:
            raise Trouble(
                "the address was not added: the order is of epoch %d, but one of epoch %d has come"
                " before it, so it is of the past; the orchestrator decides anew"
                % (epoch, duty.highest_epoch)
            )
        duty.highest_epoch = epoch
        duty.guard.start_lease()
        return {"added": duty.holding.add(), "address": True}

    def do_address_remove(self, request: "dict[str, Any]") -> "dict[str, Any]":
        # Never refused: to remove is always safe.
        duty, epoch = self._configured(), int(request["epoch"])
        duty.highest_epoch = max(duty.highest_epoch, epoch)
        return {"removed": duty.holding.remove(), "address": False}

    def do_address_check(self, request: "dict[str, Any]") -> "dict[str, Any]":
        return {"address": self._configured().holding.check()}

    def do_process_kill(self, request: "dict[str, Any]") -> "dict[str, Any] | None":
        process = self._configured().process
        timeout_s = float(request.get("timeout_s", 2.0))
        process.look()
        pid, start = process.pid, self.loop.lived
        if not process.alive():
            return {"killed": False, "detail": process.detail}
        process.kill()

        def check() -> None:
            process.look()
            if process.pid != pid or not process.alive():
                timer.cancelled = True
                self._reply(request, {"killed": True, "detail": "process %d is gone" % pid})
            elif self.loop.lived - start > timeout_s:
                timer.cancelled = True
                words = "process %d got SIGKILL but is still there after %g s" % (pid, timeout_s)
                self._reply(request, {"ok": False, "error": words})

        timer = self.loop.every(0.001, check)
        return None

    def do_run(self, request: "dict[str, Any]") -> None:
        argv = request["argv"]
        words = isinstance(argv, list) and argv and all(isinstance(word, str) for word in argv)
        if not words:
            raise Trouble("argv must be a list of strings: a program and its arguments")
        if len(self.runs) >= MOST_RUNS:
            raise Trouble("%d commands are running already; not started" % MOST_RUNS)

        def done(run: Run) -> None:
            self.runs.discard(run)
            self._reply(request, run.result())

        self.runs.add(Run(self.loop, argv, float(request.get("timeout_s", 10.0)), done))
