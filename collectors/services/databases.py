"""Monitored databases: renamed, removed."""

from django.db import transaction

from collectors.domain.actors import Actor
from collectors.models import Bucket, MonitoredDatabase, SlowQuery
from collectors.services import audit
from collectors.services.errors import Conflict


@transaction.atomic
def rename_database(*, database: MonitoredDatabase, name: str, actor: Actor) -> MonitoredDatabase:
    """Give a database another name."""
    before = {"name": database.name}
    database.name = name
    database.save(update_fields=["name"])
    audit.record(
        actor=actor,
        action="database.change",
        row=database,
        organization_id=database.organization_id,
        before=before,
        after={"name": name},
    )
    return database


@transaction.atomic
def delete_database(*, database: MonitoredDatabase, actor: Actor) -> None:
    """Remove a database with its history. Raises `Conflict` while a collector watches it."""
    if database.collectors.exists():
        raise Conflict("A collector still watches this database.", code="not_empty")
    audit.record(
        actor=actor,
        action="database.delete",
        row=database,
        organization_id=database.organization_id,
        before={"name": database.name},
    )
    # Nothing refers into these two tables, so nothing removes their rows by itself.
    Bucket.objects.filter(database_id=database.pk).delete()
    SlowQuery.objects.filter(database_id=database.pk).delete()
    database.delete()
