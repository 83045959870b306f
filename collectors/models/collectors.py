"""Installed agents, as the control plane knows them."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from collectors.domain import freshness, keys, limits, liveness
from collectors.domain.leases import HaRole
from collectors.domain.sources import Engine
from collectors.models.control_plane import ControlPlane
from collectors.models.databases import MonitoredDatabase
from collectors.models.organizations import Organization
from collectors.models.teams import Team

if TYPE_CHECKING:
    from collectors.models.heartbeats import Heartbeat


class IsStale(models.Func):
    """Whether the data of a collector that reads is older than its interval lets one expect, as `domain.freshness` has it."""

    output_field = models.BooleanField()

    def __init__(self, now: datetime) -> None:
        super().__init__(
            models.Value(now, output_field=models.DateTimeField()),
            models.F("heartbeat__last_heartbeat"),
            models.F("heartbeat__spool"),
            models.F("collection_interval_minutes"),
        )

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> Any:  # type: ignore[override]
        """Add the age of the last heartbeat and the age of the data that it told of."""
        parts = [compiler.compile(expression) for expression in self.get_source_expressions()]
        (now, _), (last, _), (spool, _), (interval, _) = parts
        if connection.vendor == "postgresql":
            age = f"EXTRACT(EPOCH FROM {now} - {last}) + CAST({spool} ->> 'data_age_seconds' AS double precision)"
        else:
            age = f"(julianday({now}) - julianday({last})) * 86400 + json_extract({spool}, '$.data_age_seconds')"
        seconds = 60 * freshness.INTERVALS
        sql = f"COALESCE({age} > {interval} * {seconds} + {int(freshness.MARGIN.total_seconds())}, {now} IS NOT NULL)"
        return sql, [*parts[0][1], *parts[1][1], *parts[2][1], *parts[3][1], *parts[0][1]]


class CollectorQuerySet(models.QuerySet["Collector"]):
    """Questions asked of collectors by what their heartbeats say. Nothing of that has an index: each reads the rows once."""

    def late(self, *, now: datetime, accepting_since: datetime | None) -> Self:
        """Return those that are overdue and not OFFLINE yet (`liveness.late_before`)."""
        cutoff = _late_before(now, accepting_since)
        if cutoff is None:
            return self.none()
        return self.filter(heartbeat__status__in=liveness.MAY_BE_LATE, heartbeat__last_heartbeat__lt=cutoff)

    def in_status(self, status: str, *, now: datetime, accepting_since: datetime | None) -> Self:
        """Return those of the status, without those that are late: so each collector is in one state, as on the home page."""
        cutoff = _late_before(now, accepting_since)
        found = self.filter(heartbeat__status=status)
        if cutoff is None or status not in liveness.MAY_BE_LATE:
            return found
        heard = models.Q(heartbeat__last_heartbeat__gte=cutoff) | models.Q(heartbeat__last_heartbeat=None)
        return found.filter(heard)

    def stale(self, *, now: datetime) -> Self:
        """Return those whose data ought to be newer; one that stands by has none to show."""
        reading = models.Q(lease__isnull=False) | models.Q(database__lease__holder__isnull=True)
        return self.filter(reading).filter(IsStale(now))


class Collector(models.Model):
    """One installed agent and what is wanted of it. What it reports, often, is its `heartbeat` row."""

    organization = models.ForeignKey(
        Organization, verbose_name=_("organization"), on_delete=models.CASCADE, related_name="collectors"
    )
    team = models.ForeignKey(Team, verbose_name=_("team"), on_delete=models.PROTECT, related_name="collectors")
    database = models.ForeignKey(
        MonitoredDatabase, verbose_name=_("database"), on_delete=models.PROTECT, related_name="collectors"
    )
    name = models.CharField(_("name"), max_length=limits.MAX_NAME_CHARACTERS)
    type = models.CharField(_("type"), max_length=20, choices=[(engine.value, engine.value) for engine in Engine])
    # Where it stands, in the words of its organization; a label as tags are (`models.collector_tags`).
    region = models.CharField(
        _("region"), max_length=limits.MAX_LABEL_CHARACTERS, blank=True, db_default="", default=""
    )
    # The connection to the database, encrypted; only services.configs reads it.
    config = models.TextField(blank=True, editable=False)
    config_version = models.PositiveIntegerField(default=1, editable=False)
    auto_collect = models.BooleanField(_("automatic collection"), default=True, editable=False)
    collection_interval_minutes = models.PositiveIntegerField(
        _("collection interval (minutes)"),
        default=limits.COLLECTION_INTERVAL_MINUTES,
        validators=[MinValueValidator(1), MaxValueValidator(24 * 60)],
    )
    api_key_hash = models.CharField(max_length=64, editable=False)
    api_key_created_at = models.DateTimeField(db_default=Now(), editable=False)
    # When the present key was used first; until then it may not have reached the agent.
    api_key_proven_at = models.DateTimeField(null=True, editable=False)
    # Since when the agent is asked to make a new key.
    key_rotation_requested_at = models.DateTimeField(null=True, editable=False)
    # The key before the last rotation, good until its overlap ends; without an end until the present one is proven.
    previous_key_hash = models.CharField(max_length=64, blank=True, editable=False)
    previous_key_expires_at = models.DateTimeField(null=True, editable=False)
    # Until when a host that enrolled may tell its first key; None once it has, or once anybody else decided about the keys.
    first_key_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    heartbeat: "Heartbeat"

    objects: ClassVar[models.Manager["Collector"]] = models.Manager.from_queryset(CollectorQuerySet)()

    class Meta:
        db_table = "collectors"
        verbose_name = _("collector")
        verbose_name_plural = _("collectors")
        ordering = ["name", "id"]
        indexes = [
            # The list in its own order: of everything, and of one organization.
            models.Index(fields=["name", "id"], name="collectors_by_name"),
            models.Index(fields=["organization", "name", "id"], name="collectors_of_organization"),
            models.Index(fields=["region", "name", "id"], name="collectors_by_region"),
            # Few: `services.fleet.data_freshness` judges them apart.
            models.Index(
                fields=["id"],
                condition=~models.Q(collection_interval_minutes=limits.COLLECTION_INTERVAL_MINUTES),
                name="collectors_of_own_interval",
            ),
            models.Index(
                fields=["key_rotation_requested_at"],
                condition=models.Q(key_rotation_requested_at__isnull=False),
                name="collectors_asked_for_a_new_key",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def generate_api_key(self) -> str:
        """Make a new key, keep its hash in this object (the caller saves it) and return the key: nothing else ever holds it."""
        key = keys.generate_key(self.pk)
        self.api_key_hash = keys.digest_of(key)
        self.api_key_proven_at = None
        return key

    def verify_api_key(self, key: str) -> bool:
        """Tell whether the key is the collector's present one, or its previous one within the overlap of a rotation."""
        if keys.matches(key, self.api_key_hash):
            return True
        return keys.matches(key, self.previous_key_hash) and self.previous_key_is_good()

    def previous_key_is_good(self) -> bool:
        """Tell whether there is a previous key that still opens anything: by the database's clock, as its end was set."""
        if not self.previous_key_hash or self.previous_key_expires_at is None:
            return bool(self.previous_key_hash)
        same = Collector.objects.filter(pk=self.pk, previous_key_hash=self.previous_key_hash)
        return same.filter(previous_key_expires_at__gt=Now()).exists()

    def asks_for_new_key(self, key_digest: str) -> bool:
        """Tell whether the agent is to make a new key, as far as the one that it signs in with may bring a new one in."""
        may_tell = self.api_key_proven_at is None or self.api_key_hash == key_digest
        return self.key_rotation_requested_at is not None and may_tell

    @property
    def ha_role(self) -> HaRole | None:
        """Return what the collector is among those of its database; None while none of them was ever heard.

        Callers that ask for many collectors select `database__lease` with them.
        """
        lease = getattr(self.database, "lease", None)
        if lease is None or lease.holder_id is None:
            return None
        return HaRole.ACTIVE if lease.holder_id == self.pk else HaRole.STANDBY

    @property
    def source_readable(self) -> bool | None:
        """Return whether the agent can read its source, as it last said; None where it has not looked yet."""
        source = self.heartbeat.source
        return source.get("readable") if isinstance(source, dict) else None

    @property
    def data_until(self) -> datetime | None:
        """Return until when everything is here that the agent has read."""
        return freshness.data_until(self.heartbeat.last_heartbeat, self.heartbeat.spool)

    def is_data_fresh(self, now: datetime) -> bool | None:
        """Tell whether the data is as new as the collector's interval lets one expect; None for one that stands by."""
        if self.ha_role is HaRole.STANDBY:
            return None
        return freshness.is_fresh(self.data_until, now=now, interval_minutes=self.collection_interval_minutes)

    def is_late(self, *, now: datetime, accepting_since: datetime | None) -> bool:
        """Tell whether the collector is overdue and not OFFLINE yet."""
        cutoff, last = _late_before(now, accepting_since), self.heartbeat.last_heartbeat
        if cutoff is None or last is None or self.heartbeat.status not in liveness.MAY_BE_LATE:
            return False
        return last < cutoff

    def is_online(self, *, now: datetime | None = None, accepting_since: datetime | None = None) -> bool:
        """Tell whether the collector was heard from within its deadline.

        Callers that ask for many collectors pass `now` and `accepting_since` (see `ControlPlane`), which are read
        otherwise.
        """
        if now is None:
            now = timezone.now()
            accepting_since = ControlPlane.objects.accepting_since()
        return liveness.is_online(
            self.heartbeat.last_heartbeat,
            status=liveness.Status(self.heartbeat.status),
            now=now,
            accepting_since=accepting_since,
            offline_after=timedelta(seconds=settings.DBPOWER_OFFLINE_AFTER_SECONDS),
        )


def _late_before(now: datetime, accepting_since: datetime | None) -> datetime | None:
    heartbeat = timedelta(seconds=settings.DBPOWER_HEARTBEAT_SECONDS)
    return liveness.late_before(now=now, accepting_since=accepting_since, heartbeat=heartbeat)
