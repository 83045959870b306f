"""A statement of which a plan can be asked for."""

from typing import Any

from django.db.models.functions import Now

from collectors.models import Collector, Fingerprint, Heartbeat, Lease, Statement, Team


def plannable(
    collector: Collector, fingerprint: Fingerprint, key: str = "16384:16400:77:t", **members: Any
) -> Statement:
    """Return a statement of the collector's database, whose team wants plans and whose agent is alive and reads it."""
    Team.objects.filter(pk=collector.team_id).update(plans=True)
    Heartbeat.objects.filter(pk=collector.pk).update(status="ONLINE", last_heartbeat=Now())
    Lease.objects.get_or_create(
        database_id=collector.database_id,
        defaults={"organization_id": collector.organization_id, "holder": collector, "epoch": 1},
    )
    described = {"digest": "77", "schema_name": "shop", "user_name": "app", "source": "pg_stat_statements", **members}
    statement, _ = Statement.objects.get_or_create(
        organization_id=collector.organization_id,
        database_id=collector.database_id,
        key=key,
        fingerprint=fingerprint,
        text_state="known",
        **described,
    )
    return statement
