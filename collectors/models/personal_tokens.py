"""Tokens that people make for their scripts."""

from django.db import models
from django.db.models.functions import Now

from collectors.models.users import User


class PersonalToken(models.Model):
    """A credential of a person with some of the person's rights, until it expires or is revoked. Only its hash is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="personal_tokens")
    name = models.CharField(max_length=200)
    token_hash = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    last_used_address = models.CharField(max_length=45, blank=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "personal_tokens"
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name
