"""Tokens that people make for their scripts."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from collectors.models.users import User


class PersonalToken(models.Model):
    """A credential of a person with some of the person's rights, until it expires or is revoked. Only its hash is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="personal_tokens")
    name = models.CharField(_("name"), max_length=200)
    token_hash = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(_("scopes"), default=list)
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    expires_at = models.DateTimeField(_("expires at"))
    last_used_at = models.DateTimeField(_("last used at"), null=True)
    last_used_address = models.CharField(_("last used address"), max_length=45, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True)

    class Meta:
        db_table = "personal_tokens"
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name
