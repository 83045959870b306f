"""Who did what."""

from typing import Any

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from collectors.models.organizations import Organization


class AuditEntry(models.Model):
    """One act, or one attempt that was refused: who, what, on which object, from where, with the members that changed.

    Never changed but once, when it is sealed: it then has a `position` in the chain of its organization and a `seal`.
    """

    # The number stays when the organization is gone: it is part of what is sealed.
    organization = models.ForeignKey(
        Organization,
        verbose_name=_("organization"),
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        null=True,
        related_name="+",
    )
    # Plain numbers, not references: the entry stays when the user or the object is gone.
    user_id = models.BigIntegerField(null=True)
    collector_id = models.BigIntegerField(null=True)
    actor = models.CharField(_("actor"), max_length=254)
    action = models.CharField(_("action"), max_length=60)
    object_type = models.CharField(_("object type"), max_length=40)
    object_id = models.BigIntegerField(_("object id"), null=True)
    object_label = models.CharField(_("object label"), max_length=254, blank=True)
    before = models.JSONField(_("before"), default=dict)
    after = models.JSONField(_("after"), default=dict)
    address = models.CharField(_("address"), max_length=45, blank=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    position = models.BigIntegerField(_("position"), null=True, editable=False)
    seal = models.CharField(_("seal"), max_length=64, blank=True, default="", editable=False)

    class Meta:
        db_table = "audit_entries"
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["organization", "-id"], name="audit_entries_recent"),
            models.Index(fields=["organization", "position"], name="audit_entries_chain"),
            models.Index(fields=["object_type", "object_id", "-id"], name="audit_entries_of_object"),
            models.Index(fields=["user_id", "-id"], name="audit_entries_of_user"),
            models.Index(fields=["created_at"], name="audit_entries_by_time"),
            models.Index(
                fields=["organization", "id"], condition=models.Q(position__isnull=True), name="audit_entries_unsealed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.object_type} {self.object_id}"

    def content(self) -> dict[str, Any]:
        """Return what its seal is made of."""
        return {
            "id": self.pk,
            "organization_id": self.organization_id,
            "user_id": self.user_id,
            "collector_id": self.collector_id,
            "actor": self.actor,
            "action": self.action,
            "object_type": self.object_type,
            "object_id": self.object_id,
            "object_label": self.object_label,
            "before": self.before,
            "after": self.after,
            "address": self.address,
            "created_at": self.created_at.isoformat(),
        }


class AuditChain(models.Model):
    """The end of the chain of one organization (0: of what belongs to none), and the lock under which it grows."""

    organization_id = models.BigIntegerField(primary_key=True)
    position = models.BigIntegerField(default=0)
    seal = models.CharField(max_length=64)

    class Meta:
        db_table = "audit_chains"

    def __str__(self) -> str:
        return f"{self.organization_id}:{self.position}:{self.seal}"
