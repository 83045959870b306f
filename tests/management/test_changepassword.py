"""`manage.py changepassword`."""

import getpass

import pytest
from django.core.management import CommandError

from collectors.models import AuditEntry, User
from tests.cast import Cast
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


def test_nobody_is_written_down_whose_password_stays(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([ANOTHER, "a typing mistake"] * 3)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(answers))
    with pytest.raises(CommandError):
        call("changepassword", "carol@example.org")
    assert not AuditEntry.objects.filter(action="user.change").exists()
