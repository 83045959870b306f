"""Filters whose choices are rows the signed-in person may see."""

from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RelatedDropdownFilter

from collectors.access import visible_to
from collectors.admin import signed_in

__all__ = ["ChoicesDropdownFilter", "DropdownFilter", "ScopedRelatedFilter"]


class ScopedRelatedFilter(RelatedDropdownFilter):
    """Rows of another table to choose from. Django's own filter would list those of every tenant."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        """Return the visible rows by name."""
        related: type[Model] = field.remote_field.model
        rows = visible_to(related._default_manager.all(), signed_in.principal(request))
        ordering = self.field_admin_ordering(field, request, model_admin)
        return [(row.pk, str(row)) for row in (rows.order_by(*ordering) if ordering else rows)]
