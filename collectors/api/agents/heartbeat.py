"""An agent says that it is alive, and hears what to do."""

import math
from typing import Any, Final

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from collectors.api.agents.view import CollectorView
from collectors.api.authentication import key_refused, presented_key
from collectors.domain import limits
from collectors.domain.commands import CommandType
from collectors.domain.heartbeats import Report
from collectors.services import heartbeats

_COUNT: Final[dict[str, Any]] = {
    "min_value": 0,
    "max_value": limits.MAX_REPORTED_COUNT,
    "required": False,
    "allow_null": True,
}


class FiniteField(serializers.FloatField):
    """A number; the texts "NaN" and "Infinity" are none, though Python reads them as such."""

    def to_internal_value(self, data: Any) -> float:
        """Return the number. Raises `ValidationError`."""
        number = super().to_internal_value(data)
        if not math.isfinite(number):
            self.fail("invalid")
        return number


class FindingSerializer(serializers.Serializer[Any]):
    """What an agent says of a source: whether it can read it, and if not, why and what mends it."""

    name = serializers.CharField(max_length=40, required=False, allow_blank=True, allow_null=True)
    readable = serializers.BooleanField(required=False, allow_null=True)
    code = serializers.CharField(max_length=100, required=False, allow_blank=True, allow_null=True)
    detail = serializers.CharField(max_length=2000, required=False, allow_blank=True, allow_null=True)
    remedy = serializers.CharField(max_length=2000, required=False, allow_blank=True, allow_null=True)


class FindingsSerializer(FindingSerializer):
    """What an agent says of its source. One that reads several tells here which has trouble, and of each in `sources`."""

    sources = FindingSerializer(many=True, required=False, allow_null=True, max_length=10)  # type: ignore[call-arg]


class SpoolSerializer(serializers.Serializer[Any]):
    """What waits on the agent's disk."""

    files = serializers.IntegerField(**_COUNT)
    bytes = serializers.IntegerField(**_COUNT)
    dropped_files = serializers.IntegerField(**_COUNT)
    data_age_seconds = FiniteField(min_value=0, max_value=limits.MAX_AGE_SECONDS, required=False, allow_null=True)


class StatsSerializer(serializers.Serializer[Any]):
    """Numbers of one agent process, counted since it started. Every member is optional."""

    queries_collected = serializers.IntegerField(**_COUNT)
    errors_count = serializers.IntegerField(**_COUNT)
    uptime_seconds = serializers.IntegerField(**_COUNT)
    agent_clock_seconds = FiniteField(
        min_value=0,
        max_value=limits.MAX_CLOCK_SECONDS,
        required=False,
        allow_null=True,
        help_text="What the host's wall clock shows, in seconds since 1970 (UTC). It is shown to people and decides nothing.",
    )
    instance = serializers.RegexField(r"\A[0-9a-fA-F]{32}\Z", required=False, allow_null=True)
    version = serializers.CharField(max_length=32, required=False, allow_blank=True, allow_null=True)
    auto_collect = serializers.BooleanField(required=False, allow_null=True)
    config_version = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False, allow_null=True)
    last_collection_age_seconds = FiniteField(
        min_value=0, max_value=limits.MAX_AGE_SECONDS, required=False, allow_null=True
    )
    stopping = serializers.BooleanField(required=False)
    source = FindingsSerializer(required=False, allow_null=True)  # type: ignore[assignment]
    spool = SpoolSerializer(required=False, allow_null=True)


class HeartbeatSerializer(serializers.Serializer[Any]):
    """A heartbeat. Nothing in it is required: the key alone says that the agent lives."""

    stats = StatsSerializer(required=False, allow_null=True)
    error = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=100_000, trim_whitespace=False
    )


class DeliveredCommandSerializer(serializers.Serializer[Any]):
    """A command to carry out."""

    id = serializers.IntegerField()
    command = serializers.ChoiceField(choices=[kind.value for kind in CommandType])
    params = serializers.JSONField()
    expires_at = serializers.DateTimeField()


class LeaseSerializer(serializers.Serializer[Any]):
    """Whether this agent is the one that collects, and the number its snapshots carry."""

    held = serializers.BooleanField()
    epoch = serializers.IntegerField()
    expires_in_seconds = serializers.IntegerField(allow_null=True)


class HeartbeatAnswerSerializer(serializers.Serializer[Any]):
    """What the agent is to do."""

    status = serializers.CharField()
    commands = DeliveredCommandSerializer(many=True)
    auto_collect = serializers.BooleanField()
    collection_interval_minutes = serializers.IntegerField()
    config_version = serializers.IntegerField()
    lease = LeaseSerializer()
    rotate_key = serializers.BooleanField()
    next_heartbeat_seconds = serializers.IntegerField()
    server_time = serializers.DateTimeField()


class HeartbeatView(CollectorView):
    """`POST collectors/{id}/heartbeat`. The key is checked by the statement that records the heartbeat."""

    def perform_authentication(self, request: Request) -> None:
        """Leave the key to the service: asking for the collector first would be a second statement."""

    @extend_schema(request=HeartbeatSerializer, responses=HeartbeatAnswerSerializer, operation_id="heartbeat")
    def post(self, request: Request, collector_pk: str) -> Response:
        """Record that the agent lives; return its commands and the desired state."""
        key = presented_key(request)
        if str(key.collector_id) != collector_pk:
            raise key_refused()
        try:
            report = _report(request)
        except APIException:
            # A wrong key is refused before anything is said about the body.
            address = request.META.get("REMOTE_ADDR", "")
            heartbeats.authenticate(collector_id=key.collector_id, key_digest=key.digest, address=address)
            raise
        answer = heartbeats.record(collector_id=key.collector_id, key_digest=key.digest, report=report)
        return Response(_answer(answer))


def _report(request: Request) -> Report:
    serializer = HeartbeatSerializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    stats: dict[str, Any] = serializer.validated_data.get("stats") or {}
    error = (serializer.validated_data.get("error") or "").strip()
    return Report(
        instance=(stats.get("instance") or "").lower(),
        version=stats.get("version") or "",
        queries_collected=stats.get("queries_collected"),
        errors_count=stats.get("errors_count"),
        uptime_seconds=stats.get("uptime_seconds"),
        agent_clock_seconds=stats.get("agent_clock_seconds"),
        auto_collect=stats.get("auto_collect"),
        config_version=stats.get("config_version"),
        last_collection_age_seconds=stats.get("last_collection_age_seconds"),
        stopping=bool(stats.get("stopping")),
        source=None if stats.get("source") is None else dict(stats["source"]),
        spool=None if stats.get("spool") is None else dict(stats["spool"]),
        error=error[: limits.MAX_ERROR_CHARACTERS],
        address=request.META.get("REMOTE_ADDR", ""),
    )


def _answer(answer: heartbeats.Answer) -> dict[str, Any]:
    return {
        "status": "ok",
        "commands": [
            {
                "id": command.id,
                "command": command.command,
                "params": command.params,
                "expires_at": serializers.DateTimeField().to_representation(command.expires_at),
            }
            for command in answer.commands
        ],
        "auto_collect": answer.auto_collect,
        "collection_interval_minutes": answer.collection_interval_minutes,
        "config_version": answer.config_version,
        "lease": {
            "held": answer.holds_lease,
            "epoch": answer.epoch,
            "expires_in_seconds": heartbeats.lease_seconds() if answer.holds_lease else None,
        },
        "rotate_key": answer.rotate_key,
        "next_heartbeat_seconds": heartbeats.next_heartbeat_seconds(answer),
        "server_time": serializers.DateTimeField().to_representation(heartbeats.server_time()),
    }
