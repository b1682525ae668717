"""The agent as it goes to a host: a bootstrap for its command line, modules for its stdin."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.adapters.host import bootstrap

FOLDER = Path(__file__).with_name("agent")


def _name(stem: str) -> str:
    return bootstrap.PACKAGE if stem == "__init__" else f"{bootstrap.PACKAGE}.{stem}"


def _modules() -> bytes:
    sources = {_name(path.stem): path.read_text("utf-8") for path in sorted(FOLDER.glob("*.py"))}
    data = json.dumps(sources).encode()
    return b"%08d" % len(data) + data


# Read once: what runs on the hosts fits this process even while a newer version is installed.
OPTIONS = ("-I", "-S", "-u", "-c", Path(bootstrap.__file__).read_text("utf-8"))  # of python3
MODULES = _modules()  # for stdin, before any request
