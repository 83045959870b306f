"""Filters of lists: what they may be asked, and that no answer of theirs tells anything of another tenant."""

from datetime import UTC, datetime
from typing import Any, Final

from django import forms
from django.db import models
from django.http import HttpRequest
from django_filters import fields, filters
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from rest_framework.exceptions import ValidationError
from rest_framework.filters import SearchFilter
from rest_framework.request import Request

from collectors.domain import limits

_MAX_ID: Final = 2**63 - 1


class IdFilter(filters.NumberFilter):
    """A filter by an id. Another tenant's id is no more wrong than one that does not exist: both find nothing."""

    def get_max_validator(self) -> None:
        """Leave the range to `filter`, which every number passes."""

    def filter(self, qs: models.QuerySet[Any], value: Any) -> models.QuerySet[Any]:
        """Return the rows with that id."""
        if value in (None, ""):
            return qs
        # Compared as it is: of a number with a great exponent an int could not even be made in time.
        if value != value.to_integral_value() or not 0 < value <= _MAX_ID:
            return qs.none()
        return qs.filter(**{self.field_name or "pk": int(value)})


class _TimeField(fields.IsoDateTimeField):
    """A time in ISO 8601, in UTC from here on."""

    def to_python(self, value: Any) -> datetime | None:
        """Return the time. Raises `ValidationError`, also when it lies before or behind all years there are."""
        moment: datetime | None = super().to_python(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError as error:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from error


class TimeFilter(filters.IsoDateTimeFilter):
    """A filter by a time."""

    field_class = _TimeField


class TenantFilterSet(FilterSet):
    """References to other rows are filtered by their numbers.

    The filter that Django would choose knows all rows of the other table: it refuses a number that no tenant has, and offers
    every tenant's names in the browsable API.
    """

    FILTER_DEFAULTS = {**FilterSet.FILTER_DEFAULTS, models.ForeignKey: {"filter_class": IdFilter}}


class TenantFilterBackend(DjangoFilterBackend):
    """Makes the filters of views that only name their fields."""

    filterset_base = TenantFilterSet


class BoundedSearchFilter(SearchFilter):
    """A search of few words: each of them is one more scan."""

    def get_search_terms(self, request: Request | HttpRequest) -> list[str]:
        """Return the words. Raises `ValidationError` when there are too many."""
        asked = request.query_params if isinstance(request, Request) else request.GET
        text = asked.get(self.search_param, "")
        terms: list[str] = super().get_search_terms(request)  # type: ignore[arg-type]
        if len(text) > limits.MAX_SEARCH_CHARACTERS or len(terms) > limits.MAX_SEARCH_WORDS:
            message = f"At most {limits.MAX_SEARCH_WORDS} words of {limits.MAX_SEARCH_CHARACTERS} characters together."
            raise ValidationError({self.search_param: [message]})
        return terms
