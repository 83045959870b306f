"""An agent reports what became of a command."""

import json
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from collectors.api.agents.view import CollectorView
from collectors.api.authentication import key_refused, presented_key
from collectors.domain import limits
from collectors.domain.commands import CommandState
from collectors.models import Collector, Command
from collectors.services import commands


class ResultField(serializers.JSONField):
    """Any JSON up to 16 KiB; one that holds a plan may be larger."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the value. Raises `ValidationError` when it is too large to keep."""
        has_plan = isinstance(data, dict) and "plan" in data
        most = limits.MAX_PLAN_BYTES if has_plan else limits.MAX_RESULT_BYTES
        if len(json.dumps(data, ensure_ascii=False).encode()) > most:
            raise serializers.ValidationError(f"At most {most} bytes.")
        return data


class ExecutionSerializer(serializers.Serializer[Any]):
    """What became of a command."""

    success = serializers.BooleanField()
    result = ResultField(required=False, allow_null=True, default=None)


class ExecutedSerializer(serializers.Serializer[Command]):
    """The command as it stands after the report."""

    id = serializers.IntegerField()
    command = serializers.CharField()
    state = serializers.ChoiceField(choices=[state.value for state in CommandState])
    executed = serializers.BooleanField()
    result = serializers.JSONField(allow_null=True)


class ExecuteView(CollectorView):
    """`POST collectors/{id}/commands/{cmd_id}/execute`."""

    @extend_schema(request=ExecutionSerializer, responses=ExecutedSerializer, operation_id="execute")
    def post(self, request: Request, collector_pk: str, command_pk: str) -> Response:
        """Store the outcome. The same report again is answered alike and changes nothing."""
        collector = request.user
        if not isinstance(collector, Collector) or str(collector.pk) != collector_pk:
            raise key_refused()
        serializer = ExecutionSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            command = commands.report_execution(
                collector=collector,
                key_digest=presented_key(request).digest,
                command_id=int(command_pk),
                success=serializer.validated_data["success"],
                result=serializer.validated_data["result"],
            )
        except Command.DoesNotExist as error:
            raise Http404 from error
        return Response(ExecutedSerializer(command).data)
