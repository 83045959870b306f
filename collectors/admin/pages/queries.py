"""What costs most: fingerprints by total time over a period, with what is known to be missing beside them."""

from datetime import datetime
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from collectors.access import Principal, visible_to
from collectors.admin import charts, signed_in, time_range
from collectors.admin.display import NOTHING, Unit, nanoseconds, number, statement_text
from collectors.domain import time_ranges
from collectors.domain.roles import Permission
from collectors.domain.time_ranges import TimeRange
from collectors.models import Cost, Gap, Latency, MonitoredDatabase
from collectors.services import queries, series

_SLOTS: Final = 100
_SHOWN: Final = 100
_GAPS_SHOWN: Final = 50
_MAX_ID_DIGITS: Final = 18


def queries_page(request: HttpRequest) -> HttpResponse:
    """Show the dearest fingerprints of the visible databases, or of one of them."""
    from collectors.admin.site import site

    principal = signed_in.principal(request)
    if not principal.holds(Permission.QUERY_VIEW):
        raise PermissionDenied
    shown = time_range.of(request)
    databases = visible_to(MonitoredDatabase.objects.all(), principal)
    database = _chosen(request.GET.get("database", ""), databases)
    since, until = shown.since, shown.until
    gaps = _gaps(principal, database, since, until)
    context = {
        **site.each_context(request),
        "title": _("Top queries"),
        "range": time_range.control(request, shown),
        "chart": _load(principal, database, shown, gaps),
        "databases": databases,
        "database": database,
        "rows": _rows(principal, database, since, until),
        "gaps": gaps,
        "gap_count": sum(gap.gaps for gap in gaps),
        "shown": _SHOWN,
        "is_fullwidth": "1",
    }
    return render(request, "admin/dbpower/queries.html", context)


def _chosen(text: str, databases: Any) -> MonitoredDatabase | None:
    """Return the chosen database; one that is not visible is like none."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_ID_DIGITS):
        return None
    chosen: MonitoredDatabase | None = databases.filter(pk=int(text)).first()
    return chosen


def _rows(
    principal: Principal, database: MonitoredDatabase | None, since: datetime, until: datetime
) -> list[dict[str, Any]]:
    costs = visible_to(Cost.objects.all(), principal)
    if database is not None:
        costs = costs.filter(database=database)
    found = queries.with_percentiles(
        queries.top_fingerprints(costs=costs, since=since, until=until)[:_SHOWN],
        sketches=visible_to(Latency.objects.all(), principal),
        since=since,
        until=until,
    )
    whole = max((row["sum_time_ns"] for row in found), default=0)
    return [_shown(row, whole) for row in found]


def _load(
    principal: Principal, database: MonitoredDatabase | None, shown: TimeRange, gaps: list[queries.GapLine]
) -> charts.Chart:
    costs = visible_to(Cost.objects.all(), principal)
    if database is not None:
        costs = costs.filter(database=database)
    width = shown.slot(most=_SLOTS)
    totals = series.by_slot(costs=costs, since=shown.since, until=shown.until, width=width)[()]
    return charts.Chart(
        name="load",
        title=_("Load over time"),
        starts=time_ranges.starts(shown.since, shown.until, width),
        width=width,
        series=[
            charts.Series(_("Time in statements"), [slot["total_time_ns"] for slot in totals], Unit.NANOSECONDS),
            charts.Series(_("Calls"), [slot["calls"] for slot in totals], Unit.COUNT, kind="line"),
        ],
        gaps=charts.stretches(gaps),
    )


def _shown(row: dict[str, Any], dearest: int) -> dict[str, Any]:
    calls, total = row["sum_calls"], row["sum_time_ns"]
    return {
        "text": statement_text(row["fingerprint"]),
        "fingerprint_id": row["fingerprint_id"] or NOTHING,
        "database": row["database_name"],
        "source": row["source"],
        "calls": number(calls),
        "total": nanoseconds(total),
        "average": nanoseconds(total // calls) if calls else NOTHING,
        "p95": nanoseconds(row["p95_time_ns"]),
        "p99": nanoseconds(row["p99_time_ns"]),
        "greatest": nanoseconds(row["greatest_time_ns"]),
        "rows": number(row["sum_rows"]),
        "share": round(100 * total / dearest) if dearest else 0,
    }


def _gaps(
    principal: Principal, database: MonitoredDatabase | None, since: datetime, until: datetime
) -> list[queries.GapLine]:
    gaps = visible_to(Gap.objects.all(), principal)
    if database is not None:
        gaps = gaps.filter(database=database)
    return queries.gap_lines(queries.gaps_between(gaps=gaps, since=since, until=until), most=_GAPS_SHOWN)
