"""How much collectors collect."""

from typing import ClassVar

from django.db import models

from collectors.models.collectors import Collector


class QueryRate(models.Model):
    """A collector's total at one of its collections, and what it came to per minute since the one kept before.

    Apart from the heartbeat, whose statement it would make longer: this row is written every ten minutes at most
    (`services.query_rates`). `per_minute` is an average from `since` to `collected_at`; null until there are two totals.
    """

    collector = models.OneToOneField(Collector, on_delete=models.CASCADE, primary_key=True, related_name="query_rate")
    organization_id = models.BigIntegerField()
    queries = models.BigIntegerField()
    collected_at = models.DateTimeField()
    since = models.DateTimeField(null=True)
    per_minute = models.FloatField(null=True)

    objects: ClassVar[models.Manager["QueryRate"]] = models.Manager()

    class Meta:
        db_table = "collector_query_rates"

    def __str__(self) -> str:
        return f"{self.per_minute}"
