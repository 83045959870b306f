"""Single executions from slow logs."""

from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from collectors.admin.base import ScopedModelAdmin
from collectors.admin.display import ago, nanoseconds, statement_in_full, statement_text
from collectors.admin.filters import ScopedRelatedFilter
from collectors.admin.site import site
from collectors.domain.roles import Permission
from collectors.models import SlowQuery
from collectors.services import retention

# The parameter by which the list is narrowed down to one database.
_DATABASE: Final = "database__id__exact"


@admin.register(SlowQuery, site=site)
class SlowQueryAdmin(ScopedModelAdmin):
    """Logged executions, newest first. Read only."""

    view_permission = Permission.QUERY_VIEW
    numbers = ("rows_sent", "rows_examined", "rows_affected")
    list_display = ["started", "took", "shown_text", "database", "rows_examined", "rows_sent", "user_name", "host"]
    list_display_links = ["started"]
    list_filter = [("database", ScopedRelatedFilter)]
    list_select_related = ["database", "statement__fingerprint"]
    search_fields = ["statement__fingerprint__text"]
    searched_through = "statement__fingerprint"
    ordering = ["-started_at", "-id"]
    fields = [
        "database",
        "full_text",
        "started_at",
        "is_exact",
        "took",
        "waited",
        "rows_sent",
        "rows_examined",
        "rows_affected",
        "user_name",
        "host",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SlowQuery]:
        """Return what the person may see and the organization still keeps."""
        return retention.kept(super().get_queryset(request))

    def get_sortable_by(self, request: HttpRequest) -> Any:
        """Let the executions of one database be ordered by anything; those of all are too many, and go by time."""
        return super().get_sortable_by(request) if _DATABASE in request.GET else ["started"]

    @admin.display(description=_("Started"), ordering="started_at")
    def started(self, query: SlowQuery) -> str:
        """Return how long ago it started."""
        return ago(query.started_at)

    @admin.display(description=pgettext_lazy("length of an execution", "Time"), ordering="query_time_ns")
    def took(self, query: SlowQuery) -> str:
        """Return how long it took."""
        return nanoseconds(query.query_time_ns)

    @admin.display(description=_("Lock time"), ordering="lock_time_ns")
    def waited(self, query: SlowQuery) -> str:
        """Return how long it waited for locks."""
        return nanoseconds(query.lock_time_ns)

    @admin.display(description=_("Statement"))
    def shown_text(self, query: SlowQuery) -> str:
        """Return the statement, cut to a line."""
        fingerprint = query.statement.fingerprint
        return statement_text(fingerprint.text if fingerprint else None)

    @admin.display(description=_("Statement"))
    def full_text(self, query: SlowQuery) -> str:
        """Return the whole statement."""
        return statement_in_full(query.statement.fingerprint)

    @admin.display(description=_("Time is exact"))
    def is_exact(self, query: SlowQuery) -> str:
        """Tell in words whether the start is exact: an approximate one is no failure."""
        return gettext("no, it is approximate") if query.time_approximate else gettext("yes")
