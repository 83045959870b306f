"""Normalised statements."""

from django.db import models
from django.db.models.functions import Now

from collectors.models.organizations import Organization


class Fingerprint(models.Model):
    """The text of a statement without its literals. Each organization has its own rows: none learns what others run."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="fingerprints")
    fingerprint_id = models.CharField(max_length=16)
    text = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "fingerprints"
        constraints = [models.UniqueConstraint(fields=["organization", "fingerprint_id"], name="fingerprints_unique")]

    def __str__(self) -> str:
        return self.fingerprint_id
