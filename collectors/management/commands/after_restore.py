"""`manage.py after_restore`: what a backup brought back and should have stayed dead, ended."""

from dataclasses import asdict
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from collectors.domain.actors import Actor
from collectors.services import restores
from collectors.services.errors import Refused


class Command(BaseCommand):
    """End old commands, logins, tokens and keys; agents make themselves new keys."""

    help = (
        "Run this after a backup was restored, before web, worker and beat are started: commands of then are cancelled, all "
        "logins, personal tokens, enrolment tokens and invitations end, and agents are asked for new keys."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--revoke-keys-of",
            type=int,
            nargs="+",
            default=[],
            metavar="ID",
            help="collectors whose keys were revoked, or that were deleted, since the backup: their keys end now",
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it and say what was done."""
        try:
            ended = restores.end_what_a_backup_brought_back(
                actor=Actor.system("manage.py after_restore"),
                revoke_keys_of=options["revoke_keys_of"],
                dry_run=options["dry_run"],
            )
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        for what, count in asdict(ended).items():
            self.stdout.write(f"{count:>7} {what.replace('_', ' ')}")
        self.stdout.write("Nothing was changed." if options["dry_run"] else "Done. Start web, worker and beat now.")
