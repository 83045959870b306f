"""Tenants."""

from django.db import models
from django.db.models.functions import Now


class Organization(models.Model):
    """A tenant. No row of one organization is visible from another."""

    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "organizations"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
