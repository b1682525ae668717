"""``python -m contrib.demo {lab|simulator}``: the story; ends 0 only if all of it happened."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from types import FrameType
from typing import Any

from contrib.demo.story import Story, Untrue, demo_configuration
from contrib.lab.errors import LabError
from contrib.lab.service import Service
from orchestrator.simulator import Lab as SimulatedLab
from orchestrator.simulator import LabError as SimulatorError

LOG_TAIL = 25


def main() -> int:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("on", choices=("lab", "simulator"))
    parser.add_argument("--asterisk", type=int, choices=(22, 16), default=22)
    parser.add_argument("--profile", choices=("normal", "fast"), default="fast")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _lab(arguments) as lab:
            return _tell(lab)
    except (LabError, SimulatorError) as error:
        print(f"The demo could not begin: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nInterrupted; everything that was started has been taken down.", file=sys.stderr)
        return 130
    return 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _lab(arguments: argparse.Namespace) -> Any:
    name = f"demo-{os.getpid()}"
    if arguments.on == "simulator":
        print("Starting two simulated Asterisk nodes and a provider on loopback ...", flush=True)
        return SimulatedLab.up(name, arguments.profile)
    from contrib.lab import Lab  # needs root

    print("Starting two real Asterisk nodes and a provider in network namespaces ...", flush=True)
    return Lab.up(name, arguments.asterisk, arguments.profile)


def _tell(lab: Any) -> int:
    service = Service(lab)
    service.config = demo_configuration(lab)
    try:
        with service:
            Story(lab, service).tell()
    except (Untrue, LabError, SimulatorError) as error:
        print(f"\nNOT AS IT MUST BE: {error}.", file=sys.stderr)
        lines = service.log.read_text(encoding="utf-8", errors="replace").splitlines()
        print(f"The last lines of the orchestrator's log:\n{chr(10).join(lines[-LOG_TAIL:])}")
        return 1
    print("\nAll of it happened: crash, standby again, drained switchover, gated failback.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
