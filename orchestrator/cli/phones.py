"""``phones``: which ones the standby could call now, and what they do with a REFER."""

from __future__ import annotations

import typer

app = typer.Typer(help="The phones: which of them are ready on the standby.")
