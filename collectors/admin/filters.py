"""Filters whose choices are rows the signed-in person may see."""

from collections.abc import Iterator
from typing import Any, Final

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    DropdownFilter,
    RelatedDropdownFilter,
)
from unfold.contrib.filters.forms import AutocompleteDropdownForm

from collectors.access import visible_to
from collectors.admin import signed_in

__all__ = ["ChoicesDropdownFilter", "DropdownFilter", "ScopedRelatedFilter"]

# More than these are searched by name rather than listed.
_MOST_LISTED: Final = 50


class ScopedRelatedFilter(RelatedDropdownFilter):
    """Rows of another table to choose from: listed when they are few, else found by typing a part of their name.

    Django's own filter would list those of every tenant. What is typed is looked up through the table of these rows, which is
    scoped as well.
    """

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        """Return the visible rows by name, no more than one beyond what is listed."""
        rows = self._visible(field, request)
        ordering = self.field_admin_ordering(field, request, model_admin)
        rows = rows.order_by(*ordering) if ordering else rows
        return [(row.pk, str(row)) for row in rows[: _MOST_LISTED + 1]]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Return the control: a list, or a field to search with."""
        if len(self.lookup_choices) <= _MOST_LISTED:
            yield from super().choices(changelist)
            return
        form = AutocompleteDropdownForm(
            request=self.request,
            name=self.lookup_kwarg,
            label=_(" By %(filter_title)s ") % {"filter_title": self.title},
            choices=(),
            field=self.field,
            model_admin=self.model_admin,
            data={self.lookup_kwarg: self.value()},
        )
        # The chosen row is shown by name: one that may not be seen must not be.
        chosen: Any = form.fields[self.lookup_kwarg]
        chosen.queryset = self._visible(self.field, self.request)
        yield {"form": form}

    def _visible(self, field: Any, request: HttpRequest) -> QuerySet[Model]:
        related: type[Model] = field.remote_field.model
        return visible_to(related._default_manager.all(), signed_in.principal(request))
