"""Exit codes of the command line; ``docs/operations.md`` lists them."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What a script may rely on."""

    OK = 0
    FAILED = 1  # the configuration has problems, or the service cannot start
    USAGE = 2  # the command line was not understood
    NOT_RUNNING = 3  # no service answers on the control socket
    REFUSED = 4  # the service refused the order and said why
    NOT_MOVED = 5  # --wait: the move ended rolled back, aborted or held
    WARNED = 6  # rules check: no error, but warnings
