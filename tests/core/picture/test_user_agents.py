"""What a phone calls itself: not in its events, but in its contact."""

from __future__ import annotations

import pytest

from orchestrator.core.events import Compared, ContactSeen, CopySeen
from orchestrator.core.words import ContactStatus, MirrorKind
from tests.core.test_observe import node_after

URI = "sip:1001@10.77.0.21:5060"
KEY = "1001;@d41d8cd98f00b204e9800998ecf8427e"
FIELDS = (("endpoint", "1001"), ("uri", URI), ("user_agent", "Phone 1"))
REGISTERED = ContactSeen("pbx-a", "1001", URI, ContactStatus.REACHABLE)


@pytest.mark.parametrize(
    "told",
    [
        CopySeen("pbx-a", MirrorKind.CONTACT, KEY, FIELDS),
        Compared("pbx-a", MirrorKind.CONTACT, ((KEY, FIELDS),)),
    ],
)
def test_a_contact_that_is_read_names_its_phone(told: CopySeen | Compared) -> None:
    node = node_after(REGISTERED, told)
    assert node.contacts[f"1001/{URI}"].user_agent == "Phone 1"
    assert not node_after(told).contacts, "a contact that no event told of is not made up"
