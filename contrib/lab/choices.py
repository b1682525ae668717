"""What a lab can be asked to be, and the root file system of its Asterisk."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from contrib.lab.errors import LabError
from contrib.lab.filling import PROJECT
from contrib.lab.fleet_files import AGENTS_PER_QUEUE, MOST_PHONES, QUEUES

FEWEST_PHONES = AGENTS_PER_QUEUE * len(QUEUES)
PROFILES = ("normal", "fast")
MODES = {"overlap": "overlap", "single": "drain-first"}
"""The lab's modes, each with the drain mode that the orchestrator's configuration gets."""


def check(name: str, profile: str, mode: str, phones: int, *, chan_sip: bool) -> None:
    """LabError, before anything is made, when such a lab can't be."""
    if os.geteuid() != 0:
        raise LabError("The lab needs root (network namespaces): nothing was made. Use sudo.")
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        raise LabError(f"'{name}' can't name a lab: small letters, digits and '-', a letter first.")
    if profile not in PROFILES:
        raise LabError(f"There is no profile '{profile}': {' or '.join(PROFILES)}.")
    if mode not in MODES:
        raise LabError(f"There is no mode '{mode}': {' or '.join(MODES)}.")
    if phones and not FEWEST_PHONES <= phones <= MOST_PHONES:
        raise LabError(
            f"{phones} phones can't be: none, or {FEWEST_PHONES} (the agents) to {MOST_PHONES}."
        )
    if phones and chan_sip:
        raise LabError("chan_sip's phones have the numbers of the many phones: choose one.")


def root_file_system(asterisk: int) -> Path:
    """Made on the first use; 16 instead of 22 (said on stderr) where Debian sid can't be had."""
    script = PROJECT / "contrib" / "setup" / "rootfs"
    done = subprocess.run([script, str(asterisk)], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"No root file system with Asterisk {asterisk}: the lines above say why.")
    return Path(done.stdout.strip())
