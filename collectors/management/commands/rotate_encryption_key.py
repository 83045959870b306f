"""`manage.py rotate_encryption_key`: everything that rests encrypted under the newest key."""

from typing import Any

from django.core.management import BaseCommand, CommandError

from collectors.domain.actors import Actor
from collectors.services import reencryption


class Command(BaseCommand):
    """Re-encrypt what older keys encrypted, so that they can be taken out of DBPOWER_ENCRYPTION_KEYS."""

    help = (
        "Re-encrypt stored configurations and second factors with the newest key. Put the new key first in "
        "DBPOWER_ENCRYPTION_KEYS (or in secrets.json), restart, run this, then remove the old key. It can be stopped and run "
        "again at any time."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Go through all that is encrypted and say how far it is."""
        progress = reencryption.Progress(total=0)
        for progress in reencryption.reencrypt_all():
            self.stdout.write(
                f"{progress.seen} of {progress.total} secrets seen, {progress.changed} re-encrypted, "
                f"{progress.done} under the newest key already"
            )
        reencryption.record_done(progress=progress, actor=Actor.system("manage.py rotate_encryption_key"))
        problems = []
        if progress.unreadable:
            problems.append(f"No key opens what is stored of: {', '.join(progress.unreadable)}.")
        if progress.foreign:
            problems.append(f"What is stored there belongs to another row: {', '.join(progress.foreign)}.")
        if problems:
            raise CommandError(" ".join(problems))
        self.stdout.write("Done.")
