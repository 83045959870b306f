"""`manage.py reset_second_factor`: let somebody in who lost the device and the recovery codes."""

from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from collectors.domain.actors import Actor
from collectors.models import User
from collectors.services import second_factors


class Command(BaseCommand):
    """Take a person's second factor away; every login of theirs ends."""

    help = "Take the second factor of a person away, who lost the device and the recovery codes. All their logins end."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the address."""
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        """Take it away and say so."""
        try:
            user = User.objects.get_by_natural_key(options["email"])
        except User.DoesNotExist as error:
            raise CommandError(f"Nobody has the address {options['email']}.") from error
        if not second_factors.reset(user=user, actor=Actor.system("manage.py reset_second_factor")):
            raise CommandError(f"{user.email} has no second factor.")
        self.stdout.write(f"{user.email} signs in with the password alone, or sets a new one up where it is asked for.")
