"""The lab does what it says: real calls, faults that are real, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from contrib.lab import Lab, LabError
from contrib.lab.calls import stream

PROJECT = Path(__file__).resolve().parents[2]
LAB = PROJECT / "contrib" / "lab" / "lab"


def held(lab: Lab, target: str, number: str = "600", calls: int = 2, seconds: float = 1) -> Any:
    """What became of calls that were held for some seconds."""
    with holding(lab, target, number, calls, seconds) as watcher:
        lines = watcher.communicate(timeout=60)[0].splitlines()
    return json.loads(lines[-1])


@contextmanager
def holding(
    lab: Lab, target: str, number: str = "600", calls: int = 2, seconds: float = 60
) -> Iterator[subprocess.Popen[str]]:
    """Calls that are up inside the block; SIGINT makes the watcher sum up."""
    command = ["-m", "contrib.lab.held", "--target", target, "--number", number]
    command += ["--address", lab.network.address("client")]
    command += ["--calls", str(calls), "--seconds", str(seconds)]
    watcher = lab.popen_python("client", command, stdout=subprocess.PIPE)
    try:
        assert watcher.stdout and json.loads(watcher.stdout.readline())["event"] == "up"
        yield watcher
    finally:
        watcher.send_signal(signal.SIGINT)  # hangs up
        watcher.wait(30)


def summary(watcher: subprocess.Popen[str]) -> Any:
    watcher.send_signal(signal.SIGINT)
    return json.loads(watcher.communicate(timeout=30)[0].splitlines()[-1])


def until(met: Callable[[], bool], within_s: float = 30) -> bool:
    deadline = time.monotonic() + within_s
    while not met():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def reaches(lab: Lab, address: str) -> bool:
    """Whether the control place gets a TCP connection to AMI there, with its greeting."""
    code = (
        "import socket,sys; s=socket.create_connection((sys.argv[1],5038),1); s.settimeout(1); "
        "sys.exit(not s.recv(8).startswith(b'Asterisk'))"
    )
    return lab.run_in("ctl", [sys.executable, "-c", code, address], check=False).returncode == 0


def test_a_call_to_the_virtual_ip_lives_on_the_nodes_own_address(lab: Lab) -> None:
    told = held(lab, lab.virtual_ip)
    assert (told["held"], told["cut"], told["refused"]) == (2, 0, 0)
    assert told["servers"] == [lab.node("a").address]


def test_calls_go_on_when_the_virtual_ip_moves(lab: Lab) -> None:
    with holding(lab, lab.virtual_ip, calls=3) as watcher:
        lab.move_vip("b")
        new = held(lab, lab.virtual_ip)
        time.sleep(2)
        old = summary(watcher)
    assert new["servers"] == [lab.node("b").address] and new["held"] == 2
    assert old["servers"] == [lab.node("a").address] and old["held"] == 3 and old["cut"] == 0
    assert old["longest_silence_ms"] < 500


def test_sipp_calls_go_on_when_the_virtual_ip_moves(lab: Lab) -> None:
    mover = subprocess.Popen(["sh", "-c", f"sleep 2; exec {LAB} vip b --name {lab.name}"])
    told = stream(lab, lab.virtual_ip, "600", rate=5, seconds=3, hold_s=2)
    assert mover.wait(10) == 0
    assert (told["calls"], told["held"], told["refused"], told["cut"]) == (15, 15, 0, 0)


def test_calls_by_the_trunk_both_ways(lab: Lab) -> None:
    into = held(lab, lab.provider.address, "5550100")
    out = held(lab, lab.virtual_ip, "91234")
    assert into["held"] == 2 and out["held"] == 2
    assert lab.node("a").trunk == "Registered" and lab.node("b").trunk == "Unregistered"
    assert lab.provider.registered() == lab.node("a").address


def test_phones_register_and_queue_calls_reach_them(lab: Lab) -> None:
    command = ["-m", "contrib.lab.phones", "--target", lab.virtual_ip]
    command += ["--address", lab.network.phone_addresses[0], "--numbers", "1001", "1002"]
    phones = lab.popen_python("client", command, stdout=subprocess.PIPE)
    try:
        assert phones.stdout
        told = [json.loads(phones.stdout.readline()) for _ in range(2)]
        assert {one["event"] for one in told} == {"registered"}
        assert held(lab, lab.virtual_ip, "1002", calls=1)["held"] == 1
        assert held(lab, lab.virtual_ip, "700", calls=1)["held"] == 1
        assert held(lab, lab.provider.address, "5550700", calls=1)["held"] == 1
    finally:
        phones.send_signal(signal.SIGINT)
        called = [json.loads(line) for line in phones.communicate(timeout=10)[0].splitlines()]
    assert sum(one["event"] == "call" for one in called) == 3


@pytest.mark.parametrize("flag", ["redirect", "bridge"])
def test_the_drain_dialplan_sends_new_calls_to_the_other_node(lab: Lab, flag: str) -> None:
    lab.node("a").cli(f"database put orchestrator drain {flag}")
    with holding(lab, lab.virtual_ip, calls=2):
        on_a, on_b = lab.node("a").calls, lab.node("b").calls
    with holding(lab, lab.provider.address, "5550100", calls=1):
        trunk_on_b = lab.node("b").cli("core show channels")
    assert on_b == 2
    assert on_a == (0 if flag == "redirect" else 2)  # a bridging node keeps carrying the call
    assert "PJSIP/peernode-" in trunk_on_b


def test_kill_ends_the_process_and_cuts_its_calls(lab: Lab) -> None:
    node = lab.node("a")
    with holding(lab, lab.virtual_ip) as watcher:
        node.kill()
        assert node.state == "gone" and node.pid is None
        told = summary(watcher)
    assert told["cut"] == 2
    node.start()
    assert node.state == "running" and held(lab, lab.virtual_ip)["held"] == 2


def test_stop_hangs_and_continue_goes_on(lab: Lab) -> None:
    node = lab.node("a")
    assert reaches(lab, node.address)
    node.stop()
    assert node.state == "stopped" and not reaches(lab, node.address)
    node.cont()
    assert node.state == "running" and reaches(lab, node.address)


def test_unplug_and_plug(lab: Lab) -> None:
    node = lab.node("a")
    node.unplug()
    link = lab.run_in("a", ["cat", "/sys/class/net/eth0/carrier"]).stdout
    assert link.strip() == "0" and not reaches(lab, node.address)
    assert node.state == "running" and lab.vip_holder() == "a"
    node.plug()
    assert until(lambda: reaches(lab, node.address)), "the carrier takes a moment to be up"


def test_lossy_loses_part_of_the_packets(lab: Lab) -> None:
    node = lab.node("a")
    node.lossy(50)
    ping = ["ping", "-q", "-i", "0.02", "-c", "60", "-W", "1", node.address]
    lossy = lab.run_in("ctl", ping, check=False).stdout
    node.heal()
    healed = lab.run_in("ctl", ping, check=False).stdout
    lost = float(lossy.split("% packet loss")[0].split()[-1])
    assert 40 < lost < 98 and " 0% packet loss" in healed


def test_trunk_faults(lab: Lab) -> None:
    lab.provider.reject()
    assert until(lambda: lab.node("a").trunk == "Rejected")
    assert held(lab, lab.virtual_ip, "91234", calls=1)["refused"] == 1
    lab.provider.ok()
    assert until(lambda: lab.node("a").trunk == "Registered")
    lab.provider.off()
    provider = "pjsip show aor trunk"  # not all contacts: phones of an earlier test may be gone
    assert until(lambda: "Unavail" in lab.node("a").cli(provider))
    lab.provider.ok()
    assert until(lambda: "Avail" in lab.node("a").cli(provider))


def test_the_nodes_are_reached_over_ssh_and_ami_as_configured(lab: Lab) -> None:
    configured = yaml.safe_load(lab.config_path.read_text(encoding="utf-8"))
    for name, node in configured["nodes"].items():
        ssh = node["host"]["ssh"]
        command = ["ssh", "-o", "BatchMode=yes", "-i", ssh["key_file"], "-p", str(ssh["port"])]
        command += ["-o", f"UserKnownHostsFile={ssh['known_hosts']}", f"root@{node['address']}"]
        said = lab.run_in("ctl", [*command, f"cat {node['host']['pidfile']}"]).stdout
        assert int(said) == lab.node(name).pid
        assert reaches(lab, node["address"])
        secret = Path(node["ami"]["secret"]["file"])
        assert secret.stat().st_mode & 0o777 == 0o600


def test_the_orchestrator_accepts_the_labs_configuration(lab: Lab) -> None:
    command = [sys.executable, "-m", "orchestrator", "check", "--config", str(lab.config_path)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_single_transport_pair(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab("single", mode="single")
    told = held(lab, lab.virtual_ip)
    assert told["held"] == 2 and told["servers"] == [lab.virtual_ip]
    lab.node("a").cli("database put orchestrator drain redirect")
    assert held(lab, lab.virtual_ip)["servers"] == [lab.node("b").address]
    lab.move_vip("b")
    assert held(lab, lab.virtual_ip)["held"] == 2


def test_chan_sip_beside_pjsip(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab("chansip", asterisk=16, chan_sip=True)
    assert "2001" in lab.node("a").cli("sip show peers")
    assert held(lab, lab.virtual_ip)["held"] == 2


def traces_of(lab_name: str) -> list[str]:
    """Whatever a lab of that name could leave behind."""
    found = [f"namespace {path.name}" for path in Path("/run/netns").glob(f"{lab_name}-*")]
    found += [
        str(path) for path in [Path("/run/asterisk-orchestrator-lab", lab_name)] if path.exists()
    ]
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
    found += [line for line in mounts.splitlines() if f"/{lab_name}" in line or "/rootfs-" in line]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if f"/asterisk-orchestrator-lab/{lab_name}/" in line:
                found.append(f"process {entry.name}: {line}")
    return found


def test_two_labs_side_by_side_and_nothing_is_left(lab: Lab, make_lab: Callable[..., Lab]) -> None:
    other = make_lab("second")
    assert other.plan.number != lab.plan.number
    guest = other.popen_in("client", ["sleep", "1000"])
    other.node("b").stop()  # a hung process must end too
    assert traces_of(other.name)
    assert held(other, other.virtual_ip)["held"] == 2
    other.down()
    assert guest.wait(5) != 0
    assert traces_of(other.name) == []
    assert held(lab, lab.virtual_ip)["held"] == 2


def test_the_command_line(lab: Lab) -> None:
    def ask(*words: str) -> subprocess.CompletedProcess[str]:
        command = [LAB, *words, "--name", lab.name]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    told = json.loads(ask("status", "--json").stdout)
    assert told["virtual_ip_holders"] == ["a"] and told["provider"]["sends_calls_to"] == "a"
    assert json.loads(ask("call", "--seconds", "0.5", "--json").stdout)["held"] == 1
    assert ask("vip", "b").stdout == "b\n"
    assert "active call" in ask("cli", "b", "core", "show", "channels").stdout
    assert ask("fault", "kill", "b").returncode == 0 and lab.node("b").state == "gone"
    again = ask("fault", "kill", "b")
    assert again.returncode == 1 and "not running" in again.stderr
    assert ask("mend").returncode == 0 and lab.vip_holder() == "a"


def test_an_interrupted_up_leaves_nothing() -> None:
    name = f"test-cut-{os.getpid()}"
    making = subprocess.Popen([LAB, "up", "--name", name], stderr=subprocess.DEVNULL)
    assert until(lambda: Path("/run/asterisk-orchestrator-lab", name, "b").exists(), 20)
    making.send_signal(signal.SIGTERM)
    assert making.wait(30) != 0
    assert traces_of(name) == []


def test_a_crashed_up_is_cleared_by_down() -> None:
    name = f"test-crash-{os.getpid()}"
    making = subprocess.Popen([LAB, "up", "--name", name], stderr=subprocess.DEVNULL)
    record = Path("/run/asterisk-orchestrator-lab", name, "b", "asterisk.process")
    assert until(record.exists, 20)
    making.kill()
    making.wait()
    assert traces_of(name)
    Lab.load(name).down()
    assert traces_of(name) == []


def test_what_can_not_be_is_said() -> None:
    with pytest.raises(LabError, match="There is no lab 'nowhere'"):
        Lab.load("nowhere")
    with pytest.raises(LabError, match="can't name a lab"):
        Lab.up(name="A B")
