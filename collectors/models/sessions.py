"""Logins of people through the API."""

from django.db import models
from django.db.models.functions import Now

from collectors.models.users import User


class LoginSession(models.Model):
    """One login and all tokens that follow from it: access and refresh tokens name it, and end with it.

    `refresh_id` is the only refresh token that is still good. One that was used before ends the session, since then two
    parties hold it.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="login_sessions")
    refresh_id = models.CharField(max_length=32)
    # The person's session hash when the login was opened: a new password, by whatever way, makes it another one.
    auth_hash = models.CharField(max_length=64, default="")
    # Whether the second factor was proven: without it the login is good only as long as nobody asks for one.
    second_factor = models.BooleanField(default=False)
    address = models.CharField(max_length=45, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "login_sessions"
        indexes = [models.Index(fields=["expires_at"], name="login_sessions_expiry")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.created_at:%Y-%m-%d %H:%M}"
