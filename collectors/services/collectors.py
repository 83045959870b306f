"""Collectors: registered, changed, given new keys, removed."""

from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from collectors.domain import limits
from collectors.domain.actors import Actor
from collectors.domain.commands import CommandType
from collectors.domain.liveness import Cause, Status
from collectors.domain.sources import Engine
from collectors.models import Collector, Command, Heartbeat, MonitoredDatabase, StatusChange, Team
from collectors.services import audit, configs
from collectors.services.errors import Refused


class Registered(NamedTuple):
    """A new collector and its key, which nothing else holds."""

    collector: Collector
    api_key: str


@transaction.atomic
def register_collector(
    *,
    team: Team,
    name: str,
    engine: Engine,
    config: dict[str, Any],
    actor: Actor,
    database: MonitoredDatabase | None = None,
    collection_interval_minutes: int = limits.COLLECTION_INTERVAL_MINUTES,
) -> Registered:
    """Register a collector for a database of the team, or for a new one of the same name.

    Raises `Refused` when the database is another team's or of another type.
    """
    collector = create_collector(
        team=team,
        name=name,
        engine=engine,
        actor=actor,
        database=database,
        collection_interval_minutes=collection_interval_minutes,
    )
    api_key = collector.generate_api_key()
    collector.config = configs.encrypt(collector_id=collector.pk, config=config)
    collector.save(update_fields=["config", "api_key_hash"])
    collector.refresh_from_db()
    return Registered(collector, api_key)


@transaction.atomic
def create_collector(
    *,
    team: Team,
    name: str,
    engine: Engine,
    actor: Actor,
    database: MonitoredDatabase | None = None,
    collection_interval_minutes: int = limits.COLLECTION_INTERVAL_MINUTES,
) -> Collector:
    """Create a collector that has neither a key nor a connection yet. Raises `Refused` as `register_collector` does."""
    if database is None:
        database = MonitoredDatabase.objects.create(
            organization_id=team.organization_id, team=team, name=name, type=engine
        )
    elif database.team_id != team.pk or database.type != engine:
        message = _("The database belongs to another team or is of another type.")
        raise Refused(message, code="invalid", errors={"database_id": [message]})
    collector = Collector.objects.create(
        organization_id=team.organization_id,
        team=team,
        database=database,
        name=name,
        type=engine,
        collection_interval_minutes=collection_interval_minutes,
    )
    _start_history(collector)
    audit.record(
        actor=actor,
        action="collector.register",
        row=collector,
        organization_id=team.organization_id,
        after={"name": name, "type": engine, "team_id": team.pk, "database_id": database.pk},
    )
    return collector


def _start_history(collector: Collector) -> None:
    Heartbeat.objects.create(collector=collector, organization_id=collector.organization_id)
    StatusChange.objects.create(
        organization_id=collector.organization_id,
        collector=collector,
        old_status="",
        new_status=Status.STARTING,
        cause=Cause.REGISTERED,
    )


@transaction.atomic
def change_collector(
    *,
    collector: Collector,
    actor: Actor,
    name: str | None = None,
    collection_interval_minutes: int | None = None,
    config: dict[str, Any] | None = None,
) -> Command | None:
    """Change what is given. A changed configuration gets a version and a command that brings it to the agent, returned.

    A `config` without a password keeps the stored one, unless it leads to another server.
    """
    locked = Collector.objects.select_for_update().get(pk=collector.pk)
    changes: dict[str, Any] = {}
    if name is not None and name != locked.name:
        changes["name"] = name
    if collection_interval_minutes is not None and collection_interval_minutes != locked.collection_interval_minutes:
        changes["collection_interval_minutes"] = collection_interval_minutes
    before = {field: getattr(locked, field) for field in changes}
    after = dict(changes)
    command = None
    if config is not None:
        stored = _stored_config(locked)
        if "password" not in config and "password" in stored and _same_place(stored, config):
            config = {**config, "password": stored["password"]}
        changes["config"] = configs.encrypt(collector_id=locked.pk, config=config)
        changes["config_version"] = F("config_version") + 1
        before["config"] = configs.without_secrets(stored)
        after["config"] = configs.without_secrets(config)
        command = _announce_config(locked, actor)
    if changes:
        Collector.objects.filter(pk=locked.pk).update(**changes)
        audit.record(
            actor=actor,
            action="collector.change",
            row=locked,
            organization_id=locked.organization_id,
            before=before,
            after=after,
        )
    collector.refresh_from_db()
    return command


def _same_place(stored: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Tell whether both lead to the same server: a kept password must not be sent to wherever somebody points it."""
    return all((stored.get(name) or None) == (wanted.get(name) or None) for name in ("host", "port", "socket"))


def _stored_config(collector: Collector) -> dict[str, Any]:
    """Return the stored configuration; an empty one when no key opens it any more, so that a new one can take its place."""
    try:
        return configs.decrypt(collector_id=collector.pk, ciphertext=collector.config)
    except Refused:
        return {}


def _announce_config(collector: Collector, actor: Actor) -> Command:
    """Ask for the newest configuration. What is delivered is read at delivery, so older requests are void."""
    Command.objects.filter(collector=collector, command=CommandType.UPDATE_CONFIG).open().update(
        state="cancelled", ended_at=Now()
    )
    command = Command.objects.create(
        organization_id=collector.organization_id,
        collector=collector,
        command=CommandType.UPDATE_CONFIG,
        requested_by_id=actor.user_id,
        expires_at=Now() + timedelta(seconds=settings.DBPOWER_COMMAND_TTL_SECONDS),
    )
    command.refresh_from_db()
    return command


@transaction.atomic
def rotate_key(
    *, collector: Collector, actor: Actor, overlap: timedelta = timedelta(hours=limits.KEY_OVERLAP_HOURS)
) -> Registered:
    """Give the collector a new key, returned once. The present key stays valid for `overlap`; an older one ends now.

    Where the present one is the agent's own and was never used, the agent may not have it: the one before stays in its place.
    """
    locked = Collector.objects.select_for_update().get(pk=collector.pk)
    is_awaited = bool(locked.previous_key_hash) and locked.previous_key_expires_at is None
    previous = locked.previous_key_hash if is_awaited else locked.api_key_hash
    api_key = locked.generate_api_key()
    Collector.objects.filter(pk=locked.pk).update(
        api_key_hash=locked.api_key_hash,
        api_key_created_at=Now(),
        api_key_proven_at=None,
        key_rotation_requested_at=None,
        previous_key_hash=previous,
        previous_key_expires_at=Now() + overlap,
    )
    audit.record(
        actor=actor,
        action="collector.rotate_key",
        row=locked,
        organization_id=locked.organization_id,
        after={"overlap_seconds": int(overlap.total_seconds())},
    )
    collector.refresh_from_db()
    return Registered(collector, api_key)


@transaction.atomic
def delete_collector(*, collector: Collector, actor: Actor) -> None:
    """Remove a collector; its key ends with it. The database's history stays."""
    # A heartbeat that is being written ends first; one that comes later finds nothing.
    Heartbeat.objects.select_for_update().filter(pk=collector.pk).first()
    audit.record(
        actor=actor,
        action="collector.delete",
        row=collector,
        organization_id=collector.organization_id,
        before={"name": collector.name, "database_id": collector.database_id},
    )
    collector.delete()
