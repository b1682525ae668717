"""Processes as /proc shows them (proc(5))."""

# ruff: noqa: UP031, PTH115, PTH123, PTH208

import os


def read_stat(pid: int) -> "tuple[str, str, int] | None":
    """(name, state letter, start time in ticks) from /proc/PID/stat; None: no process."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return None
    name = text[text.index("(") + 1 : text.rindex(")")]
    fields = text[text.rindex(")") + 2 :].split()
    return name, fields[0], int(fields[19])


def tasks_alive(pid: int) -> bool:
    try:
        return len(os.listdir("/proc/%d/task" % pid)) > 1
    except OSError:
        return False


def from_pidfile(pidfile: str, name: str) -> int:
    """The living process of that name that the file tells of; 0: none."""
    try:
        with open(pidfile) as file:
            pid = int(file.read(32))
    except (OSError, ValueError):
        return 0
    stat = read_stat(pid)
    return pid if stat and stat[0] == name and stat[1] not in "ZX" else 0


def by_name(name: str) -> int:
    """A living process of that name in this network namespace; 0: none."""
    own = network(os.getpid())
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        stat = read_stat(int(entry))
        if not stat or stat[0] != name or stat[1] in "ZX":
            continue
        if network(int(entry)) in (own, "") and not is_console(int(entry)):
            return int(entry)
    return 0


def network(pid: int) -> str:
    """The network namespace of a process; empty: not known."""
    try:
        return os.readlink("/proc/%d/ns/net" % pid)
    except OSError:
        return ""


def is_console(pid: int) -> bool:
    """``asterisk -r`` and ``-x`` are consoles of a running Asterisk, not Asterisk."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            words = file.read().split(b"\0")[1:]
    except OSError:
        return True
    return any(w[:1] == b"-" and set(w[1:]) & set(b"rRx") for w in words if w[:2] != b"--")
