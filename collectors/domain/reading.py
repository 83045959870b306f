"""Reading untrusted JSON member by member, each with its type and range."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar

from collectors.domain import limits

_HEX: Final = re.compile(r"[0-9A-Fa-f]+", re.ASCII)
# After so many wrong members of a list the rest is not looked at.
_ENOUGH_ERRORS: Final = 20

Item = TypeVar("Item")
Choice = TypeVar("Choice", bound=StrEnum)


class Invalid(Exception):
    """The upload is not of the wire's shape; `errors` names each member and what is wrong with it."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__("invalid upload")
        self.errors = errors


@dataclass
class Reader:
    """Reads members of one JSON object, each with its type and range; what is wrong is collected in `errors`."""

    body: Mapping[str, Any]
    prefix: str = ""
    errors: dict[str, list[str]] = field(default_factory=dict)

    def fail(self, name: str, message: str) -> None:
        """Record that a member is wrong."""
        self.errors.setdefault(self.prefix + name, []).append(message)

    def integer(
        self, name: str, *, default: int | None = None, minimum: int = 0, maximum: int = limits.MAX_COUNTER
    ) -> int:
        """Return a whole number; without a default the member is required."""
        value = self.body.get(name, default)
        if type(value) is int and minimum <= value <= maximum:
            return value
        self.fail(
            name,
            "This member is required." if value is None else f"A whole number from {minimum} to {maximum} is needed.",
        )
        return minimum

    def optional_integer(self, name: str) -> int | None:
        """Return a whole number or None when absent."""
        return None if self.body.get(name) is None else self.integer(name)

    def seconds(self, name: str, *, maximum: float, default: float | None = None) -> float:
        """Return a finite number of seconds from 0 to `maximum`; without a default the member is required."""
        value = self.body.get(name, default)
        if type(value) in (int, float) and math.isfinite(value) and 0 <= value <= maximum:
            return float(value)
        self.fail(
            name,
            "This member is required." if value is None else f"A number of seconds from 0 to {maximum:g} is needed.",
        )
        return 0.0

    def optional_seconds(self, name: str, *, maximum: float = limits.MAX_AGE_SECONDS) -> float | None:
        """Return a number of seconds or None when absent."""
        return None if self.body.get(name) is None else self.seconds(name, maximum=maximum)

    def text(self, name: str, *, maximum: int, default: str | None = None, minimum: int = 0) -> str:
        """Return a text of at most `maximum` characters; without a default the member is required."""
        value = self.body.get(name, default)
        if isinstance(value, str) and minimum <= len(value) <= maximum:
            return value
        self.fail(
            name,
            "This member is required." if value is None else f"A text of {minimum} to {maximum} characters is needed.",
        )
        return ""

    def optional_text(self, name: str, *, maximum: int) -> str | None:
        """Return a text or None when absent."""
        return None if self.body.get(name) is None else self.text(name, maximum=maximum)

    def hexadecimal(self, name: str, length: int) -> str | None:
        """Return `length` hexadecimal digits or None when absent."""
        value = self.optional_text(name, maximum=length)
        if value is not None and (len(value) != length or not _HEX.fullmatch(value)):
            self.fail(name, f"{length} hexadecimal digits are needed.")
        return value

    def boolean(self, name: str) -> bool:
        """Return true or false, false when absent."""
        value = self.body.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        self.fail(name, "true or false is needed.")
        return False

    def choice(self, name: str, choices: type[Choice]) -> Choice:
        """Return the member as one of the choices."""
        value = self.body.get(name)
        if isinstance(value, str) and value in {choice.value for choice in choices}:
            return choices(value)
        self.fail(name, f"One of {', '.join(choice.value for choice in choices)} is needed.")
        raise Invalid(self.errors)

    def each(self, name: str, read: Callable[["Reader"], Item], maximum: int) -> list[Item]:
        """Return the members of a list of objects, read one by one."""
        value = self.body.get(name)
        if not isinstance(value, list) or len(value) > maximum:
            self.fail(name, f"A list of at most {maximum} objects is needed.")
            return []
        items = []
        for index, member in enumerate(value):
            if not isinstance(member, dict):
                self.fail(f"{name}[{index}]", "An object is needed.")
            else:
                items.append(read(Reader(member, f"{self.prefix}{name}[{index}].", self.errors)))
            if len(self.errors) >= _ENOUGH_ERRORS:
                break
        return items
