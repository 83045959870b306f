"""`manage.py sweep`: one pass over deadlines, by hand."""

from typing import Any

from django.core.management import BaseCommand

from collectors.services import sweep


class Command(BaseCommand):
    """Do what the beat does every thirty seconds, once."""

    help = "Flag collectors that missed their deadline and expire commands, once."

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep and say what changed."""
        swept = sweep.sweep()
        self.stdout.write(f"{swept.offline} collectors are OFFLINE now, {swept.expired_commands} commands expired.")
