"""`manage.py createsuperuser`: Django's own, with an entry in the audit."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.db.models.signals import post_save

from collectors.domain.actors import Actor
from collectors.models import User
from collectors.services import audit


class Command(createsuperuser.Command):
    """Make a SUPER_ADMIN, which nobody who looks into the audit should have to guess."""

    def handle(self, *args: Any, **options: Any) -> Any:
        """Make the user as Django does; who was made is written down in the transaction that makes the user.

        It begins behind the last question: on SQLite nobody else could write while somebody types.
        """
        post_save.connect(_record, sender=User)
        try:
            return super().handle(*args, **options)
        finally:
            post_save.disconnect(_record, sender=User)


def _record(instance: User, **_: Any) -> None:
    audit.record(
        actor=Actor.system("manage.py createsuperuser"),
        action="user.create",
        row=instance,
        organization_id=None,
        after={"email": instance.email, "name": instance.name, "is_superuser": True},
    )
