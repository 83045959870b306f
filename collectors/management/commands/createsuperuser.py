"""`manage.py createsuperuser`: Django's own, with an entry in the audit."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.db import transaction

from collectors.domain.actors import Actor
from collectors.models import User
from collectors.services import audit


class Command(createsuperuser.Command):
    """Make a SUPER_ADMIN, which nobody who looks into the audit should have to guess."""

    def handle(self, *args: Any, **options: Any) -> Any:
        """Make the user as Django does, and write down who was made, in one transaction."""
        with transaction.atomic():
            newest = User.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
            said = super().handle(*args, **options)
            for user in User.objects.filter(pk__gt=newest, is_superuser=True):
                audit.record(
                    actor=Actor.system("manage.py createsuperuser"),
                    action="user.create",
                    row=user,
                    organization_id=None,
                    after={"email": user.email, "name": user.name, "is_superuser": True},
                )
        return said
