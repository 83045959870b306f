"""What a collector brought, collection by collection: how many, how much, how late, and where some are missing."""

from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext as _

from collectors.access import Principal, visible_to
from collectors.admin import charts
from collectors.admin.display import NOTHING, Unit, duration, moment, number
from collectors.domain import time_ranges
from collectors.domain.leases import HaRole
from collectors.domain.liveness import Status
from collectors.domain.time_ranges import TimeRange
from collectors.domain.uptime import Stretch
from collectors.models import Collection, Collector
from collectors.services import collections, retention
from collectors.services.collections import Hole

_SLOTS: Final = 60
_SHOWN: Final = 50
_HOLES: Final = 50


def collections_context(
    collector: Collector, principal: Principal, parts: list[Stretch], shown: TimeRange, now: datetime
) -> dict[str, Any]:
    """Return what the template says of the period; `parts` are the collector's statuses in it."""
    rows = visible_to(Collection.objects.filter(collector_id=collector.pk), principal)
    rows = retention.kept(rows, since=shown.since)
    period: dict[str, Any] = {"rows": rows, "since": shown.since, "until": shown.until}
    width = shown.slot(most=_SLOTS)
    slots = collections.by_slot(**period, width=width)
    # One more than is told: whether there are more.
    found = collections.holes(**period, now=now, most=_HOLES + 1)
    holes = [(hole, _hole(hole, parts)) for hole in found[-_HOLES:]]
    newest = collections.newest(**period, most=_SHOWN)
    total = sum(slots)
    return {
        "collections": _lines(
            newest, [(hole, text) for hole, text in holes if not newest or hole.until > newest[-1].started_at]
        ),
        "collections_left_out": number(total - len(newest)) if total > len(newest) else "",
        "collections_chart": charts.Chart(
            name="collections",
            title=_("Collections"),
            starts=time_ranges.starts(shown.since, shown.until, width),
            width=width,
            series=[charts.Series(_("Collections"), slots, Unit.COUNT)],
            gaps=[charts.Stretch(hole.since, hole.until, text) for hole, text in holes],
        ),
        "collections_missing": len(holes),
        "collections_missing_more": len(found) > len(holes),
        "collects_instead": collector.database.lease.holder if collector.ha_role is HaRole.STANDBY else None,
    }


def _hole(hole: Hole, parts: list[Stretch]) -> str:
    """Return what is said of a hole: how long it is, and in which statuses the collector was, where another than ONLINE."""
    said = _("no collection for %(time)s") % {"time": duration(hole.length)}
    within = {part.status.value for part in parts if part.since < hole.until and part.until > hole.since}
    others = sorted(within - {Status.ONLINE.value})
    return f"{said} ({', '.join(others)})" if others else said


def _lines(newest: list[Collection], holes: list[tuple[Hole, str]]) -> list[dict[str, Any]]:
    """Return the lines of the table, newest first, with a line for each hole between them."""
    lines = [(row.started_at, 0, _line(row)) for row in newest]
    lines += [(hole.until, -1, {"hole": text, "at": moment(hole.since)}) for hole, text in holes]
    # A hole ends where a collection begins again, so it stands below that one.
    return [line for *_, line in sorted(lines, key=lambda line: line[:2], reverse=True)]


def _line(row: Collection) -> dict[str, Any]:
    return {
        "at": moment(row.started_at),
        "source": row.source,
        "rows": number(row.rows),
        "calls": _("counting began here") if row.calls is None and not row.is_stale else number(row.calls),
        "duplicates": number(row.duplicates) if row.duplicates else NOTHING,
        "late": duration(row.received_at - row.started_at),
        "took": _("%(count)s ms") % {"count": number(row.took_ms)},
        "is_stale": row.is_stale,
    }
