"""What rules read of the picture: phones, trunks, queues, and each fact's words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from immutables import Map

from orchestrator.core.conditions import compile_value
from orchestrator.core.facts.schema import ROOTS, make_schema, source_of
from orchestrator.core.language.types import Attribute, Kind, Look, Problem, Record
from orchestrator.core.state import Contact, Pair, Queue, QueueCaller, QueueMember, TrunkPolicy
from orchestrator.core.words import ContactStatus
from tests.core.rule_lab import POLICY, START, phones, trunk, well


def read(text: str, **changes: object) -> object:
    problems: list[Problem] = []
    compiled = compile_value(text, make_schema(), problems)
    assert compiled, problems
    node = replace(well("pbx-a", True), **changes)  # type: ignore[arg-type]
    nodes = Map({"pbx-a": node, "pbx-b": well("pbx-b", False)})
    return compiled.run(Look(Pair(nodes=nodes, active="pbx-a"), POLICY, START))


def records() -> dict[str, Record]:
    found: dict[str, Record] = {}
    waiting = [root.record for root in ROOTS.values()]
    while waiting:
        record = waiting.pop()
        found[record.name] = record
        waiting += [a.type.of for a in record.attributes.values() if a.type.of]
    return found


FACTS = [
    pytest.param(record, name, attribute, id=f"{record.name}.{name}")
    for record in records().values()
    for name, attribute in record.attributes.items()
]


@pytest.mark.parametrize(("record", "name", "attribute"), FACTS)
def test_every_fact_is_documented_and_can_wake_rules(
    record: Record, name: str, attribute: Attribute
) -> None:
    assert attribute.doc
    assert bool(attribute.type.words) == (attribute.type.kind is Kind.WORD)
    if record.name in ("node", "pair", "time", "failback"):
        assert attribute.sources, f"nothing would wake a rule that reads {record.name}.{name}"
        root = "active" if record.name == "node" else record.name
        for source in attribute.sources:
            if source != "clock":
                source_of(f"{root}/{source}")


def test_trunks_and_the_other_node_are_no_phones() -> None:
    contacts = phones(3, lost=1, keep=trunk(True, True)["contacts"])  # type: ignore[arg-type]
    peer = Contact("peernode", "sip:10.77.0.12:5060", ContactStatus.REACHABLE, START)
    near = Contact("1999", "sip:1999@10.77.0.1:5060", ContactStatus.UNQUALIFIED, START)
    contacts = contacts.set(peer.uri, peer).set(near.uri, near)
    assert read("active.phones_known", contacts=contacts) == 4
    assert read("active.phones_reachable", contacts=contacts) == 3
    assert read("count(active.contacts)", contacts=contacts) == 4


def test_a_phone_at_two_places_counts_once() -> None:
    twice = {
        uri: Contact("1000", uri, status, START)
        for uri, status in (
            ("sip:1000@10.77.0.20", ContactStatus.UNREACHABLE),
            ("sip:1000@10.77.0.21", ContactStatus.REACHABLE),
        )
    }
    assert read("active.phones_known", contacts=Map(twice)) == 1
    assert read("active.phones_reachable", contacts=Map(twice)) == 1


def test_trunks_by_registration_and_by_qualify() -> None:
    assert read("active.trunks_registered") == 1
    assert read("active.trunks_reachable") == 1
    assert read("active.trunks_reachable", **trunk(None, True)) is None
    assert read("active.trunks_registered", registrations=Map()) is None
    assert read("any(t.status == 'unregistered' for t in active.trunks)", **trunk(True, False))


def test_a_trunk_is_found_by_its_uris_where_events_name_only_those() -> None:
    (registration,) = well("pbx-a", True).registrations.values()
    nameless = Map({("sip:u@p", "sip:p"): replace(registration, name="")})
    node = replace(well("pbx-a", True), registrations=nameless)
    by_uri = TrunkPolicy("trunk-reg", "trunk", server_uri="sip:p", client_uri="sip:u@p")
    problems: list[Problem] = []
    compiled = compile_value("active.trunks_registered", make_schema(), problems)
    assert compiled
    pair = Pair(nodes=Map({"pbx-a": node}), active="pbx-a")
    assert compiled.run(Look(pair, replace(POLICY, trunks=(by_uri,)), START)) == 1
    assert compiled.run(Look(pair, POLICY, START)) is None


def test_queues() -> None:
    def member(name: str, **changes: object) -> QueueMember:
        usual = QueueMember(f"PJSIP/{name}", name, 0, False, "", False, "not_inuse")
        return replace(usual, **changes)  # type: ignore[arg-type]

    members = {
        "a": member("a"),
        "b": member("b", paused=True),
        "c": member("c", in_call=True),
        "d": member("d", status="unavailable"),
    }
    caller = QueueCaller("1.1", 1, "0812", START - 90)
    queue = Queue("support", Map(members), Map({"1.1": caller}))
    queues = Map({"support": queue})

    def of_queue(fact: str) -> object:
        return read(f"any({fact} for q in active.queues if q.name == 'support')", queues=queues)

    assert of_queue("q.agents == 4 and q.agents_free == 1 and q.agents_paused == 1") is True
    assert of_queue("q.callers == 1 and q.longest_wait == 90s") is True


def test_ready_says_what_is_missing() -> None:
    assert read("standby.ready") is True
    assert read("standby.missing") == "nothing"
    assert read("active.ready", asterisk_version="", observations=Map()) is None
    assert "host agent" in str(read("active.missing", observations=Map()))


def test_who_is_active_may_be_unknown() -> None:
    problems: list[Problem] = []
    compiled = compile_value("active.verdict == 'dead'", make_schema(), problems)
    assert compiled
    pair = Pair(nodes=Map({"pbx-a": well("pbx-a", True), "pbx-b": well("pbx-b", False)}))
    assert compiled.run(Look(pair, POLICY, START)) is None


def test_an_address_that_was_not_confirmed_lately_is_unknown() -> None:
    assert read("active.holds_address") is True
    assert read("active.holds_address", address_at=START - 60) is None


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("active.phones_known", "contacts"),
        ("active.trunks_registered", "registrations"),
        ("active.calls", "channels"),
        ("active.queues", "queues"),
    ],
)
def test_what_a_node_could_not_be_asked_for_is_unknown_not_nothing(text: str, part: str) -> None:
    assert read(text) is not None
    assert read(text, missing=frozenset({part})) is None
