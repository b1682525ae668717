"""The mirror on two modelled nodes: what is copied, when, and what is left alone."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.commands import Compare, Fetch, Mirror
from orchestrator.core.events import CommandDone
from orchestrator.core.state import MirrorPolicy
from orchestrator.core.words import ContactStatus, MirrorKind
from tests.core.mirroring.model import POLICY, Playground

VALUE = (("value", "2000"),)


def test_two_thousand_phones_are_copied_in_few_batches() -> None:
    play = Playground()
    for number in range(2000):
        play.register("pbx-a", number, lasts_s=600.0)
    play.run(10.0)
    assert play.boxes["pbx-b"].contacts == play.boxes["pbx-a"].contacts
    assert len(play.writes("pbx-b")) == 10
    assert not play.writes("pbx-a")


def test_nothing_is_asked_for_while_both_are_in_step() -> None:
    play = Playground()
    play.register("pbx-a", 1001, lasts_s=3600.0)
    play.set_member("pbx-a", "sales|PJSIP/1001", penalty=2)
    play.boxes["pbx-a"].astdb["CF/1001"] = VALUE
    play.run(40.0)
    play.sent.clear()
    play.run(300.0)
    assert {type(command) for command in play.sent} == {Compare}
    assert len(play.sent) <= 2 * 2 * 11  # both nodes, contacts and astdb, every 30 s


def test_a_refresh_reaches_the_standby_within_a_second() -> None:
    play = Playground()
    key = play.register("pbx-a", 1001)
    play.run(30.0)
    play.register("pbx-a", 1001)
    play.run(1.5)
    assert play.boxes["pbx-b"].contacts[key] == play.boxes["pbx-a"].contacts[key]
    play.run(61.0)
    assert key not in play.boxes["pbx-b"].contacts  # it ended on both by itself


def test_a_slow_registrar_is_read_once_more() -> None:
    play = Playground()
    key = play.register("pbx-a", 1001, lasts_s=600.0)
    play.run(5.0)
    play.sent.clear()
    old = play.boxes["pbx-a"].contacts[key]
    play.register("pbx-a", 1001, lasts_s=1200.0)
    new, play.boxes["pbx-a"].contacts[key] = play.boxes["pbx-a"].contacts[key], old
    play.run(0.6)
    play.boxes["pbx-a"].contacts[key] = new
    play.run(2.0)
    assert len([c for c in play.sent if isinstance(c, Fetch)]) == 2
    assert play.boxes["pbx-b"].contacts[key] == new


def test_a_phone_that_unregisters_is_removed_and_forgotten() -> None:
    play = Playground()
    key = play.register("pbx-a", 1001)
    play.run(5.0)
    assert key in play.state.mirror.mirrored(MirrorKind.CONTACT)
    play.unregister("pbx-a", key)
    play.run(2.0)
    assert not play.boxes["pbx-b"].contacts
    assert not play.state.mirror.mirrored(MirrorKind.CONTACT)


def test_what_the_standby_has_by_itself_stays() -> None:
    play = Playground()
    key = play.register("pbx-b", 1009, lasts_s=600.0)
    play.boxes["pbx-b"].astdb["CF/1009"] = VALUE
    play.set_member("pbx-b", "sales|PJSIP/1009")
    play.run(120.0)
    box = play.boxes["pbx-b"]
    assert key in box.contacts and "CF/1009" in box.astdb and "sales|PJSIP/1009" in box.members
    assert not play.writes()


def test_clocks_that_differ_are_corrected_in_the_copy() -> None:
    play = Playground()
    play.boxes["pbx-a"].ahead_s, play.boxes["pbx-b"].ahead_s = -20.0, 37.0
    play.restart()
    key = play.register("pbx-a", 1001, lasts_s=600.0)
    play.run(5.0)
    assert abs(play.expiry("pbx-a", key) - play.expiry("pbx-b", key)) <= 1.0
    play.sent.clear()
    play.run(120.0)
    assert not play.writes()


def test_what_was_mirrored_may_be_removed_after_a_turn_round_and_nothing_else() -> None:
    play = Playground()
    key = play.register("pbx-a", 1001, lasts_s=600.0)
    play.run(5.0)
    play.move_address("pbx-b")
    play.run(5.0)
    play.sent.clear()
    play.unregister("pbx-b", key)
    play.run(5.0)
    assert not play.boxes["pbx-a"].contacts
    assert play.writes() and not play.writes("pbx-b")


def test_nothing_is_written_while_it_is_not_certain_who_holds_the_address() -> None:
    play = Playground()
    play.state = replace(
        play.state,
        nodes=play.state.nodes.set("pbx-b", replace(play.state.nodes["pbx-b"], holds_address=True)),
    )
    play.inbox = [(at, e) for at, e in play.inbox if type(e).__name__ != "AddressSeen"]
    play.register("pbx-a", 1001, lasts_s=600.0)
    play.run(60.0)
    assert not play.writes()


def test_an_emptied_source_removes_nothing_for_a_minute() -> None:
    play = Playground()
    for number in range(50):
        play.register("pbx-a", number, lasts_s=3600.0)
    play.run(5.0)
    play.lose("pbx-a")
    play.boxes["pbx-a"].contacts.clear()
    play.run(1.0)
    play.connect("pbx-a")
    play.run(50.0)
    assert len(play.boxes["pbx-b"].contacts) == 50
    assert play.state.mirror.backlog(MirrorKind.CONTACT).guarded_lived_s is not None
    play.run(40.0)
    assert not play.boxes["pbx-b"].contacts


def test_an_emptied_source_that_recovers_removes_nothing_at_all() -> None:
    play = Playground()
    for number in range(50):
        play.register("pbx-a", number, lasts_s=3600.0)
    play.run(5.0)
    kept = dict(play.boxes["pbx-a"].contacts)
    play.lose("pbx-a")
    play.boxes["pbx-a"].contacts.clear()
    play.connect("pbx-a")
    play.run(20.0)
    play.boxes["pbx-a"].contacts.update(kept)
    play.run(100.0)
    assert play.boxes["pbx-b"].contacts == kept
    assert not any(write.removals for write in play.writes())
    assert play.state.mirror.backlog(MirrorKind.CONTACT).guarded_lived_s is None


def test_a_standby_that_lost_everything_is_full_again_soon() -> None:
    play = Playground()
    for number in range(300):
        play.register("pbx-a", number, lasts_s=3600.0)
    play.run(5.0)
    play.lose("pbx-b")
    play.boxes["pbx-b"].contacts.clear()
    play.run(10.0)
    play.connect("pbx-b")
    play.run(3.0)
    assert play.boxes["pbx-b"].contacts == play.boxes["pbx-a"].contacts


def test_members_follow_with_penalty_and_pause() -> None:
    play = Playground()
    key = "sales|PJSIP/1001"
    play.set_member("pbx-a", key, penalty=3)
    play.run(3.0)
    play.set_member("pbx-a", key, paused=True, reason="lunch")
    play.run(2.0)
    there = play.boxes["pbx-b"].members[key]
    assert (there.penalty, there.paused, there.reason) == (3, True, "lunch")
    play.drop_member("pbx-a", key)
    play.run(2.0)
    assert not play.boxes["pbx-b"].members


def test_static_members_are_brought_in_step_but_neither_added_nor_removed() -> None:
    play = Playground()
    both, only_a = "sales|PJSIP/1001", "sales|PJSIP/1002"
    play.set_member("pbx-a", both, membership="static", paused=True, reason="lunch")
    play.set_member("pbx-b", both, membership="static")
    play.set_member("pbx-a", only_a, membership="static")
    play.run(5.0)
    members = play.boxes["pbx-b"].members
    assert members[both].paused and only_a not in members
    play.drop_member("pbx-a", both)
    play.run(5.0)
    assert both in members


def test_only_chosen_families_and_custom_devices_are_copied() -> None:
    play = Playground()
    play.boxes["pbx-a"].astdb |= {"CF/1001": VALUE, "DND/1001": (("value", "YES"),)}
    play.set_device("pbx-a", "Custom:DND1001", "busy")
    play.set_device("pbx-a", "PJSIP/1001", "inuse")
    play.run(5.0)
    assert play.boxes["pbx-b"].astdb == play.boxes["pbx-a"].astdb
    assert play.boxes["pbx-b"].devices == {"Custom:DND1001": "busy"}
    del play.boxes["pbx-a"].astdb["CF/1001"]
    play.run(35.0)
    assert "CF/1001" not in play.boxes["pbx-b"].astdb


def test_a_family_that_is_no_longer_chosen_is_forgotten_not_removed() -> None:
    play = Playground()
    play.boxes["pbx-a"].astdb["CF/1001"] = VALUE
    play.run(5.0)
    play.policy = replace(POLICY, mirror=MirrorPolicy(families=("DND",)))
    play.boxes["pbx-a"].astdb.clear()
    play.run(70.0)
    assert "CF/1001" in play.boxes["pbx-b"].astdb
    assert not play.state.mirror.mirrored(MirrorKind.ASTDB)


def test_what_the_standby_does_not_take_is_tried_again_ever_more_rarely() -> None:
    play = Playground()
    key = play.register("pbx-a", 1001, lasts_s=3600.0)
    play.register("pbx-a", 1002, lasts_s=3600.0)
    play.boxes["pbx-b"].refuses.add(key)
    play.run(300.0)
    assert 4 <= len(play.writes()) <= 16
    assert dict(play.state.mirror.backlog(MirrorKind.CONTACT).failures) == {key: "no"}
    play.boxes["pbx-b"].refuses.clear()
    play.run(70.0)
    assert key in play.boxes["pbx-b"].contacts
    assert not play.state.mirror.backlog(MirrorKind.CONTACT).failures


def test_while_ari_is_down_commands_pause_and_afterwards_all_is_written() -> None:
    play = Playground()
    play.boxes["pbx-b"].ari_down = True
    for number in range(300):
        play.register("pbx-a", number, lasts_s=3600.0)
    play.run(60.0)
    assert len(play.writes()) <= 10
    assert any("write contact on pbx-b" in key for key in play.state.mirror.pauses)
    play.boxes["pbx-b"].ari_down = False
    play.run(17.0)
    assert len(play.boxes["pbx-b"].contacts) == 300
    assert not play.state.mirror.pauses


def test_contacts_in_one_shared_store_are_left_alone() -> None:
    play = Playground()
    play.shared_store = True
    for number in range(20):
        play.register("pbx-a", number, lasts_s=600.0)
    play.run(40.0)
    for number in range(20):
        play.register("pbx-a", number, lasts_s=900.0)
    play.run(100.0)
    assert play.state.mirror.shared
    assert not play.state.mirror.mirrored(MirrorKind.CONTACT)
    assert not [w for w in play.writes() if not all(put.fresh for put in w.puts)]


def test_a_lost_journal_is_no_shared_store_for_long() -> None:
    play = Playground()
    keys = [play.register("pbx-a", number, lasts_s=300.0) for number in range(20)]
    play.run(10.0)
    play.start(type(play.state.mirror.ledger)())  # the journal is gone
    play.run(10.0)
    for number in range(20):
        play.register("pbx-a", number, lasts_s=600.0)
    play.run(65.0)
    assert not play.state.mirror.shared
    for key in keys:
        assert abs(play.expiry("pbx-a", key) - play.expiry("pbx-b", key)) <= 2.0


def test_a_change_during_a_comparison_wins_over_the_older_list() -> None:
    play = Playground()
    key = play.register("pbx-a", 1001, lasts_s=600.0)
    play.run(31.0)
    while not any(isinstance(a.command, Compare) for a in play.state.asked.values()):
        play.run(0.1)
    late = [(at + 1.0, event) for at, event in play.inbox]  # made now, delivered later
    play.inbox = late
    play.unregister("pbx-a", key)
    play.run(0.5)
    play.run(2.0)
    assert key not in play.state.nodes["pbx-a"].listing(MirrorKind.CONTACT).items
    assert key not in play.boxes["pbx-b"].contacts


def test_a_result_that_never_came_is_asked_for_again() -> None:
    play = Playground()
    play.register("pbx-a", 1001, lasts_s=3600.0)
    while not play.writes():
        play.run(0.1)
    play.boxes["pbx-b"].contacts.clear()
    play.inbox = [(at, e) for at, e in play.inbox if not isinstance(e, CommandDone)]
    play.run(20.0)
    assert play.boxes["pbx-b"].contacts
    assert isinstance(play.writes()[-1], Mirror)


def test_a_standby_that_has_just_started_is_told_to_look_at_its_phones_once() -> None:
    play = Playground()
    for number in range(1001, 1251):
        play.register("pbx-a", number, lasts_s=3600.0)
    play.run(3.0)
    play.lose("pbx-a")
    play.run(1.0)
    play.connect("pbx-a")  # its list says that it reaches all of them
    play.run(5.0)
    assert not play.qualified
    play.lose("pbx-b")
    play.boxes["pbx-b"].looked = ContactStatus.UNQUALIFIED
    play.run(1.0)
    play.connect("pbx-b")
    play.run(60.0)
    assert sorted(play.qualified) == [str(number) for number in range(1001, 1251)]
