"""One statement: its text, how it went over time, where it runs, its slow executions, and what people know of it."""

from dataclasses import dataclass, replace
from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Min
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _

from collectors.access import Principal, may, visible_to, with_removable
from collectors.admin import charts, refusals, signed_in, sql_text, time_range
from collectors.admin.display import Unit, in_unit
from collectors.admin.pages import queries_choices, queries_table
from collectors.admin.pages.queries_choices import GROUPINGS, Choices, number
from collectors.admin.pages.query_charts import query_charts
from collectors.admin.pages.query_plan import plan_context
from collectors.domain import metrics, tags
from collectors.domain.groupings import Grouping
from collectors.domain.metrics import METRICS, TIME
from collectors.domain.roles import Permission
from collectors.models import Fingerprint, FingerprintNote, FingerprintTag, Gap, Latency, MonitoredDatabase, Statement
from collectors.services import fingerprint_notes, queries, query_details, top_queries
from collectors.services.errors import Refused
from collectors.services.query_narrowing import Narrowing, narrowed_gaps
from collectors.services.top_queries import Question, Row

_PLACES: Final = (Grouping.DATABASE, Grouping.SCHEMA, Grouping.USER, Grouping.HOST)
_PLACES_SHOWN: Final = 8
_SLOW_SHOWN: Final = 15
_GAPS_SHOWN: Final = 50
_FACTS: Final = (
    "total_time",
    "share",
    "calls",
    "calls_per_second",
    "avg_time",
    "p95_time",
    "p99_time",
    "max_time",
    "rows",
)
_SLOW_ORDERS: Final = {"longest": "-query_time_ns", "newest": "-started_at"}


def query_page(request: HttpRequest, pk: str) -> HttpResponse:
    """Show a statement of the organization; write on it what people know of it."""
    from collectors.admin.site import site

    principal = signed_in.principal(request)
    if not principal.holds(Permission.QUERY_VIEW):
        raise PermissionDenied
    fingerprint = (
        visible_to(Fingerprint.objects.select_related("organization"), principal).filter(pk=number(pk) or 0).first()
    )
    if fingerprint is None:
        raise Http404
    if request.method == "POST":
        return _write(request, principal, fingerprint)
    choices = replace(queries_choices.of(request, principal), narrowing=Narrowing(fingerprint=fingerprint.pk))
    context = {
        **site.each_context(request),
        "title": _("Query %(id)s") % {"id": fingerprint.fingerprint_id},
        "range": time_range.control(request, choices.shown),
        "fingerprint": fingerprint,
        "sql": sql_text.highlighted(sql_text.formatted(fingerprint.text)),
        "list_address": queries_choices.address_of_list(choices),
        "is_fullwidth": "1",
        **_people(principal, fingerprint),
        **plan_context(request, principal, fingerprint),
    }
    try:
        context |= _numbers(request, choices, principal, fingerprint)
    except Refused as refusal:
        context["refusal"] = str(refusal)
    return render(request, "admin/dbpower/query.html", context)


# -- Numbers -----------------------------------------------------------------------------------------------------------


def _numbers(request: HttpRequest, choices: Choices, principal: Principal, fingerprint: Fingerprint) -> dict[str, Any]:
    question = replace(
        choices.question(principal),
        grouping=Grouping.FINGERPRINT,
        earlier=None,
        metrics=[METRICS[name] for name in _FACTS],
    )
    row, whole = _row(question), top_queries.whole(replace(question, narrowing=Narrowing()))
    statements = visible_to(Statement.objects.filter(fingerprint=fingerprint), principal)
    databases = set(statements.order_by().values_list("database_id", flat=True).distinct())
    gaps = _gaps(question, principal, databases)
    return {
        "facts": _facts(question, row, whole, principal),
        "first_seen": statements.aggregate(first=Min("first_seen"))["first"],
        "last_seen": query_details.last_seen(question),
        "charts": query_charts(question, principal, gaps=charts.stretches(gaps), databases=databases),
        "gaps": gaps,
        "gap_count": sum(gap.gaps for gap in gaps),
        "places": [_place(question, grouping, principal) for grouping in _PLACES],
        **_slow(request, question),
    }


def _row(question: Question) -> Row:
    """Return the statement's row; one without any numbers where it did not run."""
    page = top_queries.page(question, order=metrics.DEFAULT_ORDER, descending=True, offset=0, limit=1)
    empty = Row(question.narrowing.fingerprint, 0, None, "", dict.fromkeys(question.columns))
    return page.rows[0] if page.rows else empty


def _facts(question: Question, row: Row, whole: metrics.Sums, principal: Principal) -> list[queries_table.Cell]:
    told = query_details.percentiles(question, [row], visible_to(Latency.objects.all(), principal)).get(
        row.identity, {}
    )
    seconds = question.shown.length.total_seconds()
    return [queries_table.number_of(metric, row.sums, whole, told, seconds=seconds) for metric in question.metrics]


def _gaps(question: Question, principal: Principal, databases: set[int]) -> list[queries.GapLine]:
    gaps = narrowed_gaps(visible_to(Gap.objects.all(), principal), Narrowing()).filter(database_id__in=databases)
    during = queries.gaps_between(gaps=gaps, since=question.shown.since, until=question.shown.until)
    return queries.gap_lines(during, most=_GAPS_SHOWN)


@dataclass(frozen=True)
class Place:
    """Where a statement ran, by one kind of place: names with their shares of its time in percent, the dearest first."""

    title: Any
    rows: list[tuple[str, str, float]]
    others: int
    note: str


def _place(question: Question, grouping: Grouping, principal: Principal) -> Place:
    asked = replace(question, grouping=grouping, metrics=[])
    page = top_queries.page(asked, order=metrics.DEFAULT_ORDER, descending=True, offset=0, limit=_PLACES_SHOWN)
    named = queries_table.Names({}, {}, _databases(grouping, page.rows, principal), {}, {}, {})
    whole = page.whole.get(TIME) or 1
    return Place(
        title=GROUPINGS[grouping][1],
        rows=[
            (
                queries_table.plain_title(grouping, row, named),
                in_unit(row.sums[TIME], Unit.NANOSECONDS),
                100 * (row.sums[TIME] or 0) / whole,
            )
            for row in page.rows
        ],
        others=page.count - len(page.rows),
        note=_("of single slow queries only") if grouping.from_slow_queries else "",
    )


def _databases(grouping: Grouping, rows: list[Row], principal: Principal) -> dict[int, MonitoredDatabase]:
    if grouping is not Grouping.DATABASE:
        return {}
    return visible_to(MonitoredDatabase.objects.all(), principal).in_bulk({row.key for row in rows})


def _slow(request: HttpRequest, question: Question) -> dict[str, Any]:
    """Return single executions of the period."""
    chosen = request.GET.get("slow", "")
    chosen = chosen if chosen in _SLOW_ORDERS else "longest"
    slow = (
        query_details.slow_queries(question)
        .select_related("database", "statement")
        .order_by(_SLOW_ORDERS[chosen], "-pk")
    )
    titles = {"longest": _("Longest"), "newest": _("Newest")}
    return {
        "slow": list(slow[:_SLOW_SHOWN]),
        "slow_choices": [
            (titles[name], queries_choices.address(request, slow=name) + "#slow", name == chosen)
            for name in _SLOW_ORDERS
        ],
    }


# -- What people know --------------------------------------------------------------------------------------------------


def _people(principal: Principal, fingerprint: Fingerprint) -> dict[str, Any]:
    notes = visible_to(FingerprintNote.objects.filter(fingerprint=fingerprint), principal)
    names = visible_to(FingerprintTag.objects.filter(fingerprint=fingerprint), principal)
    return {
        "notes": with_removable(notes, fingerprint, principal),
        "tags": [tag.name for tag in names],
        "may_annotate": may(principal, Permission.QUERY_ANNOTATE, fingerprint),
    }


def _write(request: HttpRequest, principal: Principal, fingerprint: Fingerprint) -> HttpResponse:
    """Do what a form of the page asks, and show the page again."""
    if not may(principal, Permission.QUERY_ANNOTATE, fingerprint):
        raise PermissionDenied
    actor = signed_in.actor(request)
    try:
        if "note" in request.POST:
            fingerprint_notes.add_note(
                fingerprint=fingerprint, author=signed_in.user(request), text=request.POST["note"], actor=actor
            )
            messages.success(request, _("The note is written down."))
        elif "tags" in request.POST:
            names = tags.tags_of(request.POST["tags"].replace("\0", ""))
            fingerprint_notes.set_tags(fingerprint=fingerprint, names=names, actor=actor)
            messages.success(request, _("The tags are changed."))
        elif "remove" in request.POST:
            _remove(request, principal, fingerprint)
    except Refused as refusal:
        refusals.record_refused(request, refusal, row=fingerprint)
        messages.error(request, str(refusal))
    return HttpResponseRedirect(request.get_full_path())


def _remove(request: HttpRequest, principal: Principal, fingerprint: Fingerprint) -> None:
    """Remove a note: one's own, or any where one governs the organization."""
    found = {note.pk: mine for note, mine in _people(principal, fingerprint)["notes"]}
    pk = number(request.POST["remove"])
    if pk is None or not found.get(pk):
        raise Refused(_("There is no such note of yours."), code="not_found")
    fingerprint_notes.remove_note(
        note=FingerprintNote.objects.select_related("fingerprint").get(pk=pk), actor=signed_in.actor(request)
    )
    messages.success(request, _("The note is removed."))
