"""Plans of a statement: what servers told, and the act of asking for one."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from collectors.access import visible_to
from collectors.api.base import ScopedRelatedField, TenantListViewSet, TenantSerializer
from collectors.api.people.commands import CommandSerializer
from collectors.domain.roles import Permission
from collectors.domain.sources import Source
from collectors.models import Fingerprint, MonitoredDatabase, Plan, Statement
from collectors.services import plan_requests
from collectors.services.errors import Refused


class PlanSerializer(serializers.Serializer[Plan]):
    """How a server would carry out a statement. Costs are in the planner's own unit; nothing was run.

    `nodes` are the steps, each with its `depth`, a step before those that feed it; `omitted` more were left out. Plans of the
    same `shape` differ in numbers only: `first_taken_at` tells since when the plan has been the same.
    """

    id = serializers.IntegerField()
    fingerprint_id = serializers.CharField(source="fingerprint.fingerprint_id")
    database_id = serializers.IntegerField()
    digest = serializers.CharField(source="statement.digest")
    schema = serializers.CharField(source="statement.schema_name")
    user = serializers.CharField(source="statement.user_name")
    server_version = serializers.CharField()
    shape = serializers.CharField()
    nodes = serializers.ListField(child=serializers.DictField())
    omitted = serializers.IntegerField()
    first_taken_at = serializers.DateTimeField()
    taken_at = serializers.DateTimeField()


class PlanRequestSerializer(TenantSerializer):
    """Where a statement is to be planned; schema and user choose where it ran in several."""

    database_id = ScopedRelatedField(queryset=MonitoredDatabase.objects.all(), source="database")
    schema = serializers.CharField(max_length=200, required=False)
    user = serializers.CharField(max_length=200, required=False)


class PlanViewSet(TenantListViewSet[Plan]):
    """Plans of one statement, the newest first."""

    queryset = Plan.objects.select_related("fingerprint", "statement")
    serializer_class = PlanSerializer
    plural = "plans"
    filterset_fields = ["database_id"]
    ordering_fields = ["id", "taken_at"]
    ordering = ["-taken_at", "-id"]
    permissions = {"list": Permission.QUERY_VIEW, "ask": Permission.COLLECTOR_COMMAND}

    def get_queryset(self) -> QuerySet[Plan]:
        """Return the plans of the statement in the address. Raises 404 when the caller does not see it."""
        if getattr(self, "swagger_fake_view", False):
            return super().get_queryset()
        return super().get_queryset().filter(fingerprint__in=self._fingerprints())

    @extend_schema(request=PlanRequestSerializer, responses={202: CommandSerializer})
    def ask(self, request: Request, **kwargs: Any) -> Response:
        """Ask the agent that reads the database for the plan. The command's result says whether one came."""
        fingerprints = self._fingerprints()
        self.require_anywhere(Permission.COLLECTOR_COMMAND)
        body = self.validated(PlanRequestSerializer)
        self.require(Permission.COLLECTOR_COMMAND, body["database"])
        lookups = {f"{name}_name": body[name] for name in ("schema", "user") if name in body}
        statements = Statement.objects.filter(fingerprint__in=fingerprints, database=body["database"], **lookups)
        own = list(visible_to(statements, self.principal).order_by("-first_seen", "-pk")[:100])
        chosen = next((row for row in own if row.source == Source.PG_STAT_STATEMENTS), own[0] if own else None)
        if chosen is None:
            said = "The statement did not run there."
            raise Refused(said, code="invalid", errors={"database_id": [said]})
        command = plan_requests.request_plan(statement=chosen, actor=self.actor)
        return Response(CommandSerializer(command).data, status=status.HTTP_202_ACCEPTED)

    def _fingerprints(self) -> list[int]:
        """Return the statement's rows that the caller sees: several where they belong to several organizations."""
        named = Fingerprint.objects.filter(fingerprint_id=self.kwargs["fingerprint_id"].upper())
        found = list(visible_to(named, self.principal).values_list("pk", flat=True))
        if not found:
            raise Http404
        return found
