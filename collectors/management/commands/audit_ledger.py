"""`manage.py audit_ledger`: what is stored of a database, compared with what its live server says."""

import json
import sys
import time
from typing import Any, Final

from django.core.management import BaseCommand, CommandError
from django.core.management.base import CommandParser

from collectors.domain.actors import Actor
from collectors.domain.commands import CommandState
from collectors.models import Command as Asked
from collectors.models import Gap, LedgerAudit, MonitoredDatabase
from collectors.models.completeness import GapKind
from collectors.services import ledger_audits, queries
from collectors.services.errors import Conflict

_DIFFERENT: Final = 1
_NOT_COMPARED: Final = 2
_POLL_SECONDS: Final = 0.2
_NAME_CHARACTERS: Final = 70


class Command(BaseCommand):
    """Ask the agent for the live numbers and print the difference of each statement."""

    help = (
        "Compare the numbers stored of a database with those of its live server, read by its agent. "
        "Ends with 0 when they are equal, with 1 when they differ, with 2 when they could not be compared."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--database", type=int, required=True, metavar="ID", help="the monitored database")
        parser.add_argument(
            "--timeout", type=float, default=120, help="seconds to wait for the agent (default: %(default)s)"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare, and print what was found."""
        database = MonitoredDatabase.objects.filter(pk=options["database"]).first()
        if database is None:
            raise CommandError("There is no such database.", returncode=_NOT_COMPARED)
        try:
            command = ledger_audits.request_audit(database=database, actor=Actor.system("manage.py audit_ledger"))
        except Conflict as conflict:
            raise CommandError(str(conflict), returncode=_NOT_COMPARED) from conflict
        self._wait(command, options["timeout"])
        audits = list(LedgerAudit.objects.filter(command=command).order_by("pk"))
        if not audits:
            raise CommandError("The agent sent nothing that could be compared. Try again.", returncode=_NOT_COMPARED)
        expired = self._expired(database, audits)
        if options["json"]:
            self.stdout.write(json.dumps({"audits": [_as_dict(audit) for audit in audits], "expired_calls": expired}))
        else:
            self._print(audits, expired)
        if not all(_explained(audit, expired) for audit in audits):
            sys.exit(_DIFFERENT)

    def _wait(self, command: Asked, seconds: float) -> None:
        self.stderr.write(f"collector {command.collector_id} is asked to read the server ...")
        deadline, told = time.monotonic() + seconds, command.state
        while time.monotonic() < deadline:
            command.refresh_from_db()
            if command.state != told:
                told = command.state
                self.stderr.write(f"the command was {told}")
            if command.state == CommandState.SUCCEEDED:
                return
            if command.ended_at is not None:
                why = (command.result or {}).get("detail") or (command.result or {}).get("code") or command.state
                raise CommandError(f"The agent could not do it: {why}.", returncode=_NOT_COMPARED)
            time.sleep(_POLL_SECONDS)
        raise CommandError(f"The agent did not answer within {seconds:.0f} s.", returncode=_NOT_COMPARED)

    def _expired(self, database: MonitoredDatabase, audits: list[LedgerAudit]) -> int:
        """Return how many calls came too late to be stored: all else that is missing is missing from the live numbers too."""
        since = min(audit.since for audit in audits)
        gaps = queries.gaps_between(
            gaps=Gap.objects.filter(database=database, kind=GapKind.EXPIRED), since=None, until=None
        )
        return sum(gap.amount or 0 for gap in gaps if gap.created_at >= since)

    def _print(self, audits: list[LedgerAudit], expired: int) -> None:
        for audit in audits:
            self.stdout.write(
                f"{audit.source} since {audit.since:%Y-%m-%d %H:%M} UTC: {audit.statements - audit.differing:,} of "
                f"{audit.statements:,} statements agree; calls: {audit.counted_calls:,} on the server, {audit.stored_calls:,} stored"
            )
            if not audit.worst:
                continue
            self.stdout.write(
                f"  {'calls':>12} {'milliseconds':>16} {'rows':>12}  stored beyond the server's own, by statement"
            )
            for one in audit.worst:
                calls, time_ns, rows = (
                    one["stored"][name] - one["counted"][name] for name in ("calls", "total_time_ns", "rows")
                )
                name = (one["fingerprint"] or one["key"])[:_NAME_CHARACTERS]
                self.stdout.write(f"  {calls:>+12,} {time_ns / 1e6:>+16,.3f} {rows:>+12,}  {name}")
            if audit.differing > len(audit.worst):
                self.stdout.write(f"  and {audit.differing - len(audit.worst):,} more")
        if expired:
            self.stdout.write(f"{expired:,} calls came past their retention and were not stored.")


def _explained(audit: LedgerAudit, expired: int) -> bool:
    """Tell whether all agree, or differ by no more than the calls that came past their retention."""
    missing = audit.counted_calls - audit.stored_calls
    none_above = all(one["stored"]["calls"] < one["counted"]["calls"] for one in audit.worst)
    return not audit.differing or (none_above and 0 < missing <= expired)


def _as_dict(audit: LedgerAudit) -> dict[str, Any]:
    names = ("source", "statements", "differing", "counted_calls", "stored_calls", "worst")
    return {**{name: getattr(audit, name) for name in names}, "since": audit.since.isoformat()}
