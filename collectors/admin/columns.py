"""Columns of tables and fields of pages that hold times and numbers. Django would show these in its own way."""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import DateTimeField, Field, Model

from collectors.admin.display import moment, number


def shown(model: type[Model], name: Any, *, as_number: bool = False) -> Any:
    """Return what takes the place of a field's name where the field holds a time or counts something, else the name."""
    try:
        field = model._meta.get_field(name) if isinstance(name, str) else None
    except FieldDoesNotExist:
        return name
    if isinstance(field, DateTimeField):
        return _column(field, moment)
    return _column(field, number) if as_number and isinstance(field, Field) else name


# The same for the same field: a list asks for its columns and for those it can be ordered by, and compares them.
@cache
def _column(field: "Field[Any, Any]", show: Callable[[Any], str]) -> Callable[[Any], str]:
    def column(row: Any) -> str:
        return show(getattr(row, field.name))

    column.__name__ = field.name
    column.short_description = field.verbose_name  # type: ignore[attr-defined] # Django reads these two
    column.admin_order_field = field.name  # type: ignore[attr-defined]
    return column
