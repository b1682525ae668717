"""Each node's own sshd, in its namespace and on the machine's file system."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from contrib.lab import processes
from contrib.lab.filling import OWN, fill
from contrib.lab.node import Node
from contrib.lab.shell import in_namespace, run


def make_keys(directory: Path, addresses: Sequence[str]) -> None:
    """A host key for the nodes, a client key for root, and `known_hosts` with both nodes in it."""
    for name in ("host_ed25519", "id_ed25519"):
        path = directory / name
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(path)])
    public = (directory / "host_ed25519.pub").read_text(encoding="utf-8").rsplit(" ", 1)[0]
    lines = "".join(f"{address} {public}\n" for address in addresses)
    (directory / "known_hosts").write_text(lines, encoding="utf-8")


def start_sshd(directory: Path, place: str, node: Node) -> None:
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # Debian's sshd insists on it
    values = {
        "own_address": node.address,
        "lab_directory": directory,
        "use_pam": "yes" if _root_is_locked() else "no",
    }
    config = directory / place / "sshd_config"
    config.write_text(fill(OWN / "sshd_config", values), encoding="utf-8")
    command = ["/usr/sbin/sshd", "-D", "-e", "-f", str(config)]
    processes.start(
        in_namespace(node.namespace, command),
        directory / place / "sshd.process",
        directory / place / "log" / "sshd",
    )


def _root_is_locked() -> bool:
    """Without PAM, sshd refuses an account whose password field begins with '!'."""
    lines = Path("/etc/shadow").read_text(encoding="utf-8").splitlines()
    return any(line.startswith("root:!") for line in lines)
