"""Events and items of lists that captured dialogues do not have."""

from __future__ import annotations

import pytest

from orchestrator.adapters.ami import listed
from orchestrator.adapters.ami.translate import LIVE
from orchestrator.core.events import ChannelSeen

LINES = (
    "Channel: PJSIP/1001-00000001", "ChannelState: 6", "ChannelStateDesc: Up",
    "CallerIDNum: 1001", "CallerIDName: <unknown>", "ConnectedLineNum: 1002",
    "ConnectedLineName: <unknown>", "Language: en", "AccountCode: ", "Context: {context}",
    "Exten: {exten}", "Priority: 1", "Uniqueid: 1.1", "Linkedid: 1.1",
)  # fmt: skip


def told(order: int, context: str, exten: str) -> ChannelSeen:
    lines = "\r\n".join(["Event: Newstate", *LINES[::order]])
    raw = lines.format(context=context, exten=exten).encode()
    seen, (item, *_) = LIVE[b"Newstate"]("pbx-a", raw), listed.channel("pbx-a", raw)
    assert isinstance(seen, ChannelSeen) and isinstance(item, ChannelSeen)
    assert seen.exten == item.exten
    return seen


@pytest.mark.parametrize("order", [1, -1])
def test_an_extension_of_the_evacuations_dialplan_is_nobodys_number(order: int) -> None:
    assert told(order, "serve", "600").exten == "600"
    seen = told(order, "evacuate-join", "second")
    assert (seen.exten, seen.caller_number, seen.connected_number) == ("", "1001", "1002")
