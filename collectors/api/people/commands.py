"""Commands of one collector: history, and cancelling what has not ended."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from collectors.access import with_requesters
from collectors.api.base import CollectorRowsMixin, TenantViewSet
from collectors.domain.commands import CommandState, CommandType
from collectors.domain.roles import Permission
from collectors.models import Command
from collectors.services import commands


class CommandSerializer(serializers.Serializer[Command]):
    """A command and what became of it. A configuration is not among the parameters: it is filled in for the agent only."""

    id = serializers.IntegerField()
    collector_id = serializers.IntegerField()
    command = serializers.ChoiceField(choices=[kind.value for kind in CommandType])
    params = serializers.JSONField()
    state = serializers.ChoiceField(choices=[state.value for state in CommandState])
    executed = serializers.BooleanField()
    result = serializers.JSONField(allow_null=True)
    requested_by_id = serializers.SerializerMethodField(
        help_text="Null where nobody asked, or somebody whom the caller does not see among the users."
    )
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    delivered_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)

    def get_requested_by_id(self, command: Command) -> int | None:
        """Return who asked for it. Only a command that the caller just asked for comes without `known_requester_id`."""
        known: int | None = getattr(command, "known_requester_id", command.requested_by_id)
        return known


class CommandViewSet(CollectorRowsMixin[Command], TenantViewSet[Command]):
    """Commands of a collector the caller may see, newest first."""

    queryset = Command.objects.all()
    serializer_class = CommandSerializer
    plural = "commands"
    filterset_fields = ["state", "command"]
    ordering_fields = ["id"]
    ordering = ["-id"]
    permissions = {
        "list": Permission.COLLECTOR_VIEW,
        "retrieve": Permission.COLLECTOR_VIEW,
        "cancel": Permission.COLLECTOR_COMMAND,
    }

    def get_queryset(self) -> QuerySet[Command]:
        """Return the commands with those who asked for them, as far as the caller sees them."""
        return with_requesters(super().get_queryset(), self.principal)

    @extend_schema(request=None, responses=CommandSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, **kwargs: Any) -> Response:
        """Cancel a command that has not ended."""
        asked = self.get_object()
        self.require_readable_body()
        commands.cancel_command(command=asked, actor=self.actor)
        return Response(CommandSerializer(self.get_object()).data)
