"""Attempts to sign in, counted so that guessing passwords ends early."""

from django.db import models
from django.db.models.functions import Now


class LoginThrottle(models.Model):
    """Attempts of one account, of one network, or of one account from one network, since the count began.

    `key` is a keyed hash: whatever somebody typed as an address, a password by mistake too, is not stored. `known_until` says
    until when the account counts as one that signs in from the network.
    """

    key = models.CharField(max_length=64, primary_key=True)
    attempts = models.PositiveIntegerField(default=0)
    ends_at = models.DateTimeField()
    known_until = models.DateTimeField(default=None, null=True)

    class Meta:
        db_table = "login_throttles"
        indexes = [models.Index(fields=["ends_at"], name="login_throttles_end")]

    def __str__(self) -> str:
        return f"{self.key[:8]} {self.attempts}"

    @classmethod
    def forget(cls) -> int:
        """Remove what no longer says anything; return how many rows went."""
        unknown = models.Q(known_until=None) | models.Q(known_until__lte=Now())
        return cls.objects.filter(unknown, ends_at__lte=Now()).delete()[0]
