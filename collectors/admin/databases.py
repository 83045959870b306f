"""Monitored databases."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from collectors.access import visible_to
from collectors.admin import consequences, signed_in, undo
from collectors.admin.base import ScopedModelAdmin
from collectors.admin.consequences import Consequences
from collectors.admin.display import NOTHING, freshness
from collectors.admin.filters import ChoicesDropdownFilter, ScopedRelatedFilter
from collectors.admin.site import site
from collectors.domain.roles import Permission
from collectors.models import Collector, MonitoredDatabase
from collectors.services import databases


@admin.register(MonitoredDatabase, site=site)
class MonitoredDatabaseAdmin(ScopedModelAdmin):
    """Servers that are watched. They come with their first collector and can be renamed, or removed once unwatched."""

    view_permission = Permission.DATABASE_VIEW
    change_permission = Permission.DATABASE_MANAGE
    delete_permission = Permission.DATABASE_MANAGE
    list_display = ["name", "type", "team", "organization", "watchers", "data", "created_at"]
    list_filter = [
        ("type", ChoicesDropdownFilter),
        ("team", ScopedRelatedFilter),
        ("organization", ScopedRelatedFilter),
    ]
    list_select_related = ["team", "organization", "lease__holder__heartbeat"]
    found_everywhere = True
    search_fields = ["name"]
    empty_text = _("Each database comes with its first collector: register one, and its server appears here.")
    fields = ["name", "type", "team", "organization", "created_at"]
    readonly_fields = ["type", "team", "organization", "created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the visible databases with their number of collectors, as far as these may be seen too."""
        rows: QuerySet[Any] = super().get_queryset(request)
        theirs = visible_to(Collector.objects.filter(database=OuterRef("pk")), signed_in.principal(request))
        number = theirs.order_by().values("database").annotate(number=Count("pk")).values("number")
        # For the rows of a page only: that is why the list cannot be ordered by it.
        counted: QuerySet[Any] = rows.annotate(collector_count=Subquery(number))
        return counted

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Leave the number of collectors out for whoever may see no collectors."""
        columns = super().get_list_display(request)
        if signed_in.principal(request).holds(Permission.COLLECTOR_VIEW):
            return columns
        return [name for name in columns if name != "watchers"]

    @admin.display(description=_("Collectors"))
    def watchers(self, database: Any) -> str:
        """Return how many collectors watch the database. None, and none that may be seen, look the same."""
        return str(database.collector_count or NOTHING)

    @admin.display(description=_("Data"))
    def data(self, database: MonitoredDatabase) -> SafeString:
        """Return how new the numbers are."""
        return freshness(database.data_until, fresh=database.is_data_fresh(timezone.now()))

    def change(self, request: HttpRequest, obj: MonitoredDatabase, form: Any) -> None:
        """Give it another name."""
        name, before = form.cleaned_data.get("name", obj.name), obj.name
        if name == before:
            return
        databases.rename_database(database=obj, name=name, actor=signed_in.actor(request))
        offered = {"pk": obj.pk, "before": {"name": before}, "after": {"name": name}}
        undo.offer(request, "database", back=self._address("change", obj.pk), **offered)

    def consequences(self, request: HttpRequest, obj: MonitoredDatabase) -> Consequences:
        """Return what comes of removing it."""
        return consequences.of_database(obj, signed_in.principal(request))

    def remove(self, request: HttpRequest, obj: MonitoredDatabase) -> None:
        """Remove it with its history, unless a collector watches it."""
        databases.delete_database(database=obj, actor=signed_in.actor(request))
