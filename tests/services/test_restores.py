"""What a restored backup brought back is ended."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from collectors.domain.commands import CommandType
from collectors.domain.personal_tokens import TokenScope
from collectors.domain.roles import Role
from collectors.models import (
    AuditEntry,
    Collector,
    Command,
    EnrolmentToken,
    Invitation,
    LoginSession,
    PersonalToken,
    User,
)
from collectors.services import collector_keys, invitations, logins, personal_tokens, restores
from collectors.services.collectors import change_collector, rotate_key
from collectors.services.commands import request_command
from collectors.services.errors import Refused
from tests.cast import SOMEBODY, Cast, enrolment_token

pytestmark = pytest.mark.django_db


def after_restore(**options: object) -> restores.Ended:
    return restores.end_what_a_backup_brought_back(actor=SOMEBODY, **options)  # type: ignore[arg-type]


@pytest.fixture
def restored(cast: Cast) -> Cast:
    """A database as a backup brings it back: with everything in it that may have ended since."""
    request_command(collector=cast.collector, command=CommandType.STOP, actor=SOMEBODY)
    logins.open_login(user=cast.bob, refresh_id="a" * 32, lifetime=timedelta(days=7), actor=SOMEBODY)
    personal_tokens.create_token(user=cast.bob, name="script", scopes=[TokenScope.READ], days=9, actor=SOMEBODY)
    enrolment_token(cast.shop)
    invitations.invite(
        email="new@example.org", organization=cast.example, team=cast.shop, role=Role.USER, actor=SOMEBODY
    )
    rotate_key(collector=cast.collector, actor=SOMEBODY)
    collector_keys.prove(collector=cast.collector)
    rotate_key(collector=cast.warehouse_collector, actor=SOMEBODY)
    return cast


def test_everything_that_may_have_ended_since_the_backup_ends(restored: Cast) -> None:
    ended = after_restore()
    assert vars(ended) == {
        "commands_cancelled": 1,
        "logins_ended": 1,
        "personal_tokens_revoked": 1,
        "enrolment_tokens_revoked": 1,
        "invitations_revoked": 1,
        "previous_keys_ended": 1,
        "keys_revoked": 0,
        "rotations_asked_for": 3,
        "configurations_renumbered": 3,
    }
    assert not Command.objects.all().open().exists()
    assert not LoginSession.objects.exists()
    assert not PersonalToken.objects.filter(revoked_at=None).exists()
    assert not EnrolmentToken.objects.filter(revoked_at=None).exists()
    assert not Invitation.objects.open().exists()
    assert not Collector.objects.filter(key_rotation_requested_at=None).exists()
    assert AuditEntry.objects.get(action="restore.clean_up").after == vars(ended)


def test_a_key_whose_successor_was_never_used_stays_the_only_one_that_the_agent_has(restored: Cast) -> None:
    after_restore()
    restored.collector.refresh_from_db()
    restored.warehouse_collector.refresh_from_db()
    assert not restored.collector.verify_api_key(restored.key)
    assert restored.warehouse_collector.verify_api_key(restored.warehouse_key)
    Collector.objects.filter(pk=restored.warehouse_collector.pk).update(
        previous_key_expires_at=Now() - timedelta(hours=1)
    )
    assert after_restore().previous_keys_ended == 1


def test_a_changed_configuration_is_newer_than_what_any_agent_has(restored: Cast) -> None:
    after_restore()
    change_collector(collector=restored.collector, actor=SOMEBODY, config={"host": "db2", "password": "p"})
    assert 10_000 < restored.collector.config_version < 2**31
    Collector.objects.update(config_version=2**31 - 5)
    after_restore()
    assert Collector.objects.filter(config_version=2**31 - 1).count() == 3


def test_numbers_of_commands_and_logins_are_not_given_again(restored: Cast) -> None:
    command = Command.objects.latest("pk").pk
    login = LoginSession.objects.latest("pk").pk
    after_restore()
    again = request_command(collector=restored.collector, command=CommandType.COLLECT, actor=SOMEBODY)
    assert again.pk > command + 100_000
    opened = logins.open_login(user=restored.bob, refresh_id="b" * 32, lifetime=timedelta(days=7), actor=SOMEBODY)
    assert opened.pk > login + 100_000


def test_sessions_of_the_console_and_logins_end_for_everybody(restored: Cast) -> None:
    before = {user.pk: user.get_session_auth_hash() for user in User.objects.all()}
    after_restore()
    assert all(user.get_session_auth_hash() != before[user.pk] for user in User.objects.all())


def test_keys_that_are_known_to_be_revoked_end_and_nobody_else_is_asked_less(restored: Cast) -> None:
    ended = after_restore(revoke_keys_of=[restored.warehouse_collector.pk, restored.warehouse_collector.pk])
    assert (ended.keys_revoked, ended.rotations_asked_for) == (1, 2)
    restored.warehouse_collector.refresh_from_db()
    assert not restored.warehouse_collector.verify_api_key(restored.warehouse_key)


def test_a_collector_that_is_not_there_is_named_and_nothing_is_done(restored: Cast) -> None:
    with pytest.raises(Refused, match="no collector 987654"):
        after_restore(revoke_keys_of=[restored.collector.pk, 987654])
    assert Command.objects.all().open().exists()


def test_a_dry_run_tells_the_same_and_changes_nothing(restored: Cast) -> None:
    before = list(Collector.objects.order_by("pk").values())
    told = after_restore(dry_run=True, revoke_keys_of=[restored.collector.pk])
    assert (told.commands_cancelled, told.keys_revoked) == (1, 1)
    assert list(Collector.objects.order_by("pk").values()) == before
    assert Command.objects.all().open().count() == LoginSession.objects.count() == 1
    assert not AuditEntry.objects.filter(action="restore.clean_up").exists()
    assert timezone.now() < Invitation.objects.open().get().expires_at
