"""Contacts as sorcery shows and takes them: ARI's dynamic configuration, astdb ``registrar``.

Names, order and forms are those of Asterisk 22 (captured); a value it cannot read, or an attribute
it does not have, fails the whole write.
"""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.simulator.model import Contact

DEFAULTS = {
    "via_addr": "",
    "qualify_timeout": "3.000000",
    "qualify_2xx_only": "false",
    "call_id": "",
    "reg_server": "",
    "prune_on_boot": "no",
    "path": "",
    "endpoint": "",
    "via_port": "0",
    "authenticate_qualify": "no",
    "uri": "",
    "qualify_frequency": "0",
    "user_agent": "",
    "expiration_time": "0",
    "outbound_proxy": "",
}
WORDS: dict[str, Callable[[str], object]] = {
    "qualify_timeout": float,
    "via_port": int,
    "qualify_frequency": int,
    "expiration_time": int,
}


def to_fields(item: Contact) -> dict[str, str]:
    """Every attribute, in Asterisk's order."""
    return {
        **DEFAULTS,
        "via_addr": item.via[0],
        "qualify_timeout": f"{item.qualify_timeout_s:.6f}",
        "call_id": item.call_id,
        "reg_server": item.reg_server,
        "path": item.path,
        "endpoint": item.endpoint,
        "via_port": str(item.via[1]),
        "uri": item.uri,
        "qualify_frequency": str(int(item.qualify_s)),
        "user_agent": item.user_agent,
        "expiration_time": str(int(item.expires_at)),
        "outbound_proxy": item.outbound_proxy,
    }


def from_fields(object_id: str, fields: dict[str, str]) -> Contact | None:
    """The contact with these attributes, the others by default; None: Asterisk refuses them."""
    known = {**DEFAULTS, **fields}
    if len(known) > len(DEFAULTS) or not known["uri"].startswith(("sip:", "sips:")):
        return None
    try:
        for name, read in WORDS.items():
            read(known[name])
    except ValueError:
        return None
    return Contact(
        object_id.partition(";@")[0],
        known["uri"],
        int(known["expiration_time"]),
        (known["via_addr"], int(known["via_port"])),
        known["call_id"],
        known["user_agent"],
        object_id=object_id,
        endpoint=known["endpoint"],
        reg_server=known["reg_server"],
        path=known["path"],
        outbound_proxy=known["outbound_proxy"],
        qualify_s=int(known["qualify_frequency"]),
        qualify_timeout_s=float(known["qualify_timeout"]),
    )
