"""Runs commands, here and inside network namespaces."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from contrib.lab.errors import LabError


def run(
    argv: Sequence[str], *, stdin: str | None = None, check: bool = True, timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """Runs `argv` to its end; LabError with what it printed when it fails (unless not `check`)."""
    try:
        done = subprocess.run(
            list(argv), input=stdin, capture_output=True, text=True, check=False, timeout=timeout_s
        )
    except subprocess.TimeoutExpired as late:
        raise LabError(f"'{' '.join(argv)}' did not end within {timeout_s:g} s.") from late
    except FileNotFoundError as missing:
        raise LabError(
            f"'{argv[0]}' is not installed: run contrib/setup/packages as root."
        ) from missing
    if check and done.returncode != 0:
        words = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise LabError(f"'{' '.join(argv)}' failed: {words}")
    return done


def in_namespace(namespace: str, argv: Sequence[str]) -> list[str]:
    """`argv` as it has to be called to run inside `namespace` (with that namespace's /sys)."""
    return ["ip", "netns", "exec", namespace, *argv]
