"""Each collector's one hot row."""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from collectors.domain import limits
from collectors.domain.keys import mark_of
from collectors.domain.liveness import Status
from collectors.models.collectors import Collector


def clock_is_wrong(path: str = "") -> models.Q:
    """Return the condition of hosts whose clocks are wrong; `path` leads to the heartbeat. What is known of OFFLINE ones is old."""
    far = models.Q(**{f"{path}clock_skew_seconds__gt": limits.CLOCK_SKEW_SECONDS})
    far |= models.Q(**{f"{path}clock_skew_seconds__lt": -limits.CLOCK_SKEW_SECONDS})
    return far & ~models.Q(**{f"{path}status": Status.OFFLINE})


class Heartbeat(models.Model):
    """The last report of a collector's agent, with the status that follows from it.

    Kept apart from the collector so that the write that comes every few seconds is narrow, and together with the
    status so that a flip's condition reads this one row. No index on what a heartbeat writes: on PostgreSQL such an
    update stays within its page.
    """

    collector = models.OneToOneField(Collector, on_delete=models.CASCADE, primary_key=True, related_name="heartbeat")
    organization_id = models.BigIntegerField()
    status = models.CharField(
        _("status"), max_length=10, default=Status.STARTING, choices=[(s.value, s.value) for s in Status]
    )
    last_heartbeat = models.DateTimeField(_("last heartbeat"), null=True)
    # From when on a first heartbeat, or one after an accepted start, is waited for.
    starting_since = models.DateTimeField(db_default=Now())
    # The agent process that reported last, the one before it, and the epoch that uploads carry.
    instance = models.CharField(max_length=32, blank=True)
    previous_instance = models.CharField(max_length=32, blank=True)
    epoch = models.BigIntegerField(default=0)
    instance_since = models.DateTimeField(null=True)
    # Where the last heartbeat came from.
    address = models.CharField(max_length=45, blank=True)
    # When a second agent with the same key was last noticed, and the address of the one that is told to wait.
    duplicate_seen_at = models.DateTimeField(null=True)
    duplicate_address = models.CharField(max_length=45, blank=True)
    # The key that was used last and the one used before it (see `keys.mark_of`): each with its last use.
    key_mark = models.CharField(max_length=16, blank=True)
    key_used_at = models.DateTimeField(null=True)
    key_address = models.CharField(max_length=45, blank=True)
    other_key_mark = models.CharField(max_length=16, blank=True)
    other_key_used_at = models.DateTimeField(null=True)
    other_key_address = models.CharField(max_length=45, blank=True)
    version = models.CharField(_("version"), max_length=32, blank=True)
    config_version = models.PositiveIntegerField(null=True)
    # Totals over all agent processes, and what the present process last reported of its own.
    queries_collected = models.BigIntegerField(_("queries collected"), default=0)
    errors_count = models.BigIntegerField(_("errors count"), default=0)
    reported_queries = models.BigIntegerField(default=0)
    reported_errors = models.BigIntegerField(default=0)
    uptime_seconds = models.BigIntegerField(default=0)
    # By how much the clock of the agent's host was ahead of the server's as the last heartbeat came, in seconds: less the
    # time that its request took. None where it did not say.
    clock_skew_seconds = models.FloatField(_("clock skew"), null=True)
    last_collection = models.DateTimeField(_("last collection"), null=True)
    last_error = models.TextField(_("last error"), blank=True)
    last_error_at = models.DateTimeField(null=True)
    # What the agent says of its source and its spool, as it came.
    source = models.JSONField(null=True)
    spool = models.JSONField(null=True)
    stopping = models.BooleanField(default=False)

    objects: ClassVar[models.Manager["Heartbeat"]] = models.Manager()

    class Meta:
        db_table = "collector_heartbeats"
        verbose_name = _("heartbeat")
        verbose_name_plural = _("heartbeats")
        # The few that are not well, among very many. A heartbeat that changes no status writes nothing that is in here, so
        # it still stays within its page; only flips touch it.
        indexes = [
            models.Index(
                fields=["status"],
                condition=models.Q(status__in=[s.value for s in Status if s is not Status.ONLINE]),
                name="collector_heartbeats_unwell",
            )
        ]

    def __str__(self) -> str:
        return f"{self.status}"

    def use_of(self, key_hash: str) -> tuple[datetime | None, str]:
        """Return when the key of that hash was last used, to the minute, and from which address; None if it never was."""
        mark = mark_of(key_hash)
        if mark and mark == self.key_mark:
            return self.key_used_at, self.key_address
        if mark and mark == self.other_key_mark:
            return self.other_key_used_at, self.other_key_address
        return None, ""
