"""The time line of a collector's statuses: a picture, shares in words, and each flip with its cause."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from collectors.access import Principal, visible_to
from collectors.admin import charts, time_range
from collectors.admin.display import Unit, duration, in_unit, number
from collectors.admin.pages.collections import collections_context
from collectors.admin.pages.hearing import hearing_context
from collectors.domain import time_ranges, uptime
from collectors.domain.liveness import Status
from collectors.domain.time_ranges import TimeRange
from collectors.domain.uptime import Stretch
from collectors.models import Collector, Cost, Gap, StatusChange, labels
from collectors.services import queries, series, status_history

WIDTH: Final = 1_000
_SLOTS: Final = 60
_GAPS_SHOWN: Final = 50
_FLIPS_SHOWN: Final = 50
# How high a status stands in the picture, in per cent: its shape tells it from the others, not its colour alone.
_HEIGHTS: Final = {
    Status.ONLINE: 100,
    Status.STARTING: 70,
    Status.ERROR: 55,
    Status.STOPPED: 35,
    Status.OFFLINE: 18,
}


@dataclass(frozen=True)
class Bar:
    """A stretch in the picture: where it begins and how wide it is, of WIDTH, and what is said of it."""

    status: str
    x: float
    width: float
    y: int
    height: int
    text: str


def uptime_context(request: HttpRequest, collector: Collector, principal: Principal) -> dict[str, Any]:
    """Return what the template needs: of the collector's statuses, and of the numbers that came from its database."""
    now = timezone.now()
    shown = time_range.of(request, now=now)
    changes = visible_to(StatusChange.objects.filter(collector_id=collector.pk), principal)
    parts = status_history.stretches(changes=changes, since=shown.since, until=shown.until)
    share = uptime.uptime(parts)
    return {
        "range": time_range.control(request, shown, now=now),
        "uptime": None if share is None else in_unit(100 * share, Unit.PERCENT),
        "bars": [_bar(part, shown) for part in parts],
        "bars_width": WIDTH,
        "shares": [
            (status.value, in_unit(100 * part, Unit.PERCENT)) for status, part in sorted(uptime.shares(parts).items())
        ],
        "flips": [_flip(part) for part in reversed(parts[-_FLIPS_SHOWN:])],
        "flips_left_out": number(len(parts) - _FLIPS_SHOWN) if len(parts) > _FLIPS_SHOWN else "",
        **hearing_context(collector, parts, shown, now),
        **collections_context(collector, principal, parts, shown, now),
        **_numbers(collector, principal, shown, parts),
    }


def _bar(part: Stretch, shown: TimeRange) -> Bar:
    height = _HEIGHTS[part.status]
    return Bar(
        status=part.status.lower(),
        x=round(WIDTH * ((part.since - shown.since) / shown.length), 2),
        width=max(1.0, round(WIDTH * (part.length / shown.length), 2)),
        y=100 - height,
        height=height,
        text=_("%(status)s for %(time)s: %(cause)s")
        % {
            "status": part.status.value,
            "time": duration(part.length),
            "cause": labels.label_of(labels.CAUSES, part.cause),
        },
    )


def _flip(part: Stretch) -> tuple[datetime, str, str, str]:
    cause = labels.label_of(labels.CAUSES, part.cause)
    return part.since, part.status.value, duration(part.length), f"{cause}: {part.detail}" if part.detail else cause


def _numbers(collector: Collector, principal: Principal, shown: TimeRange, parts: list[Stretch]) -> dict[str, Any]:
    """Return the chart of what was collected from the collector's database, with gaps and flips; nothing to who may not see it."""
    costs = visible_to(Cost.objects.filter(database_id=collector.database_id), principal)
    found = queries.gaps_between(
        gaps=visible_to(Gap.objects.filter(database_id=collector.database_id), principal),
        since=shown.since,
        until=shown.until,
    )
    gaps = queries.gap_lines(found, most=_GAPS_SHOWN)
    width = shown.slot(most=_SLOTS)
    totals = series.by_slot(costs=costs, since=shown.since, until=shown.until, width=width)[()]
    chart = charts.Chart(
        name="collected",
        title=_("What was collected from %(database)s") % {"database": collector.database},
        starts=time_ranges.starts(shown.since, shown.until, width),
        width=width,
        series=[
            charts.Series(_("Calls"), [slot["calls"] for slot in totals], Unit.COUNT),
            charts.Series(
                _("Time in statements"), [slot["total_time_ns"] for slot in totals], Unit.NANOSECONDS, kind="line"
            ),
        ],
        gaps=charts.stretches(gaps),
        marks=[_mark(part) for part in parts[1:]],
    )
    return {"collected": chart, "gaps": gaps}


def _mark(part: Stretch) -> charts.Mark:
    tone = {Status.ONLINE: "good", Status.OFFLINE: "bad", Status.ERROR: "bad"}.get(part.status, "plain")
    return charts.Mark(part.since, f"{part.status.value}: {labels.label_of(labels.CAUSES, part.cause)}", tone)
