"""What has to end after a backup was restored: everything in it that may have been revoked, used or ended since it was made.

A database cannot know what happened after its backup. So what can be made anew is ended, and what cannot, the collector keys,
gets a short life: the agents make new ones. A key that was revoked since looks like a good one here; whoever knows of such says
which (`revoke_keys_of`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Least, Now

from collectors.domain.actors import Actor
from collectors.domain.commands import CommandState
from collectors.models import (
    Collector,
    Command,
    EnrolmentToken,
    Invitation,
    LoginSession,
    PersonalToken,
    User,
)
from collectors.services import audit, collector_keys
from collectors.services.errors import Refused

# More changes of one connection than anybody makes between a backup and its restore.
_VERSIONS_AHEAD: Final = 100_000
_LAST_VERSION: Final = 2**31 - 1
# Numbers of rows that were made since the backup are known outside: agents answer for the commands they have carried out, and
# a token names its login. They are not given again.
_NUMBERED_OUTSIDE: Final = (Command, LoginSession)
_NUMBERS_LEFT_OUT: Final = 1_000_000


@dataclass(frozen=True)
class Ended:
    """How much of each was ended or asked for."""

    commands_cancelled: int
    logins_ended: int
    personal_tokens_revoked: int
    enrolment_tokens_revoked: int
    invitations_revoked: int
    previous_keys_ended: int
    keys_revoked: int
    rotations_asked_for: int
    configurations_renumbered: int


@transaction.atomic
def end_what_a_backup_brought_back(
    *, actor: Actor, revoke_keys_of: Collection[int] = (), dry_run: bool = False
) -> Ended:
    """End it, in one transaction, which a dry run takes back. Raises `Refused` for a collector that does not exist.

    To be called before web, worker and beat run.
    """
    _require_collectors(revoke_keys_of)
    logins = _end_logins()
    for collector in Collector.objects.filter(pk__in=revoke_keys_of):
        collector_keys.revoke(collector=collector, actor=actor)
    ended = Ended(
        commands_cancelled=Command.objects.all().open().update(state=CommandState.CANCELLED, ended_at=Now()),
        logins_ended=logins,
        personal_tokens_revoked=PersonalToken.objects.filter(revoked_at=None).update(revoked_at=Now()),
        enrolment_tokens_revoked=EnrolmentToken.objects.filter(revoked_at=None).update(revoked_at=Now()),
        invitations_revoked=Invitation.objects.open().update(revoked_at=Now()),
        previous_keys_ended=_end_previous_keys(),
        keys_revoked=len(set(revoke_keys_of)),
        rotations_asked_for=_ask_for_rotations(actor),
        configurations_renumbered=Collector.objects.update(
            config_version=Least(F("config_version"), Value(_LAST_VERSION - _VERSIONS_AHEAD)) + _VERSIONS_AHEAD
        ),
    )
    audit.record(
        actor=actor, action="restore.clean_up", object_type="control_plane", organization_id=None, after=vars(ended)
    )
    if dry_run:
        transaction.set_rollback(True)
    else:
        _leave_numbers_out()
    return ended


def _require_collectors(numbers: Collection[int]) -> None:
    known = set(Collector.objects.filter(pk__in=numbers).values_list("pk", flat=True))
    if unknown := sorted(set(numbers) - known):
        raise Refused(f"There is no collector {', '.join(map(str, unknown))} in this database.", code="invalid")


def _end_logins() -> int:
    """End every login, in API and console."""
    ended: int = LoginSession.objects.all().delete()[0] + Session.objects.all().delete()[0]
    User.objects.update(login_version=F("login_version") + 1)
    return ended


def _end_previous_keys() -> int:
    """End the keys before the last rotation, but for those whose successor was never used: agents may have nothing else."""
    ended = Q(api_key_proven_at__isnull=False) | Q(previous_key_expires_at__lte=Now())
    return (
        Collector.objects.filter(ended)
        .exclude(previous_key_hash="")
        .update(previous_key_hash="", previous_key_expires_at=None)
    )


def _ask_for_rotations(actor: Actor) -> int:
    asked = 0
    for collector in Collector.objects.exclude(api_key_hash="").order_by("pk").iterator():
        collector_keys.request_rotation(collector=collector, actor=actor)
        asked += 1
    return asked


def _leave_numbers_out() -> None:
    with connection.cursor() as cursor:
        for model in _NUMBERED_OUTSIDE:
            table = model._meta.db_table
            if connection.vendor == "postgresql":
                sequence = "pg_get_serial_sequence(%s, 'id')"
                cursor.execute(
                    f"SELECT setval({sequence}, nextval({sequence}) + %s)", [table, table, _NUMBERS_LEFT_OUT]
                )
                continue
            cursor.execute("UPDATE sqlite_sequence SET seq = seq + %s WHERE name = %s", [_NUMBERS_LEFT_OUT, table])
            if not cursor.rowcount:
                cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, _NUMBERS_LEFT_OUT])
