"""Who did what."""

from django.db import models
from django.db.models.functions import Now

from collectors.models.organizations import Organization


class AuditEntry(models.Model):
    """One act: who, what, on which object, from where, with the members that changed before and after. Never changed."""

    organization = models.ForeignKey(Organization, on_delete=models.SET_NULL, null=True, related_name="+")
    # Plain numbers, not references: the entry stays when the user or the object is gone.
    user_id = models.BigIntegerField(null=True)
    collector_id = models.BigIntegerField(null=True)
    actor = models.CharField(max_length=254)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40)
    object_id = models.BigIntegerField(null=True)
    object_label = models.CharField(max_length=254, blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    address = models.CharField(max_length=45, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "audit_entries"
        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["organization", "-id"], name="audit_entries_recent")]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.object_type} {self.object_id}"
