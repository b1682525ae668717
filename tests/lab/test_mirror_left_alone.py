"""Registrations that are not mirrored: in one database of both nodes, and those of chan_sip."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from contrib.lab import Lab
from contrib.lab.service import Service
from tests.lab.mirrored import Told, standby, why_not
from tests.lab.rig import Peer, afresh, phones, wait_for
from tests.lab.watching import watched

COLUMNS = (
    *("id", "uri", "expiration_time", "qualify_frequency", "qualify_timeout", "qualify_2xx_only"),
    *("outbound_proxy", "path", "user_agent", "reg_server", "authenticate_qualify", "via_addr"),
    *("via_port", "call_id", "endpoint", "prune_on_boot"),
)
FILES = {
    "sorcery.conf": "[res_pjsip]\ncontact=realtime,ps_contacts\n",
    "extconfig.conf": "[settings]\nps_contacts => sqlite3,shared,ps_contacts\n",
    "res_config_sqlite3.conf": "[shared]\ndbfile => {path}\nbatch=0\nbusy_timeout=2000\n",
}


def share_contacts(lab: Lab) -> Path:
    """Both nodes start again with ps_contacts in one file."""
    made = lab.node("a").asterisk.directory / "db" / "shared.sqlite3"
    with sqlite3.connect(made) as base:
        columns = ", ".join(f"{name} TEXT" for name in COLUMNS)
        base.execute(f"CREATE TABLE ps_contacts ({columns}, PRIMARY KEY (id))")
    for node in lab.nodes.values():
        node.kill()
        # each node sees its own directory only: one file by two names
        path = node.asterisk.directory / "db" / "shared.sqlite3"
        if path != made:
            os.link(made, path)
        etc = node.asterisk.directory / "etc"
        for name, text in FILES.items():
            (etc / name).write_text(text.format(path=path), encoding="utf-8")
        with (etc / "modules.conf").open("a", encoding="utf-8") as file:
            file.write("preload=res_config_sqlite3.so\n")
    for node in lab.nodes.values():
        node.start()
    lab.mend()
    return made


def said(service: Service) -> str:
    return "; ".join(check["why"] for check in standby(service)["checks"])


@pytest.mark.parametrize("version", [22, 16])
def test_registrations_in_one_database_are_left_alone(
    make_lab: Callable[..., Lab], version: int
) -> None:
    lab = make_lab(f"shared{version}", asterisk=version)
    base = share_contacts(lab)
    told = Told(lab)
    with watched(lab) as seen:
        peer = phones(lab)
        with sqlite3.connect(base) as look:
            assert look.execute("SELECT count(*) FROM ps_contacts").fetchone() == (3,)
        both = [lab.node(place).cli("pjsip show contacts") for place in ("a", "b")]
        assert all(one.count("/sip:100") == 3 for one in both), both
        wait_for(
            lambda: "are left alone" in said(seen.service),
            "readiness says that they are shared",
            25,
        )
        assert "of 3 phones 3 are ready on pbx-b" in said(seen.service)
        assert "pbx-b cannot ring Agent 1001, Agent 1002, Agent 1003" in said(seen.service)
        lab.node("b").cli("channel originate PJSIP/1002 application Wait 1")
        wait_for(lambda: lab.node("b").calls == 0, "no call is left", 5)
        assert any(one["event"] == "call" for one in peer.said), "pbx-b can call such a phone"
        asked = [says for place in ("a", "b") for says in told.to(place) if "contact" in says]
        assert asked == [], "no registration is written or removed"
    told.end()
    afresh(lab)


def test_a_phone_of_chan_sip_is_named_as_not_mirrored(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab("chansip", asterisk=16, chan_sip=True)
    with watched(lab) as seen:
        place = f"{lab.virtual_ip}:5070"
        Peer(lab, "phones", 21, "--no-audio", "--numbers", "2001", target=place).until("registered")
        missing = "of 1 phones 0 are ready on pbx-b (2001: not mirrored (chan_sip)"
        wait_for(lambda: missing in why_not(seen.service), "readiness names the phone", 15)
        assert standby(seen.service)["ready"], "it keeps no move from beginning"
        listed = seen.service.ask("phones", "--missing").stdout
        assert "2001" in listed and "chan_sip" in listed
    afresh(lab)
