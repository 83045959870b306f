"""Ordering of lists by allowed fields only, and always the same for equal rows."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.filters import OrderingFilter
from rest_framework.request import Request
from rest_framework.views import APIView


class StableOrderingFilter(OrderingFilter):
    """Adds the key behind what was asked for: without it, rows that compare equal may stand on two pages or on none."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        """Return the queryset in the order asked for, or the view's own."""
        ordering = self.get_ordering(request, queryset, view)
        if not ordering:
            return queryset
        tail = [] if {"pk", "-pk", "id", "-id"} & set(ordering) else ["pk"]
        return queryset.order_by(*ordering, *tail)
