"""What the orchestrator starts as a node's host agent: a relay to the simulated host.

``python -m orchestrator.simulator.hand --control SOCKET --node pbx-a``: JSON lines on stdin and
stdout, exactly as orchestrator/adapters/host/agent/ speaks them.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import sys

CHUNK = 65536


def relay(control: socket.socket) -> None:
    """Copy both ways until either side ends."""
    ends = {0: control.fileno(), control.fileno(): 1}
    while True:
        for source in select.select(list(ends), [], [])[0]:
            data = os.read(source, CHUNK)
            if not data:
                return
            while data:
                data = data[os.write(ends[source], data) :]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--control", required=True, help="the simulator's control socket")
    parser.add_argument("--node", required=True)
    arguments = parser.parse_args()
    control = socket.socket(socket.AF_UNIX)
    try:
        control.connect(arguments.control)
    except OSError as error:
        sys.exit(f"The simulator does not answer at {arguments.control} ({error}): is it up?")
    control.sendall(json.dumps({"do": "hand", "node": arguments.node}).encode() + b"\n")
    relay(control)


if __name__ == "__main__":
    main()
