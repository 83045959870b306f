"""`manage.py changepassword`."""

import getpass
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from collectors.domain.actors import Actor
from collectors.domain.personal_tokens import TokenScope
from collectors.domain.roles import Role
from collectors.models import AuditEntry, Invitation, PersonalToken, User
from collectors.services import invitations, personal_tokens
from tests.cast import SOMEBODY, Cast
from tests.management.calling import call

pytestmark = pytest.mark.django_db
ANOTHER = "quite another pass phrase"


def test_a_password_set_in_the_shell_is_in_the_audit(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda prompt: ANOTHER)
    call("changepassword", "Carol@example.org")
    assert User.objects.get(pk=cast.carol.pk).check_password(ANOTHER)
    entry = AuditEntry.objects.get(action="user.change")
    assert (entry.actor, entry.object_id) == ("manage.py changepassword", cast.carol.pk)
    assert entry.after == {"password": "changed"}
    assert ANOTHER not in str(entry.content())


def test_what_somebody_with_the_old_password_may_have_made_ends_with_it(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    personal_tokens.create_token(user=cast.carol, name="theirs", scopes=[TokenScope.READ], days=90, actor=SOMEBODY)
    carol = Actor(label=cast.carol.email, user_id=cast.carol.pk)
    invitations.invite(organization=cast.example, team=None, role=Role.ORG_ADMIN, email="x@example.org", actor=carol)
    before = cast.carol.login_version
    monkeypatch.setattr(getpass, "getpass", lambda prompt: ANOTHER)
    call("changepassword", "carol@example.org")
    assert not PersonalToken.objects.filter(user=cast.carol, revoked_at=None).exists()
    assert not Invitation.objects.open().exists()
    assert User.objects.get(pk=cast.carol.pk).login_version > before


@pytest.mark.django_db(transaction=True)
def test_nothing_is_locked_while_somebody_types(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def typed(prompt: str) -> str:
        assert not connection.in_atomic_block
        return ANOTHER

    monkeypatch.setattr(getpass, "getpass", typed)
    call("changepassword", "carol@example.org")
    assert User.objects.get(pk=cast.carol.pk).check_password(ANOTHER)


def test_a_weak_password_is_refused_with_the_reasons(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda prompt: "short")
    errors = StringIO()
    with pytest.raises(CommandError, match="stays as it was"):
        call_command("changepassword", "carol@example.org", stdout=StringIO(), stderr=errors)
    assert errors.getvalue().count("too short") == 3
    assert not User.objects.get(pk=cast.carol.pk).check_password("short")


def test_nobody_is_written_down_whose_password_stays(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([ANOTHER, "a typing mistake"] * 3)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(answers))
    with pytest.raises(CommandError):
        call("changepassword", "carol@example.org")
    assert not AuditEntry.objects.filter(action="user.change").exists()
