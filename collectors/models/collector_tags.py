"""Labels that people put on collectors."""

from typing import ClassVar

from django.db import models

from collectors.domain import limits
from collectors.models.collectors import Collector


class CollectorTag(models.Model):
    """One tag of one collector, as `domain.labels` writes it."""

    collector = models.ForeignKey(Collector, on_delete=models.CASCADE, related_name="tags")
    organization_id = models.BigIntegerField()
    tag = models.CharField(max_length=limits.MAX_LABEL_CHARACTERS)

    objects: ClassVar[models.Manager["CollectorTag"]] = models.Manager()

    class Meta:
        db_table = "collector_tags"
        ordering = ["tag"]
        constraints = [models.UniqueConstraint(fields=["collector", "tag"], name="collector_tags_once")]
        # For the list of one tag's collectors, and for the tags that an organization has.
        indexes = [
            models.Index(fields=["organization_id", "tag"], name="collector_tags_of_organization"),
            models.Index(fields=["tag"], name="collector_tags_by_tag"),
        ]

    def __str__(self) -> str:
        return self.tag
