"""Normalised statements."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from collectors.models.organizations import Organization


class Fingerprint(models.Model):
    """The text of a statement without its literals. Each organization has its own rows: none learns what others run."""

    organization = models.ForeignKey(
        Organization, verbose_name=_("organization"), on_delete=models.CASCADE, related_name="fingerprints"
    )
    fingerprint_id = models.CharField(_("fingerprint"), max_length=16)
    text = models.TextField(_("text"))
    created_at = models.DateTimeField(_("created at"), db_default=Now())

    class Meta:
        db_table = "fingerprints"
        verbose_name = _("fingerprint")
        verbose_name_plural = _("fingerprints")
        constraints = [models.UniqueConstraint(fields=["organization", "fingerprint_id"], name="fingerprints_unique")]

    def __str__(self) -> str:
        return self.fingerprint_id
