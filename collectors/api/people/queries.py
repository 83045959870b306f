"""What the watched databases spend their time on, and what is known to be missing from those numbers."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import OperationalError
from django.db.models import Q, QuerySet
from django.utils import timezone
from django_filters import filters
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from collectors.access import visible_to
from collectors.api.base import TenantListViewSet, TenantViewSet
from collectors.api.filters import IdFilter, TenantFilterSet, TimeFilter
from collectors.domain.roles import Permission
from collectors.domain.sources import Source
from collectors.models import Cost, Gap, Latency, SlowQuery
from collectors.services import queries, retention
from collectors.services.errors import Refused

_ORDERINGS = {
    "total_time_ms": "sum_time_ns",
    "calls": "sum_calls",
    "rows": "sum_rows",
    "max_time_ms": "greatest_time_ns",
}
_MAX_GAPS = 100


class PeriodSerializer(serializers.Serializer[Any]):
    """The period and the narrowing that a list of queries is asked for. Without a period: the last day."""

    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
    database_id = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    team_id = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    organization_id = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    search = serializers.CharField(required=False, max_length=200, allow_blank=True)
    ordering = serializers.ChoiceField(
        required=False, choices=[sign + name for name in _ORDERINGS for sign in ("", "-")], default="-total_time_ms"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Fill in the last day, and refuse a period that ends before it begins."""
        attrs.setdefault("until", timezone.now())
        if "since" not in attrs:
            begin = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
            attrs["since"] = max(attrs["until"], begin) - timedelta(days=1)
        if attrs["since"] >= attrs["until"]:
            raise serializers.ValidationError({"since": ["The period ends before it begins."]})
        return attrs


class QuerySerializer(serializers.Serializer[Any]):
    """What one fingerprint cost on one database. Times in milliseconds; text and id are null until the text came."""

    fingerprint_id = serializers.CharField(allow_null=True)
    fingerprint = serializers.CharField(allow_null=True)
    database_id = serializers.IntegerField()
    database_name = serializers.CharField()
    source = serializers.ChoiceField(choices=[item.value for item in Source])  # type: ignore[assignment]
    calls = serializers.IntegerField(source="sum_calls")
    total_time_ms = serializers.SerializerMethodField()
    avg_time_ms = serializers.SerializerMethodField()
    min_time_ms = serializers.SerializerMethodField()
    max_time_ms = serializers.SerializerMethodField()
    p50_time_ms = serializers.SerializerMethodField()
    p95_time_ms = serializers.SerializerMethodField()
    p99_time_ms = serializers.SerializerMethodField()
    rows = serializers.IntegerField(source="sum_rows")
    rows_examined = serializers.IntegerField(source="sum_rows_examined", allow_null=True)

    def get_total_time_ms(self, row: dict[str, Any]) -> float:
        """Return the time of all executions together."""
        return float(row["sum_time_ns"]) / 1e6

    def get_avg_time_ms(self, row: dict[str, Any]) -> float | None:
        """Return the mean time of an execution."""
        return row["sum_time_ns"] / 1e6 / row["sum_calls"] if row["sum_calls"] else None

    def get_min_time_ms(self, row: dict[str, Any]) -> float | None:
        """Return the shortest time known."""
        return _milliseconds(row["least_time_ns"])

    def get_max_time_ms(self, row: dict[str, Any]) -> float | None:
        """Return the longest time known."""
        return _milliseconds(row["greatest_time_ns"])

    def get_p50_time_ms(self, row: dict[str, Any]) -> float | None:
        """Return the time that half of the executions did not exceed; null where they were not timed one by one."""
        return _milliseconds(row["p50_time_ns"])

    def get_p95_time_ms(self, row: dict[str, Any]) -> float | None:
        """Return the time that 95 % of the executions did not exceed."""
        return _milliseconds(row["p95_time_ns"])

    def get_p99_time_ms(self, row: dict[str, Any]) -> float | None:
        """Return the time that 99 % of the executions did not exceed."""
        return _milliseconds(row["p99_time_ns"])


class GapSerializer(serializers.Serializer[queries.GapLine]):
    """Something known to be missing or inexact; `gaps` is more than 1 where several stand together.

    `amount` is null when its size cannot be known, `database_id` where the gaps lie on several databases.
    """

    database_id = serializers.IntegerField(allow_null=True)
    source = serializers.CharField()  # type: ignore[assignment]
    kind = serializers.CharField()
    description = serializers.CharField()
    amount = serializers.IntegerField(allow_null=True)
    covered_from = serializers.DateTimeField()
    covered_to = serializers.DateTimeField()
    detail = serializers.CharField()
    gaps = serializers.IntegerField()


@extend_schema_serializer(many=False)
class QueryListSerializer(serializers.Serializer[Any]):
    """A page of queries, and what is missing from their numbers."""

    count = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    queries = QuerySerializer(many=True)
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    completeness = GapSerializer(many=True)


class QueryViewSet(TenantListViewSet[Cost]):
    """Statements by what they cost, dearest first."""

    queryset = Cost.objects.all()
    serializer_class = QuerySerializer
    plural = "queries"
    filter_backends = []
    permissions = {"list": Permission.QUERY_VIEW}

    @extend_schema(parameters=[PeriodSerializer, OpenApiParameter("page", int)], responses=QueryListSerializer)
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List queries with what they cost in a period, and what is known to be missing from it."""
        asked = PeriodSerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        since, until = asked.validated_data["since"], asked.validated_data["until"]
        rows = queries.top_fingerprints(costs=self._narrowed(asked.validated_data), since=since, until=until)
        ordering = asked.validated_data["ordering"]
        sign, name = ("-", ordering[1:]) if ordering.startswith("-") else ("", ordering)
        rows = rows.order_by(sign + _ORDERINGS[name], *queries.TIES)
        sketches = visible_to(Latency.objects.all(), self.principal)
        page = queries.with_percentiles(self._page(rows), sketches=sketches, since=since, until=until)
        response = self.get_paginated_response(QuerySerializer(page, many=True).data)
        response.data["since"] = serializers.DateTimeField().to_representation(since)
        response.data["until"] = serializers.DateTimeField().to_representation(until)
        response.data["completeness"] = self._gaps(asked.validated_data, since, until)
        return response

    def _page(self, rows: QuerySet[Any]) -> Any:
        try:
            return self.paginate_queryset(rows)
        except OperationalError as error:
            if "integer overflow" not in str(error):
                raise
            # SQLite refuses sums beyond 64 bits, which only invented numbers reach.
            raise Refused("The numbers of this period are too large to be added up.", code="too_large") from error

    def _narrowed(self, asked: dict[str, Any]) -> QuerySet[Cost]:
        costs = self.get_queryset()
        for name, lookup in _NARROWING.items():
            if name in asked:
                costs = costs.filter(**{lookup: asked[name]})
        if asked.get("search"):
            text = asked["search"]
            costs = costs.filter(
                Q(statement__fingerprint__text__icontains=text) | Q(statement__fingerprint__fingerprint_id__iexact=text)
            )
        return costs

    def _gaps(self, asked: dict[str, Any], since: datetime, until: datetime) -> Any:
        gaps = visible_to(Gap.objects.all(), self.principal)
        for name, lookup in _NARROWING.items():
            if name in asked:
                gaps = gaps.filter(**{lookup: asked[name]})
        found = queries.gaps_between(gaps=gaps, since=since, until=until)
        return GapSerializer(queries.gap_lines(found, most=_MAX_GAPS), many=True).data  # type: ignore[arg-type]


_NARROWING = {"database_id": "database_id", "team_id": "database__team_id", "organization_id": "organization_id"}


class SlowQuerySerializer(serializers.Serializer[SlowQuery]):
    """One logged execution. Times in milliseconds."""

    id = serializers.IntegerField()
    database_id = serializers.IntegerField()
    fingerprint_id = serializers.CharField(source="statement.fingerprint.fingerprint_id")
    fingerprint = serializers.CharField(source="statement.fingerprint.text")
    database = serializers.CharField(source="statement.schema_name")
    user = serializers.CharField(source="user_name")
    host = serializers.CharField()
    started_at = serializers.DateTimeField()
    time_approximate = serializers.BooleanField()
    query_time_ms = serializers.SerializerMethodField()
    lock_time_ms = serializers.SerializerMethodField()
    rows_sent = serializers.IntegerField()
    rows_examined = serializers.IntegerField()
    rows_affected = serializers.IntegerField()

    def get_query_time_ms(self, row: SlowQuery) -> float:
        """Return how long the statement ran."""
        return row.query_time_ns / 1e6

    def get_lock_time_ms(self, row: SlowQuery) -> float:
        """Return how long the statement waited for locks."""
        return row.lock_time_ns / 1e6


class SlowQueryFilter(TenantFilterSet):
    """What a list of slow queries can be narrowed by."""

    since = TimeFilter(field_name="started_at", lookup_expr="gte")  # type: ignore[no-untyped-call]
    until = TimeFilter(field_name="started_at", lookup_expr="lt")  # type: ignore[no-untyped-call]
    fingerprint_id = filters.CharFilter(field_name="statement__fingerprint__fingerprint_id", lookup_expr="iexact")
    database_id = IdFilter(field_name="database_id")  # type: ignore[no-untyped-call]
    user = filters.CharFilter(field_name="user_name")

    class Meta:
        model = SlowQuery
        fields: list[str] = []


@extend_schema_serializer(many=False)
class SlowQueryListSerializer(serializers.Serializer[Any]):
    """A page of slow queries, and what is missing from them."""

    count = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    slow_queries = SlowQuerySerializer(many=True)
    completeness = GapSerializer(many=True)


class SlowQueryViewSet(TenantViewSet[SlowQuery]):
    """Single executions from slow logs, newest first."""

    queryset = SlowQuery.objects.select_related("statement__fingerprint")
    serializer_class = SlowQuerySerializer
    filterset_class = SlowQueryFilter
    plural = "slow_queries"
    search_fields = ["statement__fingerprint__text"]
    ordering_fields = ["started_at", "query_time_ns", "rows_examined"]
    ordering = ["-started_at"]
    permissions = {"list": Permission.QUERY_VIEW, "retrieve": Permission.QUERY_VIEW}

    def get_queryset(self) -> QuerySet[SlowQuery]:
        """Return what the caller may see and the organization still keeps."""
        return retention.kept(super().get_queryset())

    @extend_schema(responses=SlowQueryListSerializer)
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List single executions, and what is known to be missing from the logs of that period."""
        response = super().list(request, *args, **kwargs)
        narrowed: Any = SlowQueryFilter(request.query_params, queryset=self.get_queryset())  # type: ignore[no-untyped-call]
        narrowed.is_valid()  # It is, or there would be no list; this parses what was asked.
        response.data["completeness"] = self._gaps(narrowed)
        return response

    def _gaps(self, narrowed: Any) -> Any:
        asked = narrowed.form.cleaned_data
        gaps = visible_to(Gap.objects.filter(source=Source.SLOW_LOG), self.principal)
        gaps = narrowed.filters["database_id"].filter(gaps, asked["database_id"])
        found = queries.gaps_between(gaps=gaps, since=asked["since"], until=asked["until"])
        return GapSerializer(queries.gap_lines(found, most=_MAX_GAPS), many=True).data  # type: ignore[arg-type]


def _milliseconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e6
