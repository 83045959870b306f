"""Which stretch of time a page tells of, as its address says, and the control that changes it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from collectors.domain import limits, time_ranges
from collectors.domain.time_ranges import TimeRange

# What an address says of time: a preset, or two moments (seconds since 1970 in UTC, or what a datetime field sends).
PARAMETERS: Final = ("period", "since", "until")
TITLES: Final[dict[str, str | Promise]] = {
    "hour": _("1 h"),
    "6h": _("6 h"),
    "day": _("24 h"),
    "week": _("7 d"),
    "month": _("30 d"),
    "quarter": _("90 d"),
}
_MAX_DIGITS: Final = 11


@dataclass(frozen=True)
class Choice:
    """One thing to choose in a control: its words, where it leads, and whether it is what is shown."""

    title: str | Promise
    address: str
    chosen: bool = False


@dataclass(frozen=True)
class TimeRangeControl:
    """What the template `admin/dbpower/time_range.html` draws.

    `time` are the parameters of the address that say what is shown, for other forms of the page; `kept` are all others.
    """

    shown: TimeRange
    presets: list[Choice]
    earlier: str
    later: str
    wider: str
    time: list[tuple[str, str]]
    kept: list[tuple[str, str]]


def of(request: HttpRequest, *, now: datetime | None = None) -> TimeRange:
    """Return the range that the request asks for; what cannot be read is the default preset."""
    now = now or timezone.now()
    since, until = _moment(request.GET.get("since", "")), _moment(request.GET.get("until", ""))
    if since is not None and until is not None:
        return time_ranges.between(since, until, now=now, longest=timedelta(days=limits.MAX_RETENTION_DAYS))
    return time_ranges.preset(request.GET.get("period", ""), now=now)


def control(request: HttpRequest, shown: TimeRange, *, now: datetime | None = None) -> TimeRangeControl:
    """Return the control for the range that is shown on the request's page."""
    now = now or timezone.now()
    return TimeRangeControl(
        shown=shown,
        presets=[Choice(title, address(request, period=name), name == shown.preset) for name, title in TITLES.items()],
        earlier=address_of(request, shown.before()),
        later="" if shown.preset or shown.until >= now else address_of(request, shown.after(now=now)),
        wider=address_of(request, shown.wider(now=now)),
        time=list(parameters(shown).items()),
        kept=[(name, str(value)) for name, value in _others(request).items()],
    )


def address_of(request: HttpRequest, shown: TimeRange) -> str:
    """Return the request's address with another range in it."""
    return address(request, **parameters(shown))


def address(request: HttpRequest, **time: str) -> str:
    """Return the request's address with another time in it; pages of a list begin anew."""
    others = _others(request)
    others.update(time)
    return f"?{others.urlencode()}"


def parameters(shown: TimeRange) -> dict[str, str]:
    """Return what an address says of time, for the range that is shown."""
    if shown.preset:
        return {"period": shown.preset}
    return {"since": str(int(shown.since.timestamp())), "until": str(int(shown.until.timestamp()))}


def all_but_page(request: HttpRequest) -> str:
    """Return what the request's address says, without the page of a list."""
    query = request.GET.copy()
    query.pop("p", None)
    return query.urlencode()


def _others(request: HttpRequest) -> QueryDict:
    others = request.GET.copy()
    for name in (*PARAMETERS, "page", "p"):
        others.pop(name, None)
    return others


def _moment(text: str) -> datetime | None:
    """Read seconds since 1970, or a date with a time in the zone of whoever asks; None where it is neither."""
    try:
        if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS:
            return datetime.fromtimestamp(int(text), UTC)
        parsed = parse_datetime(text)
        if parsed is None:
            return None
        return parsed if timezone.is_aware(parsed) else timezone.make_aware(parsed)
    except (ValueError, OverflowError):
        return None
