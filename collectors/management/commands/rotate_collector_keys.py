"""`manage.py rotate_collector_keys`: new keys for one collector or many."""

import json
from datetime import timedelta
from typing import Any, Final

from django.core.management import BaseCommand, CommandError
from django.core.management.base import CommandParser
from django.db.models import QuerySet
from django.db.models.functions import Now

from collectors.domain import limits
from collectors.domain.actors import Actor
from collectors.models import Collector
from collectors.services.collector_keys import request_rotation
from collectors.services.collectors import rotate_key
from collectors.services.errors import Conflict

_MAX_OVERLAP_HOURS: Final = 24 * 365
_MAX_DAYS: Final = 36_500


class Command(BaseCommand):
    """Rotate keys with overlap: the key before stays good for a while, so that agents can be changed over."""

    help = "Give collectors new keys. The present ones stay good during the overlap. Keys are printed only with --show-keys."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options; at least one must select collectors."""
        parser.add_argument("--collector", type=int, metavar="ID", help="this collector")
        parser.add_argument("--team", type=int, metavar="ID", help="all collectors of this team")
        parser.add_argument("--organization", type=int, metavar="ID", help="all collectors of this organization")
        parser.add_argument("--all", action="store_true", help="all collectors")
        parser.add_argument("--older-than", type=int, metavar="DAYS", help="only those whose key is older")
        parser.add_argument(
            "--overlap-hours", type=float, default=limits.KEY_OVERLAP_HOURS, help="default: %(default)s"
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would be rotated")
        parser.add_argument(
            "--by-agent", action="store_true", help="ask the agents to make their keys themselves; nobody sees them"
        )
        parser.add_argument(
            "--show-keys", action="store_true", help="print the new keys, one JSON object a line, to standard output"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate the selected collectors' keys."""
        if not 0 <= options["overlap_hours"] <= _MAX_OVERLAP_HOURS:
            raise CommandError(f"--overlap-hours is a number from 0 to {_MAX_OVERLAP_HOURS}.")
        collectors = self._selected(options).order_by("pk")
        if not collectors.exists():
            raise CommandError("No collector is selected by these options.")
        if not (options["dry_run"] or options["show_keys"] or options["by_agent"]):
            raise CommandError(
                "A new key can be seen only here and now: add --show-keys, or --by-agent, or --dry-run to look first."
            )
        if options["show_keys"] and options["by_agent"]:
            raise CommandError("--show-keys and --by-agent exclude each other: nobody sees a key that an agent makes.")
        selected = list(collectors)
        for number, collector in enumerate(selected, 1):
            try:
                said = self._rotated(collector, options)
            except (Collector.DoesNotExist, Conflict) as reason:
                why = reason if isinstance(reason, Conflict) else "It was removed meanwhile."
                self.stderr.write(f"left out collector {collector.pk} ({collector.name}): {why}")
            else:
                self.stdout.write(said)
                self.stdout.flush()
            if not options["dry_run"]:
                self.stderr.write(f"{number} of {len(selected)} collectors done")

    def _rotated(self, collector: Collector, options: dict[str, Any]) -> str:
        """Rotate one collector's key as the options say; return what is to be printed."""
        if options["dry_run"]:
            if options["by_agent"] and not collector.api_key_hash:
                raise Conflict("It has no key: make one by hand.", code="no_key")
            return f"would rotate collector {collector.pk} ({collector.name})"
        actor = Actor.system("manage.py rotate_collector_keys")
        if options["by_agent"]:
            request_rotation(collector=collector, actor=actor)
            return f"asked the agent of collector {collector.pk} ({collector.name}) for a new key"
        overlap = timedelta(hours=options["overlap_hours"])
        rotated = rotate_key(collector=collector, actor=actor, overlap=overlap)
        return json.dumps({"collector_id": collector.pk, "api_key": rotated.api_key})

    def _selected(self, options: dict[str, Any]) -> QuerySet[Collector]:
        selections = {
            "pk": options["collector"],
            "team_id": options["team"],
            "organization_id": options["organization"],
        }
        given = {lookup: value for lookup, value in selections.items() if value is not None}
        if not given and not options["all"] and options["older_than"] is None:
            raise CommandError("Say which: --collector, --team, --organization, --older-than or --all.")
        collectors = Collector.objects.filter(**given)
        if options["older_than"] is not None:
            if not 0 <= options["older_than"] <= _MAX_DAYS:
                raise CommandError(f"--older-than is a number of days from 0 to {_MAX_DAYS}.")
            collectors = collectors.filter(api_key_created_at__lt=Now() - timedelta(days=options["older_than"]))
        return collectors
