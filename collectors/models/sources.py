"""How far each source has been read. Rows of these tables are the locks under which uploads are applied."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from collectors.domain.sources import Source
from collectors.models.collectors import Collector
from collectors.models.databases import MonitoredDatabase

_SOURCES = [(source.value, source.value) for source in Source]


class LogCursor(models.Model):
    """How far one generation of a database's slow log has been taken: the next position, and the last taken row's hash."""

    organization_id = models.BigIntegerField()
    database = models.ForeignKey(MonitoredDatabase, on_delete=models.CASCADE, related_name="log_cursors")
    generation = models.CharField(max_length=64)
    position = models.BigIntegerField(default=0)
    row_hash = models.CharField(max_length=64, null=True)
    moved_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "log_cursors"
        constraints = [models.UniqueConstraint(fields=["database", "generation"], name="log_cursors_unique")]

    def __str__(self) -> str:
        return f"{self.generation[:8]}:{self.position}"


class SnapshotBaseline(models.Model):
    """The last snapshot that was applied, per generation of a source: what the next one is compared with.

    `rows` is the compressed snapshot: it is always read and replaced whole, so a key that the source lost loses its
    baseline by itself.
    """

    organization_id = models.BigIntegerField()
    database = models.ForeignKey(MonitoredDatabase, on_delete=models.CASCADE, related_name="baselines")
    source = models.CharField(max_length=20, choices=_SOURCES)
    server_id = models.CharField(max_length=100)
    generation = models.CharField(max_length=200)
    epoch = models.BigIntegerField()
    seq = models.BigIntegerField()
    taken_at = models.DateTimeField()
    rows = models.BinaryField()
    # What an audit begins from (see domain.audits), and the time from which on everything stored is compared.
    opening = models.BinaryField(null=True)
    opened_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "snapshot_baselines"
        constraints = [
            models.UniqueConstraint(fields=["database", "source", "generation"], name="snapshot_baselines_unique")
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.epoch}.{self.seq}"


class SnapshotPart(models.Model):
    """One part of a snapshot that waits for the others."""

    organization_id = models.BigIntegerField()
    database = models.ForeignKey(MonitoredDatabase, on_delete=models.CASCADE, related_name="+")
    snapshot_id = models.CharField(max_length=32)
    part = models.PositiveSmallIntegerField()
    rows = models.BinaryField()
    received_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[models.Manager["SnapshotPart"]] = models.Manager()

    class Meta:
        db_table = "snapshot_parts"
        constraints = [
            models.UniqueConstraint(fields=["database", "snapshot_id", "part"], name="snapshot_parts_unique")
        ]

    def __str__(self) -> str:
        return f"{self.snapshot_id[:8]}/{self.part}"


class ReceivedUpload(models.Model):
    """An upload without a cursor, remembered for some days so that the same one sent twice counts once."""

    organization_id = models.BigIntegerField()
    collector = models.ForeignKey(Collector, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64)
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "received_uploads"
        constraints = [models.UniqueConstraint(fields=["collector", "digest"], name="received_uploads_unique")]
        indexes = [models.Index(fields=["received_at"], name="received_uploads_age")]

    def __str__(self) -> str:
        return self.digest[:8]
