"""The kinds of values a configuration holds, each with the sentence that refuses a wrong one."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
)

from orchestrator.core.language.durations import PART, parse_duration
from orchestrator.core.language.hours import parse_hours
from orchestrator.core.language.suggest import did_you_mean
from orchestrator.core.rulebook.types import Limit

OBJECT_NAME: Final = re.compile(r"[A-Za-z0-9_.+@-]{1,79}")


class Part(BaseModel):
    """Base of every part of the configuration: frozen, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True
    )


def _base(info: ValidationInfo) -> Path:
    """The folder of the file being read; relative paths start there."""
    return (info.context or {}).get("base", Path())  # type: ignore[no-any-return]


def _duration(value: object) -> float:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a duration is expected: 200ms, 2s, 15m, 1h30m or a number of seconds")
    if not 0 <= value < 1e9:
        raise ValueError("a duration is not negative")
    return float(value)


def _not_zero(value: float) -> float:
    if value <= 0:
        raise ValueError("must be longer than 0")
    return value


def _text(value: object) -> object:
    """A number in YAML is a fine extension or name; the YAML reader keeps 0601 and +62 as text."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number else value


def _clean(value: str) -> str:
    if not value or not value.isprintable():
        raise ValueError("must not be empty, and without line breaks and control characters")
    return value


def _name(value: str) -> str:
    if not OBJECT_NAME.fullmatch(value):
        raise ValueError(f"'{value}' is no Asterisk object name (letters, digits and _ . + @ -)")
    return value


def _path(value: object, info: ValidationInfo) -> object:
    return _base(info) / Path(value).expanduser() if isinstance(value, str) else value


def _read_secret(value: Mapping[object, object], base: Path) -> str:
    if set(value) == {"file"} and isinstance(name := value["file"], str):
        path = base / Path(name).expanduser()
        try:
            secret = path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise ValueError(f"the secret's file {path} cannot be read: {reason}") from error
        where = f"file {path}"
    elif set(value) == {"env"} and isinstance(name := value["env"], str):
        if name not in os.environ:
            raise ValueError(f"the environment has no variable {name}")
        secret, where = os.environ[name].strip(), f"variable {name}"
    else:
        raise ValueError("write {file: PATH} or {env: NAME}")
    if not secret or not secret.isprintable():
        raise ValueError(f"the {where} is empty or holds more than one line")
    return secret


def _secret(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, Mapping):
        raise ValueError("a secret never stands in this file; write {file: PATH} or {env: NAME}")
    return _read_secret(value, _base(info))


def _secret_or_text(value: object, info: ValidationInfo) -> object:
    return _read_secret(value, _base(info)) if isinstance(value, Mapping) else value


def _address(value: str) -> str:
    """An IP address: names would need a resolver at the very moment when networks fail."""
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError(f"'{value}' is no IP address (host names are not used here)") from None


def _interface(value: str) -> str:
    if "/" not in value:
        raise ValueError(f"write the address with its prefix length, e.g. {value}/24")
    try:
        return str(ipaddress.ip_interface(value))
    except ValueError:
        raise ValueError(f"'{value}' is no IP address with prefix length") from None


def _zone(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return ZoneInfo(value)
    except (ValueError, OSError, KeyError) as error:
        from zoneinfo import available_timezones

        known = available_timezones()
        hint = did_you_mean(value, known) if known else "; install Debian's package tzdata"
        raise ValueError(f"unknown time zone '{value}'{hint}") from error


def _limit(value: object) -> Limit:
    match = re.fullmatch(r"(\d{1,4}) per (.+)", value.strip()) if isinstance(value, str) else None
    if not match or int(match[1]) < 1:
        raise ValueError("write how often in which time: 2 per 1h")
    return Limit(int(match[1]), parse_duration(match[2]))


def _hours(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError('hours are expected as text: "22:00-06:00"')
    return parse_hours(value)


_DURATION: Final = rf"\s*{PART}(\s?{PART})*\s*"
_DURATION_SCHEMA: Final = {
    "type": ["string", "number"],
    "minimum": 0,
    "pattern": f"^{_DURATION}$",
    "examples": ["15s", "5m", "1h30m"],
}
_OFTEN_SCHEMA: Final = {
    "type": "string",
    "pattern": rf"^\s*(?!0+ )\d{{1,4}} per {_DURATION}$",
    "examples": ["2 per 1h"],
}
_NAME_SCHEMA: Final = {"type": ["string", "integer"], "pattern": f"^{OBJECT_NAME.pattern}$"}

Duration: TypeAlias = Annotated[float, BeforeValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
PositiveDuration: TypeAlias = Annotated[
    float, BeforeValidator(_duration), AfterValidator(_not_zero), WithJsonSchema(_DURATION_SCHEMA)
]
Text: TypeAlias = Annotated[
    str,
    BeforeValidator(_text),
    AfterValidator(_clean),
    WithJsonSchema({"type": ["string", "integer"], "minLength": 1}),
]
ObjectName: TypeAlias = Annotated[
    str, BeforeValidator(_text), AfterValidator(_name), WithJsonSchema(_NAME_SCHEMA)
]
LocalPath: TypeAlias = Annotated[Path, BeforeValidator(_path)]
Secret: TypeAlias = Annotated[SecretStr, BeforeValidator(_secret)]
SecretOrText: TypeAlias = Annotated[SecretStr, BeforeValidator(_secret_or_text)]
Address: TypeAlias = Annotated[str, AfterValidator(_address)]
AddressWithPrefix: TypeAlias = Annotated[str, AfterValidator(_interface)]
Zone: TypeAlias = Annotated[ZoneInfo, BeforeValidator(_zone)]
Hours: TypeAlias = Annotated[tuple[int, int], BeforeValidator(_hours)]
Often: TypeAlias = Annotated[
    Limit,
    BeforeValidator(_limit),
    WithJsonSchema(_OFTEN_SCHEMA),
]
Port: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=65535)]
Argv: TypeAlias = Annotated[tuple[Text, ...], Field(min_length=1)]
