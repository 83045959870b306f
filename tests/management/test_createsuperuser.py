"""`manage.py createsuperuser`."""

import getpass
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from collectors.models import AuditEntry, User
from collectors.services import audit
from tests.cast import PASSWORD
from tests.management.calling import call

pytestmark = pytest.mark.django_db


def test_a_super_admin_made_in_the_shell_is_in_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call("createsuperuser", "--noinput", "--email=Root@example.org")
    user = User.objects.get(email="root@example.org")
    assert user.check_password(PASSWORD)
    entry = AuditEntry.objects.get(action="user.create")
    assert (entry.actor, entry.object_id) == ("manage.py createsuperuser", user.pk)
    assert entry.after == {"email": "root@example.org", "name": "", "is_superuser": True}
    assert PASSWORD not in str(entry.content())


def test_nobody_is_made_whom_the_audit_does_not_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(audit, "record", broken)
    with pytest.raises(RuntimeError):
        call("createsuperuser", "--noinput", "--email=root@example.org")
    assert not User.objects.exists()


def test_whoever_is_there_already_is_refused_and_nothing_is_written() -> None:
    User.objects.create_user("root@example.org", PASSWORD)
    with pytest.raises(CommandError):
        call("createsuperuser", "--noinput", "--email=root@example.org")
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_nothing_is_locked_while_somebody_types(monkeypatch: pytest.MonkeyPatch) -> None:
    def typed(prompt: str = "") -> str:
        assert not connection.in_atomic_block
        return PASSWORD

    monkeypatch.setattr(getpass, "getpass", typed)
    call_command("createsuperuser", "--email=root@example.org", stdin=object(), stdout=StringIO())
    assert AuditEntry.objects.get(action="user.create").object_id == User.objects.get().pk
