"""How values are shown: ages in words with the exact time on hover, nanoseconds as milliseconds, statuses as labels."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from collectors.domain.commands import CommandState
from collectors.domain.leases import HaRole
from collectors.domain.liveness import Status

NOTHING: Final = "-"
# Unfold's colours of labels; the label's text says the same.
STATUS_COLOURS: Final = {
    Status.ONLINE.value: "success",
    Status.STARTING.value: "info",
    Status.ERROR.value: "warning",
    Status.OFFLINE.value: "danger",
    Status.STOPPED.value: "default",
}
ROLE_COLOURS: Final = {HaRole.ACTIVE.value: "success", HaRole.STANDBY.value: "info"}
SOURCE_WORDS: Final[Mapping[bool | None, str]] = {True: "readable", False: "unreadable"}
SOURCE_COLOURS: Final = {"readable": "success", "unreadable": "danger"}
STATE_COLOURS: Final = {
    CommandState.PENDING.value: "info",
    CommandState.DELIVERED.value: "info",
    CommandState.SUCCEEDED.value: "success",
    CommandState.FAILED.value: "danger",
    CommandState.EXPIRED.value: "warning",
    CommandState.CANCELLED.value: "default",
}
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_NANOSECONDS: Final = 1_000_000_000
_MILLISECOND: Final = 1_000_000
# From here on the next smaller unit says nothing more.
_ONE_UNIT_IS_ENOUGH: Final = 10


class Unit(StrEnum):
    """How a number is written."""

    NANOSECONDS = "ns"
    COUNT = "count"
    PER_SECOND = "per_second"
    BYTES = "bytes"
    PERCENT = "percent"
    # A number with its fraction, and busy sessions: nanoseconds in each second.
    DECIMAL = "decimal"
    SESSIONS = "sessions"


def duration(length: timedelta) -> str:
    """Return a length of time in one or two units: `12 s`, `3 min 4 s`, `5 d`."""
    seconds = max(0, int(length.total_seconds()))
    for index, (size, unit) in enumerate(_UNITS):
        if seconds >= size:
            count, rest = divmod(seconds, size)
            if size == 1 or count >= _ONE_UNIT_IS_ENOUGH:
                return f"{count} {unit}"
            smaller, smaller_unit = _UNITS[index + 1]
            return f"{count} {unit} {rest // smaller} {smaller_unit}" if rest >= smaller else f"{count} {unit}"
    return "0 s"


def ago(moment: datetime | None, *, now: datetime | None = None, never: str = NOTHING) -> SafeString | str:
    """Return how long ago something was, with its exact time on hover."""
    if moment is None:
        return never
    age = duration((now or timezone.now()) - moment)
    return format_html(
        '<time datetime="{}" title="{} UTC" class="whitespace-nowrap">{} ago</time>',
        moment.isoformat(),
        moment.strftime("%Y-%m-%d %H:%M:%S"),
        age,
    )


def freshness(until: datetime | None, *, fresh: bool | None) -> SafeString:
    """Return how new data is, and whether it ought to be newer; `fresh` is None where none is expected."""
    if fresh is None:
        return format_html("{}", NOTHING)
    sign, word = ("●", "fresh") if fresh else ("○", "stale")
    return format_html(
        '<span class="whitespace-nowrap"><span aria-hidden="true">{}</span> {}, {}</span>',
        sign,
        word,
        ago(until, never="none yet"),
    )


def nanoseconds(value: int | None) -> str:
    """Return a time in seconds from one second on, in milliseconds below."""
    if value is None:
        return NOTHING
    if value >= _NANOSECONDS:
        return f"{value / _NANOSECONDS:,.2f} s"
    return f"{value / _MILLISECOND:,.2f} ms"


def in_unit(value: float | None, unit: Unit) -> str:
    """Return a number in its unit."""
    if value is None:
        return NOTHING
    if unit is Unit.NANOSECONDS:
        return nanoseconds(round(value))
    if unit is Unit.BYTES:
        return filesizeformat(value)
    if unit is Unit.PERCENT:
        return f"{value:,.1f} %"
    if unit is Unit.PER_SECOND:
        return f"{value:,.2f} /s"
    if unit is Unit.DECIMAL:
        return f"{value:,.2f}"
    if unit is Unit.SESSIONS:
        return f"{value / _NANOSECONDS:,.3f}"
    return f"{round(value):,}"


def in_utc(moment: datetime) -> str:
    """Return a moment in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def statement_text(text: str | None, missing: str = "text not here yet") -> SafeString:
    """Return a statement as monospaced text, cut by the style sheet and whole on hover. It is data: always escaped."""
    if not text:
        return format_html('<span class="italic">{}</span>', missing)
    return format_html('<code class="dbpower-sql" title="{}">{}</code>', text[:2_000], text[:500])
