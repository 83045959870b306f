"""What the watched databases spend their time on, and what is known to be missing from those numbers."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import OperationalError
from django.db.models import QuerySet
from django.utils import timezone
from django_filters import filters
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from collectors.access import visible_to
from collectors.api.base import TenantListViewSet, TenantViewSet
from collectors.api.filters import IdFilter, TenantFilterSet, TimeFilter
from collectors.domain import comparisons
from collectors.domain.comparisons import Change, Earlier
from collectors.domain.groupings import Grouping
from collectors.domain.metrics import METRICS, Sums
from collectors.domain.roles import Permission
from collectors.domain.sources import Engine, Source
from collectors.domain.time_ranges import TimeRange
from collectors.models import Cost, Gap, Latency, MonitoredDatabase, SlowQuery
from collectors.services import queries, query_details, retention, top_queries
from collectors.services.errors import Refused
from collectors.services.query_narrowing import MOST_CHARACTERS, Narrowing, narrowed_gaps
from collectors.services.top_queries import Question, Row

_MAX_GAPS = 100
# What is told of each row, and the metrics that rows can be put in the order of: times are milliseconds here.
_TOLD = [METRICS[name] for name in ("total_time", "calls", "avg_time", "min_time", "max_time", "rows", "rows_examined")]
_ORDERINGS = {
    f"{name}_ms" if metric.unit == "ns" else name: name for name, metric in METRICS.items() if metric.sortable
} | {top_queries.CHANGE: top_queries.CHANGE}


class PeriodSerializer(serializers.Serializer[Any]):
    """The period and the narrowing that a list of queries is asked for. Without a period: the last day."""

    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
    group_by = serializers.ChoiceField(
        required=False, choices=[item.value for item in Grouping], default=Grouping.FINGERPRINT_DATABASE.value
    )
    database_id = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    team_id = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    organization_id = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    type = serializers.ChoiceField(required=False, choices=[item.value for item in Engine])
    source = serializers.ChoiceField(required=False, choices=[item.value for item in Source])  # type: ignore[assignment]
    schema = serializers.CharField(required=False, max_length=200)
    user = serializers.CharField(required=False, max_length=200)
    search = serializers.CharField(required=False, max_length=MOST_CHARACTERS, allow_blank=True)
    compare = serializers.ChoiceField(required=False, choices=[item.value for item in Earlier])
    ordering = serializers.ChoiceField(
        required=False, choices=[sign + name for name in _ORDERINGS for sign in ("", "-")], default="-total_time_ms"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Fill in the last day, and refuse a period that ends before it begins or cannot be compared as asked."""
        attrs.setdefault("until", timezone.now())
        if "since" not in attrs:
            begin = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
            attrs["since"] = max(attrs["until"], begin) - timedelta(days=1)
        if attrs["since"] >= attrs["until"]:
            raise serializers.ValidationError({"since": ["The period ends before it begins."]})
        attrs["earlier"] = self._earlier(attrs)
        if attrs["earlier"] is None and attrs["ordering"].endswith(top_queries.CHANGE):
            raise serializers.ValidationError({"ordering": ["Only periods that are compared have this order."]})
        return attrs

    def _earlier(self, attrs: dict[str, Any]) -> TimeRange | None:
        if "compare" not in attrs:
            return None
        try:
            earlier = comparisons.earlier(TimeRange(attrs["since"], attrs["until"]), attrs["compare"])
        except OverflowError:
            earlier = None
        if earlier is None:
            raise serializers.ValidationError({"compare": ["The period is too long to be compared with that one."]})
        return earlier


class NumbersSerializer(serializers.Serializer[Any]):
    """What a row cost in a period. Times in milliseconds; null where a source does not count it."""

    calls = serializers.IntegerField(allow_null=True)
    total_time_ms = serializers.FloatField(allow_null=True)
    avg_time_ms = serializers.FloatField(allow_null=True)
    min_time_ms = serializers.FloatField(allow_null=True)
    max_time_ms = serializers.FloatField(allow_null=True)
    rows = serializers.IntegerField(allow_null=True)
    rows_examined = serializers.IntegerField(allow_null=True)


class QuerySerializer(NumbersSerializer):
    """What one row cost: a fingerprint on a database unless it is grouped by something else.

    What rows are not grouped by is null; text and id of a fingerprint are null until the text came. `change` and `earlier`
    are null where no periods are compared, `earlier.calls` where there were none.
    """

    fingerprint_id = serializers.CharField(allow_null=True)
    fingerprint = serializers.CharField(allow_null=True)
    database_id = serializers.IntegerField(allow_null=True)
    database_name = serializers.CharField(allow_null=True)
    source = serializers.ChoiceField(choices=[item.value for item in Source], allow_null=True)  # type: ignore[assignment]
    schema = serializers.CharField(allow_null=True)
    user = serializers.CharField(allow_null=True)
    host = serializers.CharField(allow_null=True)
    team_id = serializers.IntegerField(allow_null=True)
    p50_time_ms = serializers.FloatField(allow_null=True)
    p95_time_ms = serializers.FloatField(allow_null=True)
    p99_time_ms = serializers.FloatField(allow_null=True)
    change = serializers.ChoiceField(choices=[item.value for item in Change], allow_null=True)
    earlier = NumbersSerializer(allow_null=True)


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
        """List what the load of a period is made of, and what is known to be missing from it."""
        asked = PeriodSerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        question = self._question(asked.validated_data)
        ordering = asked.validated_data["ordering"]
        order, descending = _ORDERINGS[ordering.removeprefix("-")], ordering.startswith("-")
        found = self._page(top_queries.ordered(question, order=order, descending=descending))
        rows = [top_queries.row_of(question, values) for values in found]
        response = self.get_paginated_response(QuerySerializer(self._told(question, rows), many=True).data)
        response.data["since"] = serializers.DateTimeField().to_representation(question.shown.since)
        response.data["until"] = serializers.DateTimeField().to_representation(question.shown.until)
        response.data["completeness"] = self._gaps(question)
        return response

    def _question(self, asked: dict[str, Any]) -> Question:
        order = METRICS.get(_ORDERINGS[asked["ordering"].removeprefix("-")])
        return Question(
            costs=self.get_queryset(),
            slow_queries=visible_to(SlowQuery.objects.all(), self.principal),
            shown=TimeRange(asked["since"], asked["until"]),
            grouping=Grouping(asked["group_by"]),
            metrics=[*_TOLD, *([order] if order else [])],
            narrowing=Narrowing(
                organization_id=asked.get("organization_id"),
                team_id=asked.get("team_id"),
                database_id=asked.get("database_id"),
                engine=asked.get("type", ""),
                source=asked.get("source", ""),
                schema=asked.get("schema"),
                user=asked.get("user"),
                search=asked.get("search", ""),
            ),
            earlier=asked["earlier"],
        )

    def _page(self, rows: QuerySet[Any]) -> Any:
        try:
            return self.paginate_queryset(rows)
        except OperationalError as error:
            if "integer overflow" not in str(error):
                raise
            # SQLite refuses sums beyond 64 bits, which only invented numbers reach.
            raise Refused("The numbers of this period are too large to be added up.", code="too_large") from error

    def _told(self, question: Question, rows: Sequence[Row]) -> Sequence[dict[str, Any]]:
        """Return the members of each row."""
        grouping = question.grouping
        fingerprints = query_details.fingerprints_of(rows) if grouping.of_statements else {}
        ids = {row.key if grouping is Grouping.DATABASE else row.database_id for row in rows}
        databases = visible_to(MonitoredDatabase.objects.all(), self.principal).in_bulk(ids - {None})
        percentiles = query_details.percentiles(question, rows, visible_to(Latency.objects.all(), self.principal))
        found = []
        for row in rows:
            fingerprint = fingerprints.get(row.key) if grouping.of_statements else None
            database = databases.get(row.key if grouping is Grouping.DATABASE else row.database_id)
            timed = percentiles.get(row.identity, {})
            members = {name: _milliseconds(timed.get(name)) for name in queries.PERCENTILES}
            found.append(
                {
                    "fingerprint_id": fingerprint and fingerprint.fingerprint_id,
                    "fingerprint": fingerprint and fingerprint.text,
                    "database_id": database and database.pk,
                    "database_name": database and database.name,
                    "source": row.source or None,
                    **{name: row.key if grouping is item else None for name, item in _KEYS.items()},
                    **_numbers(question, row.sums),
                    **{f"{name.removesuffix('_ns')}_ms": value for name, value in members.items()},
                    "change": row.change,
                    "earlier": _numbers(question, row.before) if row.change is not None else None,
                }
            )
        return found

    def _gaps(self, question: Question) -> Any:
        gaps = narrowed_gaps(visible_to(Gap.objects.all(), self.principal), question.narrowing)
        found = queries.gaps_between(gaps=gaps, since=question.shown.since, until=question.shown.until)
        return GapSerializer(queries.gap_lines(found, most=_MAX_GAPS), many=True).data  # type: ignore[arg-type]


_KEYS = {"schema": Grouping.SCHEMA, "user": Grouping.USER, "host": Grouping.HOST, "team_id": Grouping.TEAM}


def _numbers(question: Question, sums: Sums) -> dict[str, float | None]:
    """Return the members of NumbersSerializer."""
    found = {}
    for metric in _TOLD:
        value = metric.value(sums, seconds=question.shown.length.total_seconds(), whole={})
        is_time = metric.unit == "ns"
        found[f"{metric.name}_ms" if is_time else metric.name] = value / 1e6 if is_time and value is not None else value
    return found


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
