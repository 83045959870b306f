"""What is shown of collectors' keys, and what it takes to change them."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from rest_framework import serializers

from collectors.api.base import TenantSerializer
from collectors.models import Collector


class KeysSerializer(serializers.Serializer[Any]):
    """What is known of a collector's keys, of which only hashes are stored."""

    created_at = serializers.DateTimeField(source="api_key_created_at")
    first_used_at = serializers.DateTimeField(source="api_key_proven_at", allow_null=True)
    last_used_at = serializers.DateTimeField(source="heartbeat.last_heartbeat", allow_null=True)
    last_used_address = serializers.CharField(source="heartbeat.address")
    expires_at = serializers.SerializerMethodField()
    is_revoked = serializers.SerializerMethodField()
    rotation_requested_at = serializers.DateTimeField(source="key_rotation_requested_at", allow_null=True)
    previous_is_good = serializers.BooleanField(source="previous_key_is_good")
    previous_expires_at = serializers.DateTimeField(source="previous_key_expires_at", allow_null=True)

    def get_expires_at(self, collector: Collector) -> datetime | None:
        """Return when the agent is asked for a new key by the age limit; null without one. Until it makes one, the old is good."""
        days: int = settings.DBPOWER_KEY_MAX_AGE_DAYS
        return collector.api_key_created_at + timedelta(days=days) if days else None

    def get_is_revoked(self, collector: Collector) -> bool:
        """Tell whether no key opens anything."""
        return not collector.api_key_hash


class RotationSerializer(TenantSerializer):
    """Who makes the new key: `hand` (shown in the answer, for somebody to carry to the host) or `agent`."""

    by = serializers.ChoiceField(choices=["hand", "agent"], default="hand")


class RotationAskedSerializer(serializers.Serializer[Any]):
    """The agent is asked with its next heartbeat."""

    id = serializers.IntegerField()
    key_rotation_requested_at = serializers.DateTimeField()
