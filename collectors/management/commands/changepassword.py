"""`manage.py changepassword`: Django's own, with an entry in the audit."""

from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.db import transaction

from collectors.domain.actors import Actor
from collectors.models import User
from collectors.services import audit


class Command(changepassword.Command):
    """Set somebody's password; all logins of theirs end with the old one."""

    def handle(self, *args: Any, **options: Any) -> Any:
        """Ask for it as Django does, and write down whose it was, in one transaction."""
        options["username"] = User.objects.normalize_email(options["username"])
        with transaction.atomic():
            said = super().handle(*args, **options)
            audit.record(
                actor=Actor.system("manage.py changepassword"),
                action="user.change",
                row=User.objects.get_by_natural_key(options["username"]),
                organization_id=None,
                after={"password": "changed"},
            )
        return said
