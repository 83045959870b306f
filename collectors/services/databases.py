"""Monitored databases: renamed, removed."""

from django.db import transaction
from django.utils.translation import gettext as _

from collectors.domain.actors import Actor
from collectors.models import MonitoredDatabase
from collectors.services import audit, rollups, storage
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
        raise Conflict(_("A collector still watches this database."), code="not_empty")
    audit.record(
        actor=actor,
        action="database.delete",
        row=database,
        organization_id=database.organization_id,
        before={"name": database.name},
    )
    # The marks first: a roll-up that holds one is waited for, and no other begins.
    for level in rollups.LEVELS:
        level.marks.objects.filter(database=database).delete()
    # Nothing refers into these tables, so nothing removes their rows by itself.
    storage.forget_database(database_id=database.pk)
    database.delete()
