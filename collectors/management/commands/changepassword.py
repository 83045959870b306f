"""`manage.py changepassword`: in the place of Django's own, with everything that a new password ends."""

import getpass
from typing import Any, Final

from django.core.management import BaseCommand, CommandError, CommandParser

from collectors.domain.actors import Actor
from collectors.models import User
from collectors.services import people
from collectors.services.errors import Refused

_TRIES: Final = 3


class Command(BaseCommand):
    """Set somebody's password; logins, personal tokens, and what they made that lets others in, end with the old one."""

    help = "Set somebody's password. All their logins and personal tokens end, and open invitations and enrolment tokens of theirs."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the address."""
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> str:
        """Ask for it and set it. Nothing is locked while somebody types: on SQLite nobody else could write."""
        try:
            user = User.objects.get_by_natural_key(options["email"])
        except User.DoesNotExist as error:
            raise CommandError(f"Nobody has the address {options['email']}.") from error
        self.stdout.write(f"Changing the password of {user}")
        for _ in range(_TRIES):
            password = getpass.getpass("Password: ")
            if password != getpass.getpass("Password (again): "):
                self.stdout.write("Passwords do not match. Please try again.")
                continue
            try:
                people.change_user(
                    user=user, changes={"password": password}, actor=Actor.system("manage.py changepassword")
                )
            except Refused as refusal:
                self.stderr.write("\n".join(refusal.errors["password"]))
            else:
                return f"The password of {user} was changed. All their logins and personal tokens have ended."
        raise CommandError(f"The password of {user} stays as it was after {_TRIES} attempts.")
