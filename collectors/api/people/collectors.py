"""Collectors: registered, listed, changed, commanded, given new keys."""

from typing import Any

from django.utils import timezone
from django_filters import filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from collectors.api.base import ScopedRelatedField, TenantSerializer, TenantViewSet
from collectors.api.filters import TenantFilterSet
from collectors.api.labels import RegionField, TagsField
from collectors.api.people.commands import CommandSerializer
from collectors.api.people.keys import KeysSerializer, RotationAskedSerializer, RotationSerializer
from collectors.domain import connections, limits
from collectors.domain.commands import CommandType
from collectors.domain.leases import HaRole
from collectors.domain.liveness import Status
from collectors.domain.roles import Permission
from collectors.domain.sources import Engine
from collectors.models import Collector, ControlPlane, MonitoredDatabase, Team
from collectors.services import collector_keys, collectors, commands, configs
from collectors.services.errors import Refused


class TlsSerializer(TenantSerializer):
    """How the connection to the database is encrypted. Certificates are paths on the agent's host."""

    mode = serializers.ChoiceField(choices=connections.TLS_MODES, required=False, allow_null=True)
    ca = serializers.CharField(max_length=1024, required=False, allow_blank=True, allow_null=True)
    cert = serializers.CharField(max_length=1024, required=False, allow_blank=True, allow_null=True)
    key = serializers.CharField(max_length=1024, required=False, allow_blank=True, allow_null=True)


class ConfigSerializer(TenantSerializer):
    """How the agent reaches its database. The password can be set and never read."""

    host = serializers.CharField(max_length=255, required=False, allow_blank=True, allow_null=True)
    port = serializers.IntegerField(min_value=1, max_value=65535, required=False, allow_null=True)
    user = serializers.CharField(max_length=128, required=False, allow_blank=True, allow_null=True)
    password = serializers.CharField(
        max_length=limits.MAX_DATABASE_PASSWORD_CHARACTERS,
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        write_only=True,
    )
    password_from = serializers.RegexField(
        connections.SECRET_NAME,
        trim_whitespace=False,
        required=False,
        allow_null=True,
        help_text="In place of a password: the name of a secret that the agent's host keeps (1 to 32 of a-z, 0-9, _ and -).",
    )
    database = serializers.CharField(max_length=128, required=False, allow_blank=True, allow_null=True)
    socket = serializers.CharField(max_length=1024, required=False, allow_blank=True, allow_null=True)
    tls = TlsSerializer(required=False, allow_null=True)


class CollectorSerializer(serializers.Serializer[Collector]):
    """A collector, what is wanted of it, and what it last reported."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    type = serializers.ChoiceField(choices=[engine.value for engine in Engine])
    organization_id = serializers.IntegerField()
    team_id = serializers.IntegerField()
    database_id = serializers.IntegerField()
    region = serializers.CharField()
    tags = serializers.SerializerMethodField()
    status = serializers.ChoiceField(choices=[s.value for s in Status], source="heartbeat.status")
    is_online = serializers.SerializerMethodField()
    source_readable = serializers.BooleanField(allow_null=True)
    data_until = serializers.DateTimeField(allow_null=True)
    data_fresh = serializers.SerializerMethodField()
    ha_role = serializers.ChoiceField(choices=[role.value for role in HaRole], allow_null=True)
    duplicate_seen_at = serializers.DateTimeField(source="heartbeat.duplicate_seen_at", allow_null=True)
    duplicate_address = serializers.CharField(source="heartbeat.duplicate_address")
    auto_collect = serializers.BooleanField()
    collection_interval_minutes = serializers.IntegerField()
    config_version = serializers.IntegerField()
    queries_collected = serializers.IntegerField(source="heartbeat.queries_collected")
    errors_count = serializers.IntegerField(source="heartbeat.errors_count")
    uptime_seconds = serializers.IntegerField(source="heartbeat.uptime_seconds")
    last_error = serializers.CharField(source="heartbeat.last_error")
    last_error_at = serializers.DateTimeField(source="heartbeat.last_error_at", allow_null=True)
    last_heartbeat = serializers.DateTimeField(source="heartbeat.last_heartbeat", allow_null=True)
    last_collection = serializers.DateTimeField(source="heartbeat.last_collection", allow_null=True)
    clock_skew_seconds = serializers.SerializerMethodField(
        help_text="By how much the clock of the agent's host was ahead of the server's at the last heartbeat, less the time that "
        "the request took; below zero where it was behind, null where the agent did not say. It decides nothing.",
    )
    agent_version = serializers.CharField(source="heartbeat.version")
    source = serializers.JSONField(source="heartbeat.source", allow_null=True)  # type: ignore[assignment]
    spool = serializers.JSONField(source="heartbeat.spool", allow_null=True)
    created_at = serializers.DateTimeField()

    def get_tags(self, collector: Collector) -> list[str]:
        """Return the tags in order."""
        return [row.tag for row in collector.tags.all()]

    def get_clock_skew_seconds(self, collector: Collector) -> float | None:
        """Return the skew to a thousandth of a second."""
        skew = collector.heartbeat.clock_skew_seconds
        return None if skew is None else round(skew, 3)

    def get_is_online(self, collector: Collector) -> bool:
        """Tell whether the collector was heard from within its deadline, whatever its status."""
        return collector.is_online(now=self.context["now"], accepting_since=self.context["accepting_since"])

    def get_data_fresh(self, collector: Collector) -> bool | None:
        """Tell whether the data is as new as the interval lets one expect; null for a standby."""
        return collector.is_data_fresh(self.context["now"])


class CollectorDetailSerializer(CollectorSerializer):
    """A collector with its connection, without the password."""

    config = serializers.SerializerMethodField()
    keys = KeysSerializer(source="*")

    @extend_schema_field(ConfigSerializer(allow_null=True))
    def get_config(self, collector: Collector) -> dict[str, Any] | None:
        """Return what may be shown of the connection; null when no key opens it any more."""
        try:
            return configs.without_secrets(configs.decrypt(collector_id=collector.pk, ciphertext=collector.config))
        except Refused:
            return None


class RegisteredSerializer(CollectorDetailSerializer):
    """A collector with its key, which is shown this once."""

    api_key = serializers.CharField()


class RegistrationSerializer(TenantSerializer):
    """What it takes to register a collector. `database_id` joins a database of the same team that is already watched."""

    name = serializers.CharField(max_length=limits.MAX_NAME_CHARACTERS)
    type = serializers.ChoiceField(choices=[engine.value for engine in Engine])
    team_id = ScopedRelatedField(queryset=Team.objects.all(), source="team")
    database_id = ScopedRelatedField(queryset=MonitoredDatabase.objects.all(), source="database", required=False)
    collection_interval_minutes = serializers.IntegerField(min_value=1, max_value=1440, required=False)
    region = RegionField(max_length=limits.MAX_LABEL_CHARACTERS, required=False, allow_blank=True)
    tags = TagsField(required=False)
    config = ConfigSerializer(required=False)


class CollectorChangeSerializer(TenantSerializer):
    """What can be changed of a collector. A `config` replaces the stored one.

    Without a password it keeps the stored one, unless it names another host, port, socket or CA, or weaker TLS: then the agent
    refuses it.
    """

    name = serializers.CharField(max_length=limits.MAX_NAME_CHARACTERS, required=False)
    collection_interval_minutes = serializers.IntegerField(min_value=1, max_value=1440, required=False)
    region = RegionField(max_length=limits.MAX_LABEL_CHARACTERS, required=False, allow_blank=True)
    tags = TagsField(required=False)
    config = ConfigSerializer(required=False)


class KeySerializer(serializers.Serializer[Any]):
    """A new key, shown this once, and until when the one before it is good."""

    id = serializers.IntegerField()
    api_key = serializers.CharField()
    previous_key_expires_at = serializers.DateTimeField(allow_null=True)


class EmptySerializer(serializers.Serializer[Any]):
    """A body of which nothing is needed."""


class CollectorFilter(TenantFilterSet):
    """What a list of collectors can be narrowed by."""

    status = filters.MultipleChoiceFilter(field_name="heartbeat__status", choices=[(s.value, s.value) for s in Status])

    # A collector bears a tag once, so it is listed once.
    tag = filters.CharFilter(field_name="tags__tag")
    region = filters.CharFilter()

    class Meta:
        model = Collector
        fields = ["type", "organization_id", "team_id", "database_id", "auto_collect"]


class CollectorViewSet(TenantViewSet[Collector]):
    """Collectors of the caller's teams."""

    queryset = Collector.objects.select_related("heartbeat", "database__lease").prefetch_related("tags")
    serializer_class = CollectorDetailSerializer
    filterset_class = CollectorFilter
    plural = "collectors"
    search_fields = ["name", "database__name"]
    ordering_fields = ["id", "name", "created_at", "heartbeat__last_heartbeat", "heartbeat__status"]
    ordering = ["name", "id"]
    permissions = {
        "list": Permission.COLLECTOR_VIEW,
        "retrieve": Permission.COLLECTOR_VIEW,
        "register": Permission.COLLECTOR_KEY,
        "partial_update": Permission.COLLECTOR_MANAGE,
        "destroy": Permission.COLLECTOR_MANAGE,
        "rotate_key": Permission.COLLECTOR_MANAGE,
        "revoke_key": Permission.COLLECTOR_MANAGE,
        "start": Permission.COLLECTOR_COMMAND,
        "stop": Permission.COLLECTOR_COMMAND,
        "collect": Permission.COLLECTOR_COMMAND,
    }

    def get_serializer_context(self) -> dict[str, Any]:
        """Add what `is_online` is told by, read once a request."""
        return {
            **super().get_serializer_context(),
            "now": timezone.now(),
            "accepting_since": ControlPlane.objects.accepting_since(),
        }

    def get_serializer_class(self) -> type[serializers.BaseSerializer[Any]]:
        """Leave the connection out of lists: each would have to be decrypted."""
        return CollectorSerializer if self.action == "list" else CollectorDetailSerializer

    @extend_schema(request=RegistrationSerializer, responses={201: RegisteredSerializer})
    @action(detail=False, methods=["post"])
    def register(self, request: Request) -> Response:
        """Register a collector. The key in the answer is never shown again."""
        self.require_anywhere(Permission.COLLECTOR_KEY)
        body = self.validated(RegistrationSerializer)
        self.require(Permission.COLLECTOR_KEY, body["team"])
        registered = collectors.register_collector(
            team=body["team"],
            name=body["name"],
            engine=Engine(body["type"]),
            config=body.get("config", {}),
            database=body.get("database"),
            collection_interval_minutes=body.get("collection_interval_minutes", limits.COLLECTION_INTERVAL_MINUTES),
            region=body.get("region", ""),
            tags=body.get("tags", []),
            actor=self.actor,
        )
        shown = self.get_serializer(registered.collector).data
        return _no_store({**shown, "api_key": registered.api_key}, status.HTTP_201_CREATED)

    @extend_schema(request=CollectorChangeSerializer, responses=CollectorDetailSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a collector. A changed `config` is brought to the agent by a command."""
        collector = self.get_object()
        body = self.validated(CollectorChangeSerializer, partial=True)
        collectors.change_collector(collector=collector, actor=self.actor, **body)
        return Response(self.get_serializer(collector).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Remove a collector. Its key ends at once; the history of its database stays."""
        collectors.delete_collector(collector=self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=RotationSerializer, responses={200: KeySerializer, 202: RotationAskedSerializer})
    @action(detail=True, methods=["post"], url_path="rotate-key")
    def rotate_key(self, request: Request, pk: str) -> Response:
        """Give the collector a new key; or, with `{"by": "agent"}`, ask its agent to make one, which nobody ever sees.

        The present key stays good: for a day, or until an hour after the agent's own one was used first.
        """
        collector = self.get_object()
        body = self.validated(RotationSerializer)
        if body["by"] == "agent":
            collector_keys.request_rotation(collector=collector, actor=self.actor)
            content = {"id": collector.pk, "key_rotation_requested_at": collector.key_rotation_requested_at}
            return Response(content, status=status.HTTP_202_ACCEPTED)
        self.require(Permission.COLLECTOR_KEY, collector)
        rotated = collectors.rotate_key(collector=collector, actor=self.actor)
        expires_at = rotated.collector.previous_key_expires_at
        return _no_store(
            {"id": rotated.collector.pk, "api_key": rotated.api_key, "previous_key_expires_at": expires_at},
            status.HTTP_200_OK,
        )

    @extend_schema(request=EmptySerializer, responses=CollectorDetailSerializer)
    @action(detail=True, methods=["post"], url_path="revoke-key")
    def revoke_key(self, request: Request, pk: str) -> Response:
        """End every key of the collector at once. A new key by hand revives it."""
        collector = self.get_object()
        self.require_readable_body()
        collector_keys.revoke(collector=collector, actor=self.actor)
        return Response(self.get_serializer(collector).data)

    @extend_schema(request=EmptySerializer, responses={202: CommandSerializer})
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        """Switch automatic collection on."""
        return self._command(CommandType.START)

    @extend_schema(request=EmptySerializer, responses={202: CommandSerializer})
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, pk: str) -> Response:
        """Switch automatic collection off. The agent lives on and heartbeats."""
        return self._command(CommandType.STOP)

    @extend_schema(request=EmptySerializer, responses={202: CommandSerializer})
    @action(detail=True, methods=["post"])
    def collect(self, request: Request, pk: str) -> Response:
        """Collect once, now."""
        return self._command(CommandType.COLLECT)

    def _command(self, kind: CommandType) -> Response:
        collector = self.get_object()
        self.require_readable_body()
        command = commands.request_command(collector=collector, command=kind, actor=self.actor)
        return Response(CommandSerializer(command).data, status=status.HTTP_202_ACCEPTED)


def _no_store(content: dict[str, Any], code: int) -> Response:
    return Response(content, status=code)
