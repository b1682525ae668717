"""One real Asterisk: its directories and configuration, its start, its command line."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from contrib.lab import processes
from contrib.lab.errors import LabError
from contrib.lab.filling import OWN, SHIPPED, fill
from contrib.lab.fleet_files import fleet_files
from contrib.lab.processes import Process
from contrib.lab.shell import in_namespace, run
from contrib.lab.state import Plan

PHONE_NUMBERS = range(1001, 1021)
BOOT_DEADLINE_S = 60.0
DEBIANS_OWN = (
    *("acl", "ccss", "cel", "confbridge", "features", "geolocation", "indications"),
    *("musiconhold", "pjproject", "pjsip_notify", "queuerules", "statsd", "udptl"),
)
"""Configuration that the lab takes as Debian ships it, with the root file system."""

# The mounts live in a mount namespace that ends with Asterisk: nothing is ever left to unmount.
# /run of the root file system is hidden behind a tmpfs, so that the shared root is not written to.
_START = """
set -e
mount --rbind /dev "$1/dev"
mount --bind /proc "$1/proc"
mount -t tmpfs tmpfs "$1/run"
mkdir -p "$1$2"
mount --bind "$2" "$1$2"
ulimit -c 0
exec chroot "$1" asterisk -f -C "$2/etc/asterisk.conf"
"""


class Asterisk:
    """`directory` holds all that is this instance's own and has the same path inside its root."""

    def __init__(self, namespace: str, directory: Path, root: Path, label: str) -> None:
        self.namespace = namespace
        self.directory = directory
        self.root = root
        self.label = label

    @property
    def process(self) -> Process | None:
        return processes.recorded(self.directory / "asterisk.process")

    @property
    def state(self) -> str:
        """`running`, `stopped` (SIGSTOP) or `gone`."""
        return self.process.state if self.process else "gone"

    def configure(
        self, values: Mapping[str, object], files: Mapping[str, str], *, chan_sip: bool = False
    ) -> None:
        """Makes the directories and writes `files` and what every instance has, filled."""
        for name in ("etc", "db", "spool", "run", "log", "log/cdr-csv", "db/keys"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        modules = self._modules_directory()
        wanted = [*_wanted_modules(), *(["chan_sip"] if chan_sip else [])]
        present = [one for one in wanted if (self.root / modules[1:] / f"{one}.so").exists()]
        common = {**values, "directory": self.directory, "modules_directory": modules}
        written = {
            "asterisk.conf": fill(OWN / "asterisk.conf", common),
            "logger.conf": fill(OWN / "logger.conf", common),
            "cdr.conf": fill(OWN / "cdr.conf", common),
            "modules.conf": "[modules]\nautoload=no\n"
            + "".join(f"load={one}.so\n" for one in present),
            **files,
        }
        shipped = [self.root / "etc/asterisk" / f"{name}.conf" for name in DEBIANS_OWN]
        for path in shipped:
            if path.exists():
                shutil.copyfile(path, self.directory / "etc" / path.name)
        for name, text in written.items():
            path = self.directory / "etc" / name
            path.write_text(text, encoding="utf-8")
            path.chmod(0o600)

    def _modules_directory(self) -> str:
        for found in sorted(self.root.glob("usr/lib/**/asterisk/modules")):
            return f"/{found.relative_to(self.root)}"
        raise LabError(
            f"{self.root} has no Asterisk modules: remove it and run contrib/setup/rootfs."
        )

    def start(self) -> None:
        """Starts the process, without waiting until it serves (see `wait_booted`)."""
        if self.state != "gone":
            raise LabError(f"{self.label} is {self.state} already: nothing was started.")
        for name in ("asterisk.ctl", "asterisk.pid"):
            (self.directory / "run" / name).unlink(missing_ok=True)
        script = ["sh", "-c", _START, "start", str(self.root), str(self.directory)]
        command = ["unshare", "--mount", "--propagation", "private", *script]
        processes.start(
            in_namespace(self.namespace, command),
            self.directory / "asterisk.process",
            self.directory / "log" / "console",
        )

    def wait_booted(self) -> None:
        """Returns when Asterisk says it is fully booted."""
        deadline = time.monotonic() + BOOT_DEADLINE_S
        while time.monotonic() < deadline:
            if self.state == "gone":
                break
            if (self.directory / "run" / "asterisk.ctl").exists():
                answer = self._remote("core waitfullybooted", deadline - time.monotonic())
                if "fully booted" in answer:
                    return
            time.sleep(0.02)
        console = (self.directory / "log" / "console").read_text(encoding="utf-8", errors="replace")
        raise LabError(
            f"Asterisk of {self.label} did not start ({self.state}). It printed last:\n"
            + "\n".join(console.splitlines()[-10:])
        )

    def cli(self, command: str, timeout_s: float = 10) -> str:
        """What Asterisk's command line answers (asterisk -rx)."""
        if self.state != "running":
            raise LabError(f"Asterisk of {self.label} is {self.state}: it can't be asked anything.")
        return self._remote(command, timeout_s)

    def _remote(self, command: str, timeout_s: float) -> str:
        process = self.process
        if not process:
            return ""
        enter = ["nsenter", "--target", str(process.pid), "--mount", "--root"]
        config = f"{self.directory}/etc/asterisk.conf"
        asked = [*enter, "asterisk", "-C", config, "-rx", command]
        return run(asked, check=False, timeout_s=timeout_s).stdout


def node_files(values: Mapping[str, object], plan: Plan) -> dict[str, str]:
    """The configuration of a node of the pair: shipped snippets and the lab's own files."""
    phones = [fill(OWN / "node" / "phone.conf", {**values, "phone": one}) for one in PHONE_NUMBERS]
    shipped = {
        "pjsip-transport.conf": f"pjsip-transport-{plan.mode}.conf",
        **{
            name: name
            for name in (
                "pjsip-peernode.conf",
                "extensions-drain.conf",
                "extensions-evacuate.conf",
                "manager.conf",
                "ari.conf",
                "http.conf",
            )
        },
    }
    own = ("pjsip.conf", "sip.conf", "extensions.conf", "queues.conf")
    return {
        **{name: fill(SHIPPED / source, values) for name, source in shipped.items()},
        **{name: fill(OWN / "node" / name, values) for name in own},
        "pjsip-phones.conf": "".join(phones),
        **fleet_files(values, plan.phones, chan_sip=plan.chan_sip),
    }


def provider_files(values: Mapping[str, object]) -> dict[str, str]:
    """The configuration of the trunk provider."""
    own = ("pjsip.conf", "extensions.conf")
    return {
        **{name: fill(OWN / "provider" / name, values) for name in own},
        "pjsip-contacts.conf": "max_contacts=1\n",
    }


def _wanted_modules() -> list[str]:
    lines = (OWN / "modules.txt").read_text(encoding="utf-8").splitlines()
    return [module for line in lines if not line.startswith("#") for module in line.split()]
