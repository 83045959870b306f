"""Installed agents, as the control plane knows them."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

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
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    heartbeat: "Heartbeat"

    class Meta:
        db_table = "collectors"
        verbose_name = _("collector")
        verbose_name_plural = _("collectors")
        ordering = ["name", "id"]
        indexes = [models.Index(fields=["name", "id"], name="collectors_by_name")]

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
        """Tell whether there is a previous key that still opens anything."""
        expires_at = self.previous_key_expires_at
        return bool(self.previous_key_hash) and (expires_at is None or timezone.now() < expires_at)

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
