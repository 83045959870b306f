"""What costs most: fingerprints by total time over a period, with what is known to be missing beside them."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from collectors.access import Principal, visible_to
from collectors.admin import signed_in
from collectors.admin.display import NOTHING, nanoseconds, statement_text
from collectors.domain.roles import Permission
from collectors.models import Cost, Gap, Latency, MonitoredDatabase
from collectors.services import queries

PERIODS: Final = {
    "hour": ("Last hour", timedelta(hours=1)),
    "day": ("Last day", timedelta(days=1)),
    "week": ("Last week", timedelta(days=7)),
    "month": ("Last 30 days", timedelta(days=30)),
    "quarter": ("Last 90 days", timedelta(days=90)),
}
_SHOWN: Final = 100
_GAPS_SHOWN: Final = 50
_MAX_ID_DIGITS: Final = 18


def queries_page(request: HttpRequest) -> HttpResponse:
    """Show the dearest fingerprints of the visible databases, or of one of them."""
    from collectors.admin.site import site

    principal = signed_in.principal(request)
    if not principal.holds(Permission.QUERY_VIEW):
        raise PermissionDenied
    period = request.GET.get("period", "day")
    period = period if period in PERIODS else "day"
    databases = visible_to(MonitoredDatabase.objects.all(), principal)
    database = _chosen(request.GET.get("database", ""), databases)
    until = timezone.now()
    since = until - PERIODS[period][1]
    gaps = _gaps(principal, database, since, until)
    context = {
        **site.each_context(request),
        "title": "Top queries",
        "periods": [(name, title) for name, (title, _) in PERIODS.items()],
        "period": period,
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


def _shown(row: dict[str, Any], dearest: int) -> dict[str, Any]:
    calls, total = row["sum_calls"], row["sum_time_ns"]
    return {
        "text": statement_text(row["fingerprint"]),
        "fingerprint_id": row["fingerprint_id"] or NOTHING,
        "database": row["database_name"],
        "source": row["source"],
        "calls": f"{calls:,}",
        "total": nanoseconds(total),
        "average": nanoseconds(total // calls) if calls else NOTHING,
        "p95": nanoseconds(row["p95_time_ns"]),
        "p99": nanoseconds(row["p99_time_ns"]),
        "greatest": nanoseconds(row["greatest_time_ns"]),
        "rows": f"{row['sum_rows']:,}",
        "share": round(100 * total / dearest) if dearest else 0,
    }


def _gaps(
    principal: Principal, database: MonitoredDatabase | None, since: datetime, until: datetime
) -> list[queries.GapLine]:
    gaps = visible_to(Gap.objects.all(), principal)
    if database is not None:
        gaps = gaps.filter(database=database)
    return queries.gap_lines(queries.gaps_between(gaps=gaps, since=since, until=until), most=_GAPS_SHOWN)
