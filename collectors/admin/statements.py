"""Fingerprints and the statements that share them. Their text is data and always escaped."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from collectors.access import visible_to
from collectors.admin import signed_in
from collectors.admin.base import ScopedModelAdmin
from collectors.admin.display import ago, moment, statement_in_full, statement_text
from collectors.admin.filters import ChoicesDropdownFilter, ScopedRelatedFilter
from collectors.admin.site import site
from collectors.domain.roles import Permission
from collectors.models import Fingerprint, Statement


@admin.register(Fingerprint, site=site)
class FingerprintAdmin(ScopedModelAdmin):
    """Normalised texts of the organization's statements. Read only."""

    view_permission = Permission.QUERY_VIEW
    list_display = ["fingerprint_id", "shown_text", "organization", "first_seen"]
    list_filter = [("organization", ScopedRelatedFilter)]
    list_select_related = ["organization"]
    found_everywhere = True
    search_fields = ["fingerprint_id", "text"]
    ordering = ["-id"]
    fields = ["fingerprint_id", "full_text", "organization", "seen_first"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the visible fingerprints, each with when it was seen first where the person may look: teams share them."""
        rows: QuerySet[Any] = super().get_queryset(request)
        theirs = visible_to(Statement.objects.filter(fingerprint=OuterRef("pk")), signed_in.principal(request))
        earliest = theirs.order_by("first_seen").values("first_seen")[:1]
        seen: QuerySet[Any] = rows.annotate(seen_since=Subquery(earliest))
        return seen

    @admin.display(description=_("Text"))
    def shown_text(self, fingerprint: Fingerprint) -> str:
        """Return the text, cut to a line."""
        return statement_text(fingerprint.text)

    @admin.display(description=_("Text"))
    def full_text(self, fingerprint: Fingerprint) -> str:
        """Return the whole text."""
        return statement_in_full(fingerprint)

    @admin.display(description=_("First seen"), ordering="seen_since")
    def first_seen(self, fingerprint: Any) -> str:
        """Return how long ago it was seen first."""
        return ago(fingerprint.seen_since)

    @admin.display(description=_("First seen"))
    def seen_first(self, fingerprint: Any) -> str:
        """Return when it was seen first."""
        return moment(fingerprint.seen_since)


@admin.register(Statement, site=site)
class StatementAdmin(ScopedModelAdmin):
    """What sources count by themselves, with the fingerprint each belongs to. Read only."""

    view_permission = Permission.QUERY_VIEW
    list_display = ["key", "database", "source", "schema_name", "user_name", "shown_text", "text_state"]
    list_filter = [
        ("database", ScopedRelatedFilter),
        ("source", ChoicesDropdownFilter),
        ("text_state", ChoicesDropdownFilter),
    ]
    list_select_related = ["database", "fingerprint"]
    search_fields = ["key", "schema_name", "user_name"]
    sortable_by = ()
    ordering = ["-id"]
    fields = [
        "database",
        "source",
        "key",
        "digest",
        "schema_name",
        "user_name",
        "full_text",
        "text_state",
        "first_seen",
    ]

    @admin.display(description=_("Text"))
    def shown_text(self, statement: Statement) -> str:
        """Return the fingerprint's text, cut to a line."""
        return statement_text(statement.fingerprint.text if statement.fingerprint else None)

    @admin.display(description=_("Text"))
    def full_text(self, statement: Statement) -> str:
        """Return the whole text."""
        return statement_in_full(statement.fingerprint)
