"""What the control plane records about its own processes."""

from datetime import datetime
from typing import ClassVar

from django.db import models


class ControlPlaneManager(models.Manager["ControlPlane"]):
    """Reads the one row."""

    def accepting_since(self) -> datetime | None:
        """Return since when heartbeats have been accepted without a gap."""
        return self.values_list("accepting_since", flat=True).first()


class ControlPlane(models.Model):
    """The one row (id 1) in which web, worker and beat leave the time they were last seen, by the database's clock.

    `accepting_since` moves when the web was away: no collector is held to a deadline that it could not have met.
    `totals_since` is where the roll-ups of whole databases begin (`DatabaseCost`), None where there are all.
    """

    web_seen_at = models.DateTimeField(null=True)
    accepting_since = models.DateTimeField(null=True)
    worker_seen_at = models.DateTimeField(null=True)
    beat_seen_at = models.DateTimeField(null=True)
    last_sweep_at = models.DateTimeField(null=True)
    totals_since = models.DateTimeField(null=True)

    objects: ClassVar[ControlPlaneManager] = ControlPlaneManager()

    class Meta:
        db_table = "control_plane"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="control_plane_one_row")]

    def __str__(self) -> str:
        return "control plane"


class Outage(models.Model):
    """A time in which no web process said that it accepts heartbeats: nobody can have been heard then."""

    began_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    class Meta:
        db_table = "control_plane_outages"
        ordering = ["-id"]
        indexes = [models.Index(fields=["ended_at"], name="control_plane_outages_by_time")]

    def __str__(self) -> str:
        return f"{self.began_at} to {self.ended_at}"
