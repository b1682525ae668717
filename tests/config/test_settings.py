"""The configuration: what it means, and where it is wrong."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.config import load, load_settings_rules
from orchestrator.config.warm import FREEPBX_FAMILIES
from orchestrator.config.yaml_source import parse
from orchestrator.core.policy import EvacuationPolicy, MirrorPolicy
from orchestrator.core.words import AtDeadline, DrainMode, FenceMethod, Severity
from orchestrator.errors import ConfigError

SAMPLE = Path(__file__).parents[2] / "contrib" / "asterisk-orchestrator.yaml"
SECRET = "k4tze-und-maus"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The shipped sample with the files it names."""
    path = tmp_path / "orchestrator.yaml"
    shutil.copy(SAMPLE, path)
    for name in ("ami.secret", "ari.secret"):
        (tmp_path / name).write_text(SECRET + "\n")
    (tmp_path / "notify.url").write_text("mailto://user:pass@example.org\n")
    return path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


def test_the_sample_is_read(config: Path) -> None:
    settings = load(config)
    assert settings.state_dir == Path("/var/lib/asterisk-orchestrator")
    assert settings.nodes["pbx-a"].ami.secret.get_secret_value() == SECRET
    host = settings.nodes["pbx-a"].host
    assert host and host.ssh and host.ssh.key_file == config.parent / "id_ed25519"
    assert settings.service.address == "10.77.0.100"
    assert settings.service.test_call and settings.service.test_call.to == "601"
    assert settings.notify[0].severity is Severity.WARNING
    assert settings.all_commands["promote"] == ("/usr/local/bin/on-promote",)
    assert load_settings_rules(settings).rules


def test_its_policy(config: Path) -> None:
    policy = load(config).policy()
    assert (policy.silence_s, policy.tick_s) == (2.0, 0.05)
    assert policy.preferred == "pbx-a" and policy.nodes[0].has_host and policy.nodes[0].has_ari
    assert policy.trunks[0].registration == "trunk-reg"
    assert policy.drain_mode is None and policy.drain_deadline_s == 900
    assert policy.at_deadline is AtDeadline.WAIT and policy.stuck_after_s == 4 * 3600
    assert policy.fence_hung == (FenceMethod.ADDRESS, FenceMethod.KILL)
    assert not policy.proceed_when_fencing_fails
    assert policy.promote_hook == "promote"
    assert policy.timezone == ZoneInfo("Asia/Jakarta")
    assert policy.failback and policy.failback.hours == (22 * 60, 6 * 60)
    assert policy.failback.days == frozenset(range(5)) and policy.failback.after_s == 900


def test_profile_fast_and_silence(config: Path) -> None:
    change(config, "profile: normal", "profile: fast")
    policy = load(config).policy()
    assert (policy.silence_s, policy.tick_s) == (0.2, 0.02)
    change(config, "# silence: 500ms", "silence: 500ms")
    assert load(config).silence_s == 0.5
    change(config, "# mode: overlap", "mode: overlap")
    assert load(config).policy().drain_mode is DrainMode.OVERLAP


def test_the_socket_has_a_default(config: Path) -> None:
    change(config, "socket: /run/asterisk-orchestrator/control.sock", "")
    assert load(config).control_socket == Path("/var/lib/asterisk-orchestrator/control.sock")


def test_secrets_never_show(config: Path) -> None:
    loaded = load(config)
    assert SECRET not in repr(loaded) + str(loaded) + loaded.model_dump_json()
    assert "user:pass" not in repr(loaded)


def test_a_secret_from_the_environment(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(config, "{file: ami.secret} # or", "{env: TEST_AMI_SECRET} # or")
    (problem,) = problems(config)
    assert "the environment has no variable TEST_AMI_SECRET" in problem
    monkeypatch.setitem(os.environ, "TEST_AMI_SECRET", "other")
    assert load(config).nodes["pbx-a"].ami.secret.get_secret_value() == "other"


def test_mirror_and_evacuation(config: Path) -> None:
    policy = load(config).policy()
    assert policy.mirror == MirrorPolicy(families=FREEPBX_FAMILIES)
    assert policy.evacuation == EvacuationPolicy(("baresip *",), ("CUSTOMER_ID",))
    change(config, "# astdb: [CF, DND, blacklist] #", "astdb: [CF, DND] #")
    change(config, "others: wait", "others: link")
    change(config, "at_deadline: wait", "at_deadline: evacuate")
    policy = load(config).policy()
    assert policy.mirror and policy.mirror.families == ("CF", "DND")
    assert policy.evacuation and policy.evacuation.link_others
    assert policy.at_deadline is AtDeadline.EVACUATE


def without(path: Path, key: str) -> None:
    """Drop a key of the top with all that is under it."""
    before, rest = path.read_text().split(f"\n{key}:", 1)
    path.write_text(before + "\n" + rest.split("\n\n", 1)[1])


def test_without_the_keys_it_mirrors_and_carries_nothing_over(config: Path) -> None:
    without(config, "mirror")
    without(config, "evacuation")
    policy = load(config).policy()
    assert policy.mirror == MirrorPolicy(families=FREEPBX_FAMILIES)
    assert policy.evacuation is None


def test_the_mirror_can_be_off(config: Path) -> None:
    without(config, "mirror")
    config.write_text(config.read_text() + "mirror: false\n")
    assert load(config).policy().mirror is None


def test_carrying_over_at_the_deadline_needs_to_be_told_how(config: Path) -> None:
    without(config, "evacuation")
    change(config, "at_deadline: wait", "at_deadline: evacuate")
    (problem,) = problems(config)
    assert "missing key 'evacuation'" in problem


def test_contacts_are_mirrored_by_ari_only(config: Path) -> None:
    change(config, "    ari: {username: orchestrator, secret: {file: ari.secret}}\n", "")
    (problem,) = problems(config)
    assert "missing key 'ari' at pbx-b: mirror.contacts reads and writes by it" in problem
    change(config, "contacts: true", "contacts: false")
    assert load(config).policy().mirror == MirrorPolicy(contacts=False, families=FREEPBX_FAMILIES)
    without(config, "mirror")
    mirror = load(config).policy().mirror
    assert mirror and not mirror.contacts and mirror.queues


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ("fencing:", "fencng:", "fencng", "unknown key 'fencng'; did you mean 'fencing'?"),
        ("preferred: true", "prefered: true", "prefered", "did you mean 'preferred'?"),
        ("pair: support", "", "state_dir:", "missing key 'pair'"),
        ("      username: orchestrator\n", "", "ami:", "missing key 'username'"),
        ("port: 5038", "port: 99999", "99999", "from 1 to 65535"),
        ("port: 5038", "port: '5038'", "'5038", "a whole number is expected"),
        ("secret: {file: ami.secret} #", "secret: letmein #", "letmein", "never stands"),
        ("{file: ami.secret} #", "{file: nowhere} #", "{file", "cannot be read"),
        ("{file: ami.secret} #", "{path: x} #", "{path", "write {file: PATH} or {env: NAME}"),
        ("tls: false", "tls: maybe", "maybe", "keys and values are expected"),
        ("address: 10.77.0.11", "address: pbx-a.lan", "pbx-a.lan", "is no IP address"),
        ("10.77.0.12", "10.77.0.11", "nodes:", "both nodes have the address"),
        ("10.77.0.12", "10.77.0.100", "pair:", "own address of pbx-b"),
        ("10.77.0.100/24", "10.77.0.100", "10.77.0.100", "with its prefix length"),
        ("route_source: false", "route_source: maybe", "maybe", "true or false is expected"),
        ("deadline: 15m", "deadline: 15x", "15x", "write 200ms, 2s, 15m or 1h30m"),
        ("deadline: 15m", "deadline: 0", "0", "longer than 0"),
        ("deadline: 15m", "deadline: -3", "-3", "not negative"),
        ("at_deadline: wait", "at_deadline: wiat", "wiat", "did you mean 'wait'?"),
        ("hung: [address, kill]", "hung: [address, kil]", "kil]", "did you mean 'kill'?"),
        ("hung: [address, kill]", "hung: []", "[]", "at least one method"),
        ("hung: [address, kill]", "hung: [kill, kill]", "[kill", "each once"),
        ("[isolation] # or", "[command] # or", "fencing:", "missing key 'command'"),
        ("if_it_fails: stop", "if_it_fails: stopp", "stopp", "did you mean 'stop'?"),
        ("# command: [/usr/local/bin/fence, \"{node}\"", 'command: [x, "{nod}"', "", "{nod}"),
        ("Asia/Jakarta", "Asia/Jakata", "Asia/", "did you mean 'Asia/Jakarta'?"),
        ('"22:00-06:00"', '"22:00-26:00"', "", "no time of day"),
        ('"22:00-06:00"', "22", "", "hours are expected"),
        ("[mon, tue, wed", "[mon, tue, wendsday", "", "unknown word 'wendsday'"),
        ("preferred: true", "preferred: false", "pair:", "needs a node with preferred: true"),
        ("interface: eth0 #", "#", "host:", "missing key 'interface'"),
        ("      interface: eth0 #", "      local: true\n      interface: e #", "", "one of"),
        ("collect-logs: [", "promote: [", "", "name of a hook"),
        ("# rules: [rules/*.yaml]", "rules: [nowhere/*.yaml]", "", "no rule file matches"),
        ("{file: notify.url}", "{file: nothing}", "", "cannot be read"),
        ("severity: warning", "severity: wrning", "", "did you mean 'warning'?"),
        ("pair: support", "pair: two words", "two", "no Asterisk object name"),
        ("pair: support", "pair: [a]", "[a]", "text is expected"),
        ("profile: normal", "profile: quick", "quick", "known are: fast, normal"),
        ("contacts: true", "contact: true", "contact:", "did you mean 'contacts'?"),
        ("# astdb: [CF, DND", "astdb: [CF, registrar", "registrar", "are mirrored as contacts"),
        ("# astdb: [CF, DND", "astdb: [Queue", "Queue", "members are mirrored by 'queues'"),
        ("# astdb: [CF, DND", "astdb: [orchestrator-x", "orch", "the orchestrator's own"),
        ("# astdb: [CF, DND", "astdb: [SIP", "SIP", "chan_sip's registrations cannot"),
        ("# astdb: [CF, DND", "astdb: [CF/1001", "CF/1001", "is no astdb family"),
        ("compare_every: 30s", "compare_every: 10ms", "10ms", "for nothing"),
        ('["baresip *"]', '["*"]', '"*"', "those that ignore REFER too"),
        ("[CUSTOMER_ID]", '["${CUSTOMER_ID}"]', '"${', "write CUSTOMER_ID"),
        ("[CUSTOMER_ID]", '["CALLERID(num)"]', '"CALL', "functions cannot travel"),
        ("[CUSTOMER_ID]", "[EVAC_CALL]", "EVAC", "the evacuation's own dialplan"),
        ("others: wait", "others: wiat", "wiat", "did you mean 'wait'?"),
        ("at_once: 5", "at_once: 0", "0", "from 1 to 100"),
        ("patience: 5s", "patience: 0", "0", "longer than 0"),
        ("patience: 5s", "patience: 15s", "15s", "the dialplan waits 10 s"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(
    config: Path, old: str, new: str, place: str, says: str
) -> None:
    change(config, old, new)
    (problem,) = problems(config)
    assert says in problem
    line, column, _ = problem.split(":", 2)
    there = config.read_text().splitlines()[int(line) - 1][int(column) - 1 :]
    assert there.startswith(place), there


def test_all_mistakes_come_at_once_in_the_files_order(config: Path) -> None:
    change(config, "if_it_fails: stop", "if_it_fails: no")
    change(config, "pair: support", "pear: support")
    change(config, "deadline: 15m", "deadline: soon")
    found = [int(problem.split(":")[0]) for problem in problems(config)]
    assert len(found) == 4 and found == sorted(found)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(tmp_path / "none.yaml")


def test_what_is_no_mapping(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("- a\n")
    assert "keys and values are expected" in problems(path)[0]


SIGNS = ["a:", "-", "[", "]", "{", "}", "\n", "&x", "*x", "!", "|", ">", "'", '"', "#", "1", ","]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.lists(st.sampled_from(SIGNS), max_size=40).map(" ".join))
def test_any_text_is_data_or_a_problem(text: str) -> None:
    try:
        parse(Path("x.yaml"), text)
    except ConfigError as error:
        assert error.problems
