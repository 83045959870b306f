"""People who sign in."""

from collections.abc import Iterator
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models, transaction
from django.db.models.functions import Lower, Now
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from collectors.domain.roles import Permission


class UserManager(BaseUserManager["User"]):
    """Makes users; an e-mail address is stored in lower case, so that nobody has two accounts by its spelling."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user. Without a password nobody can sign in as the user until one is set."""
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    @transaction.atomic
    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a SUPER_ADMIN; `manage.py createsuperuser` calls this, and writes the audit as the user is saved."""
        return self.create_user(email, password, **{**fields, "is_superuser": True})

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user who signs in by that address, in whatever letter case."""
        return self.get(email=self.normalize_email(username))

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """Return the address as it is stored."""
        return (email or "").strip().lower()


class User(AbstractBaseUser):
    """A person. What the person may do is said by memberships, except for a SUPER_ADMIN (`is_superuser`), who may do all."""

    email = models.EmailField(_("e-mail address"), max_length=254, unique=True)
    name = models.CharField(_("name"), max_length=200, blank=True)
    is_active = models.BooleanField(_("active"), default=True, help_text=_("Whoever is not active cannot sign in."))
    is_superuser = models.BooleanField("SUPER_ADMIN", default=False)
    # What the console speaks, and where its clocks stand; empty: as the browser says.
    language = models.CharField(_("language"), max_length=10, blank=True, default="", db_default="", editable=False)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True, default="", db_default="", editable=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    # Raised to end all logins: what a login was opened with no longer fits.
    login_version = models.PositiveIntegerField(default=0, editable=False)

    # What a personal token permits, where one was used to sign in for this request; all that the person may when None.
    limited_to: frozenset[Permission] | None = None

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        db_table = "users"
        verbose_name = _("user")
        verbose_name_plural = _("users")
        ordering = ["email"]
        # The spelling in which it is unique is the one that is stored.
        constraints = [models.CheckConstraint(condition=models.Q(email=Lower("email")), name="users_email_lower_case")]

    def __str__(self) -> str:
        return self.email

    @property
    def is_staff(self) -> bool:
        """Whether the admin lets the user in: everyone who belongs somewhere; what each sees there is scoped."""
        return self.is_superuser or self.memberships.exists()

    def get_session_auth_hash(self) -> str:
        """Return what logins are opened with: another one after a new password, and once all logins were ended."""
        return self._login_hash()

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        """Return the same for former secret keys."""
        for secret in settings.SECRET_KEY_FALLBACKS:
            yield self._login_hash(secret)

    def _login_hash(self, secret: str | bytes | None = None) -> str:
        state = f"{self.login_version} {self.password}"
        return salted_hmac("dbpower.login", state, secret=secret, algorithm="sha256").hexdigest()

    def has_perm(self, perm: str, obj: object = None) -> bool:  # noqa: ARG002 - Django's signature
        """Tell whether the user has one of Django's own permissions; ours are asked for in `collectors.access`."""
        return self.is_active and self.is_superuser

    def has_module_perms(self, app_label: str) -> bool:
        """Tell whether the admin shows the app at all."""
        return self.is_active and (self.is_superuser or app_label == "collectors")
