"""What people write down about statements."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from collectors.domain import limits
from collectors.models.fingerprints import Fingerprint
from collectors.models.users import User


class FingerprintNote(models.Model):
    """A note on a statement of an organization: whoever may see the statement reads it. `author_label` outlives the author."""

    organization_id = models.BigIntegerField()
    fingerprint = models.ForeignKey(Fingerprint, on_delete=models.CASCADE, related_name="notes")
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    author_label = models.CharField(max_length=254)
    text = models.CharField(_("text"), max_length=limits.MAX_NOTE_CHARACTERS)
    created_at = models.DateTimeField(_("created at"), db_default=Now())

    class Meta:
        db_table = "fingerprint_notes"
        verbose_name = _("note")
        verbose_name_plural = _("notes")
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.text[:80]


class FingerprintTag(models.Model):
    """A label on a statement of an organization, in lower case."""

    organization_id = models.BigIntegerField()
    fingerprint = models.ForeignKey(Fingerprint, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(_("name"), max_length=limits.MAX_TAG_CHARACTERS)

    class Meta:
        db_table = "fingerprint_tags"
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["fingerprint", "name"], name="fingerprint_tags_unique")]
        indexes = [models.Index(fields=["organization_id", "name"], name="fingerprint_tags_by_name")]

    def __str__(self) -> str:
        return self.name
