"""Collectors: registered, changed, given new keys, removed."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from collectors.domain import connections, limits
from collectors.domain.actors import Actor
from collectors.domain.commands import CommandType
from collectors.domain.liveness import Cause, Status
from collectors.domain.sources import Engine
from collectors.models import Collector, Command, Heartbeat, MonitoredDatabase, StatusChange, Team
from collectors.services import audit, collections, configs, labels
from collectors.services.errors import Refused

BOTH_GIVEN: Final = gettext_lazy("Give a password or the name of a secret on the agent's host, not both.")


class Registered(NamedTuple):
    """A new collector and its key, which nothing else holds."""

    collector: Collector
    api_key: str

    def __repr__(self) -> str:
        """Leave the key out: what is shown of an object may end in a log."""
        return f"{type(self).__name__}({self[0]!r})"


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
    region: str = "",
    tags: Sequence[str] = (),
) -> Registered:
    """Register a collector for a database of the team, or for a new one of the same name.

    Raises `Refused` when the database is another team's or of another type, or `config` holds two passwords.
    """
    _require_one_password(config)
    collector = _create(team, name, engine, database, collection_interval_minutes, region, tags)
    api_key = collector.generate_api_key()
    collector.config = configs.encrypt(collector_id=collector.pk, config=config)
    collector.save(update_fields=["config", "api_key_hash"])
    _record_registration(collector, actor, config=configs.without_secrets(config))
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
    region: str = "",
    tags: Sequence[str] = (),
) -> Collector:
    """Create a collector that has neither a key nor a connection yet. Raises `Refused` as `register_collector` does."""
    collector = _create(team, name, engine, database, collection_interval_minutes, region, tags)
    _record_registration(collector, actor)
    return collector


def _create(
    team: Team,
    name: str,
    engine: Engine,
    database: MonitoredDatabase | None,
    collection_interval_minutes: int,
    region: str,
    tags: Sequence[str],
) -> Collector:
    place, words = labels.written(region=region, tags=tags)
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
        region=place or "",
    )
    labels.replace_tags(collector=collector, tags=words or [])
    _start_history(collector)
    return collector


def _record_registration(collector: Collector, actor: Actor, **connection: Any) -> None:
    tags = [row.tag for row in collector.tags.all()]
    audit.record(
        actor=actor,
        action="collector.register",
        row=collector,
        organization_id=collector.organization_id,
        after={
            "name": collector.name,
            "type": collector.type,
            "team_id": collector.team_id,
            "database_id": collector.database_id,
            "collection_interval_minutes": collector.collection_interval_minutes,
            **({"region": collector.region} if collector.region else {}),
            **({"tags": tags} if tags else {}),
            **connection,
        },
    )


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
    region: str | None = None,
    tags: Sequence[str] | None = None,
) -> Command | None:
    """Change what is given. A changed configuration gets a version and a command that brings it to the agent, returned.

    A `config` without a password keeps the stored one, unless it leads to another server, or there over weaker TLS.
    """
    region, tags = labels.written(region=region, tags=tags)
    locked = Collector.objects.select_for_update().get(pk=collector.pk)
    changes = _changed(locked, name=name, collection_interval_minutes=collection_interval_minutes, region=region)
    before = {field: getattr(locked, field) for field in changes}
    after = dict(changes)
    if tags is not None and (present := labels.replace_tags(collector=locked, tags=tags)) != tags:
        before["tags"], after["tags"] = present, tags
    command = None
    if config is not None:
        stored = _stored_config(locked)
        _require_one_password(config)
        if not connections.has_password(config) and connections.may_take_password_along(stored, config):
            config = {**config, **{name: stored[name] for name in ("password", "password_from") if stored.get(name)}}
        changes["config"] = configs.encrypt(collector_id=locked.pk, config=config)
        changes["config_version"] = F("config_version") + 1
        before["config"] = configs.without_secrets(stored)
        after["config"] = configs.for_audit(config, before=stored)
        command = _announce_config(locked, actor)
    if changes:
        Collector.objects.filter(pk=locked.pk).update(**changes)
    if after:
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


def _require_one_password(config: dict[str, Any]) -> None:
    if connections.has_both(config):
        message = str(BOTH_GIVEN)
        raise Refused(message, code="invalid", errors={"config": [message]})


def _changed(locked: Collector, **wanted: Any) -> dict[str, Any]:
    """Return the members that are given and differ from what is stored."""
    return {member: value for member, value in wanted.items() if value not in (None, getattr(locked, member))}


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
    """Give the collector a new key, returned once. The key that is in use stays valid for `overlap`; others end now.

    While the present key was never used and the one before it is still good, that one is the one in use: nobody may have
    the present one. So a new key whose answer was lost can be made again.
    """
    locked = Collector.objects.select_for_update().get(pk=collector.pk)
    is_unproven = locked.api_key_proven_at is None and locked.previous_key_is_good()
    in_use = locked.previous_key_hash if is_unproven else locked.api_key_hash
    previous = in_use if overlap else ""
    api_key = locked.generate_api_key()
    Collector.objects.filter(pk=locked.pk).update(
        api_key_hash=locked.api_key_hash,
        api_key_created_at=Now(),
        api_key_proven_at=None,
        key_rotation_requested_at=None,
        previous_key_hash=previous,
        previous_key_expires_at=Now() + overlap if previous else None,
        first_key_until=None,
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
    Collector.objects.select_for_update().filter(pk=collector.pk).first()
    audit.record(
        actor=actor,
        action="collector.delete",
        row=collector,
        organization_id=collector.organization_id,
        before={"name": collector.name, "database_id": collector.database_id},
    )
    collections.forget(collector=collector)
    collector.delete()
