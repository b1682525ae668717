"""The host agent: the orchestrator's hands and eyes on a node's host.

Standard library only, Python 3.6 or later: the orchestrator pipes these modules to ``python3`` on
the node (over SSH or as a child process); nothing is installed there. They import each other
relatively, because there the package is named otherwise (../bootstrap.py). The agent runs as root
and speaks JSON lines: requests ``{"id": n, "do": "...", ...}`` on stdin, one reply each
``{"id": n, "ok": true|false, "error": "words", ...}`` and unasked ``{"event": "...", ...}`` lines
on stdout. One poll() loop, no threads; nothing in it blocks for more than a millisecond or so.

Requests: configure, address_add, address_remove, address_check, process_kill, run, ping; and
``lease`` (no reply), which echoes the ``stamp`` of a heartbeat and so proves that the orchestrator
heard it. Events: alive (heartbeat), process, address, peer, gave_up_address, protocol_error.

``address_add`` and ``address_remove`` carry the ``epoch`` of the order; one to add with a lower
epoch than the highest since ``configure`` is refused. A new ``configure`` (each connection begins
with one) starts afresh, so that an orchestrator that lost its journal, and counts from 0, can work.

Old Pythons and a fast start: no ``from __future__ import annotations``, pathlib or contextlib.
"""
