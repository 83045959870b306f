"""The settings of the agent: name, kind, bounds and default of each, and how one value is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from dbpower_agent.database_config import DB_TYPES

Kind = Literal["text", "integer", "number", "flag", "list"]
REQUIRED: Final = object()
MYSQL_SOURCES: Final = ("slow_log", "performance_schema")
POSTGRES_SOURCES: Final = ("pg_stat_statements",)


@dataclass(frozen=True)
class Field:
    """One setting. `minimum` and `maximum` bound numbers, `choices` texts and the members of a list.

    `secret` keeps the value out of every message.
    """

    name: str
    kind: Kind
    default: Any = REQUIRED
    minimum: float = 0
    maximum: float = 0
    choices: tuple[str, ...] = ()
    secret: bool = False


FIELDS: Final = (
    Field("collector_id", "integer", minimum=1, maximum=2**63 - 1),
    Field("api_key", "text", secret=True),
    Field("backend_url", "text"),
    Field("db_type", "text", choices=DB_TYPES),
    Field("config_version", "integer", default=0, maximum=2**31 - 1),
    Field("heartbeat_seconds", "number", default=30.0, minimum=1, maximum=600),
    Field("collection_interval_minutes", "number", default=5.0, minimum=0.01, maximum=1440),
    Field("request_timeout_seconds", "number", default=15.0, minimum=1, maximum=120),
    Field("state_dir", "text", default=""),
    Field("log_level", "text", default="info", choices=("debug", "info", "warning", "error")),
    Field("log_format", "text", default="text", choices=("text", "json")),
    Field("spool_max_bytes", "integer", default=256 * 1024 * 1024, minimum=4 * 1024 * 1024, maximum=2**40),
    Field("spool_max_age_hours", "number", default=72.0, minimum=0.1, maximum=8760),
    Field("backend_ca", "text", default=""),
    Field("allow_insecure_http", "flag", default=False),
    Field("allow_readable_config", "flag", default=False),
    Field("sources", "list", default=(), choices=(*MYSQL_SOURCES, *POSTGRES_SOURCES)),
    Field("slow_log_old_tables", "list", default=("slow_log_backup", "slow_log_prev")),
    Field("rotate_slow_log_rows", "integer", default=0, maximum=10**9),
    Field("rotate_key", "flag", default=True),
    Field("tls_directory", "text", default=""),
)
FIELDS_BY_NAME: Final = {field.name: field for field in FIELDS}

TRUE_WORDS: Final = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS: Final = frozenset({"0", "false", "no", "off", ""})


class BadValueError(ValueError):
    """A value that its setting does not allow; the message names neither the setting nor a secret."""


def read_value(field: Field, value: object) -> Any:
    """Check one value from JSON. Raise BadValueError when it has the wrong type or is out of bounds."""
    match field.kind:
        case "flag":
            if not isinstance(value, bool):
                raise BadValueError("must be true or false")
            return value
        case "list":
            return _read_choices(field, value) if field.choices else _read_tables(value)
        case "text":
            return _read_text(field, value)
        case _:
            return _read_number(field, value)


def from_environment(field: Field, text: str) -> object:
    """Turn the text of an environment variable into what JSON would have held; `read_value` judges it afterwards."""
    match field.kind:
        case "flag":
            word = text.strip().lower()
            if word not in TRUE_WORDS | FALSE_WORDS:
                raise BadValueError("must be true or false")
            return word in TRUE_WORDS
        case "list":
            return [name.strip() for name in text.split(",") if name.strip()]
        case "text":
            return text
        case _:
            try:
                return int(text) if field.kind == "integer" else float(text)
            except ValueError:
                raise BadValueError("must be a number") from None


def _read_text(field: Field, value: object) -> str:
    if not isinstance(value, str) or (field.default is REQUIRED and not value):
        raise BadValueError("must be a text that is not empty" if field.default is REQUIRED else "must be a text")
    if any(character < " " or character == "\x7f" for character in value):
        raise BadValueError("contains a control character")
    if field.secret and not value.isascii():
        # It travels in a header.
        raise BadValueError("must hold only ASCII characters")
    if field.choices and value not in field.choices:
        raise BadValueError(f"must be one of {', '.join(field.choices)}")
    return value


def _read_number(field: Field, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValueError("must be a number")
    if field.kind == "integer" and not isinstance(value, int):
        raise BadValueError("must be an integer")
    if not field.minimum <= value <= field.maximum:
        raise BadValueError(f"must be from {field.minimum:g} to {field.maximum:g}")
    return value if field.kind == "integer" else float(value)


def _read_choices(field: Field, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or len({str(name) for name in value}) != len(value):
        raise BadValueError("must be a list of different names, at least one")
    if any(name not in field.choices for name in value):
        raise BadValueError(f"must hold only {', '.join(field.choices)}")
    return tuple(value)


def _read_tables(value: object) -> tuple[str, ...]:
    """Names of tables: they become part of a statement, so only plain identifiers pass."""
    if not isinstance(value, list) or len(value) > 20:
        raise BadValueError("must be a list of at most 20 names")
    for name in value:
        if not isinstance(name, str) or not 1 <= len(name) <= 64 or not name.isascii():
            raise BadValueError("must hold plain table names")
        if not name.replace("_", "a").replace("$", "a").isalnum():
            raise BadValueError("must hold plain table names")
    return tuple(value)
