"""How values are shown: times and ages with UTC on hover, nanoseconds as milliseconds, statuses as labels.

All in the language and the time zone of whoever looks (see `dbpower.middleware.LanguageAndZone`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from collectors.admin import sql_text
from collectors.domain.commands import CommandState
from collectors.domain.leases import HaRole
from collectors.domain.liveness import Status
from collectors.models import Command, Fingerprint

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
# What the colour goes by, and what is read.
SOURCE_WORDS: Final[Mapping[bool | None, Any]] = {
    True: ("readable", gettext_lazy("readable")),
    False: ("unreadable", gettext_lazy("unreadable")),
}
SOURCE_COLOURS: Final = {"readable": "success", "unreadable": "danger"}
STATE_COLOURS: Final = {
    CommandState.PENDING.value: "info",
    CommandState.DELIVERED.value: "info",
    CommandState.SUCCEEDED.value: "success",
    CommandState.FAILED.value: "danger",
    CommandState.EXPIRED.value: "warning",
    CommandState.CANCELLED.value: "default",
}
UNITS: Final = (
    (86_400, pgettext_lazy("unit of time: days", "d")),
    (3_600, pgettext_lazy("unit of time: hours", "h")),
    (60, pgettext_lazy("unit of time: minutes", "min")),
    (1, pgettext_lazy("unit of time: seconds", "s")),
)
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
    for index, (size, unit) in enumerate(UNITS):
        if seconds >= size:
            count, rest = divmod(seconds, size)
            if size == 1 or count >= _ONE_UNIT_IS_ENOUGH:
                return f"{count} {unit}"
            smaller, smaller_unit = UNITS[index + 1]
            return f"{count} {unit} {rest // smaller} {smaller_unit}" if rest >= smaller else f"{count} {unit}"
    return f"0 {UNITS[-1][1]}"


def clock_skew(seconds: float | None) -> str:
    """Return how far a host's clock is from the server's."""
    if seconds is None:
        return _("not told")
    if abs(seconds) < 1:
        return _("less than 1 s from the server's clock")
    length = {"time": duration(timedelta(seconds=abs(seconds)))}
    return (
        _("%(time)s ahead of the server's clock") % length
        if seconds > 0
        else _("%(time)s behind the server's clock") % length
    )


def moment(at: datetime | None, *, never: str = NOTHING) -> SafeString | str:
    """Return a time in the person's zone, `2026-11-27 15:03`, with UTC on hover."""
    if at is None:
        return never
    return _time(at, f"{timezone.localtime(at):%Y-%m-%d %H:%M}", _utc(at))


def ago(at: datetime | None, *, now: datetime | None = None, never: str = NOTHING) -> SafeString | str:
    """Return how long ago something was, with its exact time on hover: in the person's zone where that is another, and in UTC."""
    if at is None:
        return never
    words = _("%(age)s ago") % {"age": duration((now or timezone.now()) - at)}
    local = timezone.localtime(at)
    here = "" if local.utcoffset() == timedelta() else f"{local:%Y-%m-%d %H:%M:%S %Z} · "
    return _time(at, words, here + _utc(at))


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _time(at: datetime, words: str, title: str) -> SafeString:
    return format_html(
        '<time datetime="{}" title="{}" class="whitespace-nowrap">{}</time>',
        at.astimezone(UTC).isoformat(),
        title,
        words,
    )


def number(value: float | Decimal | None, decimals: int | None = None) -> str:
    """Return a number as the person's language writes it, `1,234.50` or `1.234,50`, rounded to so many decimals."""
    if value is None:
        return NOTHING
    if decimals is not None:
        value = Decimal(f"{value:.{decimals}f}")
    return formats.number_format(value, decimals, force_grouping=True)


def freshness(until: datetime | None, *, fresh: bool | None) -> SafeString:
    """Return how new data is, and whether it ought to be newer; `fresh` is None where none is expected."""
    if fresh is None:
        return format_html("{}", NOTHING)
    sign, word = ("●", _("fresh")) if fresh else ("○", _("stale"))
    return format_html(
        '<span class="whitespace-nowrap"><span aria-hidden="true">{}</span> {}, {}</span>',
        sign,
        word,
        ago(until, never=_("none yet")),
    )


def nanoseconds(value: int | None) -> str:
    """Return a time in seconds from one second on, in milliseconds below."""
    if value is None:
        return NOTHING
    if value >= _NANOSECONDS:
        return f"{number(value / _NANOSECONDS, 2)} s"
    return f"{number(value / _MILLISECOND, 2)} ms"


def in_unit(value: float | None, unit: Unit) -> str:
    """Return a number in its unit."""
    if value is None:
        return NOTHING
    if unit is Unit.NANOSECONDS:
        return nanoseconds(round(value))
    if unit is Unit.BYTES:
        return filesizeformat(value)
    if unit is Unit.PERCENT:
        return f"{number(value, 1)} %"
    if unit is Unit.PER_SECOND:
        return f"{number(value, 2)} /s"
    if unit is Unit.DECIMAL:
        return number(value, 2)
    if unit is Unit.SESSIONS:
        return number(value / _NANOSECONDS, 3)
    return number(round(value))


def statement_text(text: str | None) -> SafeString:
    """Return a statement as monospaced text, cut by the style sheet and whole on hover. It is data: always escaped."""
    if not text:
        return format_html('<span class="italic">{}</span>', _("text not here yet"))
    return format_html('<code class="dbpower-sql" title="{}">{}</code>', text[:2_000], text[:500])


def statement_in_full(fingerprint: Fingerprint | None) -> SafeString:
    """Return a whole statement in lines, with the way to its numbers. It is data: always escaped."""
    if fingerprint is None:
        return statement_text(None)
    return format_html(
        '<code class="dbpower-whole-statement">{}</code><a class="dbpower-onward" href="{}">{}</a>',
        sql_text.highlighted(sql_text.formatted(fingerprint.text)),
        reverse("admin:query", args=[fingerprint.pk]),
        _("Numbers, charts and notes"),
    )


def requester_of(command: Command) -> str:
    """Return who asked for a command of `with_requesters`; whom the reader does not see among the users goes unnamed."""
    if command.requested_by is None:
        return NOTHING
    return str(command.requested_by) if getattr(command, "known_requester_id", None) else _("an administrator")
