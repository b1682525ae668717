"""One condition of readiness."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """``ok`` None: it cannot be told. ``why`` has the present values, ``do`` what helps.

    ``gates``: a planned move waits for it. What does not gate is only said.
    """

    name: str
    ok: bool | None
    why: str
    do: str = ""
    gates: bool = True
