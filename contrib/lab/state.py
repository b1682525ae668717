"""What is kept on disk about a lab, so that another process can go on with it or take it down."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from contrib.lab.errors import LabError

BASE = Path("/run/asterisk-orchestrator-lab")
MAX_LABS = 200


@dataclass(frozen=True, slots=True)
class Plan:
    """How a lab was asked for. `number` is the third part of its addresses."""

    name: str
    number: int
    asterisk: int
    root: str
    profile: str
    mode: str
    chan_sip: bool
    phones: int = 0

    @property
    def directory(self) -> Path:
        return BASE / self.name

    def write(self) -> None:
        path = self.directory / "lab.json"
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")


def read(name: str) -> Plan:
    """The plan of a lab that is up; LabError when there is none."""
    try:
        return Plan(**json.loads((BASE / name / "lab.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        there = ", ".join(names()) or "none"
        raise LabError(f"There is no lab '{name}' (labs that are up: {there}).") from error


def names() -> list[str]:
    return sorted(path.parent.name for path in BASE.glob("*/lab.json"))


@contextlib.contextmanager
def reserved() -> Iterator[int]:
    """A free lab number; nobody else can take it before the plan has been written."""
    BASE.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (BASE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        taken = set()
        for name in names():
            with contextlib.suppress(LabError):  # it was taken down in this moment
                taken.add(read(name).number)
        yield next(number for number in range(1, MAX_LABS) if number not in taken)
