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
    last_used_at = serializers.SerializerMethodField()
    last_used_address = serializers.SerializerMethodField()
    expires_at = serializers.SerializerMethodField()
    rotation_due_at = serializers.SerializerMethodField()
    is_revoked = serializers.SerializerMethodField()
    rotation_requested_at = serializers.DateTimeField(source="key_rotation_requested_at", allow_null=True)
    previous_is_good = serializers.BooleanField(source="previous_key_is_good")
    previous_expires_at = serializers.DateTimeField(source="previous_key_expires_at", allow_null=True)
    previous_last_used_at = serializers.SerializerMethodField()
    previous_last_used_address = serializers.SerializerMethodField()

    def get_last_used_at(self, collector: Collector) -> datetime | None:
        """Return the time of the present key's last use, to the minute."""
        return collector.heartbeat.use_of(collector.api_key_hash)[0]

    def get_last_used_address(self, collector: Collector) -> str:
        """Return where the present key was last used from."""
        return collector.heartbeat.use_of(collector.api_key_hash)[1]

    def get_previous_last_used_at(self, collector: Collector) -> datetime | None:
        """Return the time of the previous key's last use, to the minute."""
        return collector.heartbeat.use_of(collector.previous_key_hash)[0]

    def get_previous_last_used_address(self, collector: Collector) -> str:
        """Return where the previous key was last used from."""
        return collector.heartbeat.use_of(collector.previous_key_hash)[1]

    def get_expires_at(self, _collector: Collector) -> datetime | None:
        """Return null: the present key ends when it is replaced or revoked, at no time that is known before."""
        return None

    def get_rotation_due_at(self, collector: Collector) -> datetime | None:
        """Return when the agent is asked for a new key by the age limit; null without one. The key does not end then."""
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
