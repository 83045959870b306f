"""What a person proves beside the password."""

from django.db import models
from django.db.models.functions import Now

from collectors.models.users import User


class SecondFactor(models.Model):
    """An authenticator app (TOTP, RFC 6238) of a person. It counts once a first code has confirmed it.

    `secret` is encrypted. `last_step` is the newest time step whose code was used, since each is good once.
    `recovery_hashes` are the SHA-256 of the recovery codes that were not used yet.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="second_factor")
    secret = models.TextField()
    last_step = models.BigIntegerField(default=0)
    recovery_hashes = models.JSONField(default=list)
    created_at = models.DateTimeField(db_default=Now())
    confirmed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "second_factors"

    def __str__(self) -> str:
        return f"second factor of {self.user_id}"
