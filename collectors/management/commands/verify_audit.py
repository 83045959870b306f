"""`manage.py verify_audit`: whether the audit is as it was sealed."""

import re
from argparse import ArgumentTypeError
from typing import Any, Final

from django.core.management import BaseCommand, CommandError, CommandParser

from collectors.services import audit_chain

_NOTED: Final = re.compile(r"(\d{1,18}):(\d{1,18}):([0-9a-f]{64})")


def noted(text: str) -> tuple[tuple[int, int], str]:
    """Return a seal that somebody noted: its chain and position, and the seal itself."""
    match = _NOTED.fullmatch(text)
    if match is None:
        raise ArgumentTypeError(f"{text!r} is not ORGANIZATION:POSITION:SEAL as this command prints it")
    return (int(match[1]), int(match[2])), match[3]


class Command(BaseCommand):
    """Go through the chain of every organization, and say what does not fit."""

    help = (
        "Check that no sealed entry of the audit was changed or removed. Prints the end of each chain: note it elsewhere, and "
        "give it back with --expect later, since whoever can write to the database could make a chain anew. Ends with 1 "
        "when something does not fit."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--expect",
            type=noted,
            action="append",
            default=[],
            metavar="ORGANIZATION:POSITION:SEAL",
            help="the end of a chain as it was printed earlier; may be given many times",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Check every chain, and print each."""
        broken = 0
        for report in audit_chain.verify(expected=dict(options["expect"])):
            broken += len(report.broken)
            chain = report.chain
            name = f"organization {chain.pk}" if chain.pk else "no organization"
            self.stdout.write(f"{name}: {chain.position} sealed, end {chain}")
            for text in report.broken:
                self.stdout.write(f"  BROKEN: {text}")
            if report.unsealed:
                oldest = report.oldest_unsealed_at
                self.stdout.write(f"  {report.unsealed} not sealed yet, the oldest of {oldest:%Y-%m-%d %H:%M:%S} UTC")
        if broken:
            raise CommandError("The audit is not as it was sealed.")
        self.stdout.write("The audit is as it was sealed.")
