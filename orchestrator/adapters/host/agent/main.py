"""Where the agent starts."""

import os
import signal

from .requests import Agent


def main() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        # Few and short turns, but on time: a busy host must not look like a silent one.
        flags = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, flags, os.sched_param(1))
    except (OSError, AttributeError):
        pass
    Agent().serve()
