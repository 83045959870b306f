"""`manage.py reset_second_factor`."""

import pytest
from django.core.management import CommandError

from collectors.models import AuditEntry
from collectors.services import second_factors
from tests.authenticator import with_second_factor
from tests.cast import Cast
from tests.management.calling import call

pytestmark = pytest.mark.django_db


def test_somebody_who_lost_everything_signs_in_with_the_password_again(cast: Cast) -> None:
    with_second_factor(cast.root)
    assert "root@example.org" in call("reset_second_factor", "Root@Example.org")
    assert not second_factors.is_on(cast.root)
    entry = AuditEntry.objects.get(action="second_factor.remove")
    assert (entry.actor, entry.object_id) == ("manage.py reset_second_factor", cast.root.pk)


@pytest.mark.parametrize(("email", "said"), [("nobody@example.org", "Nobody"), ("bob@example.org", "no second factor")])
def test_whoever_is_unknown_or_has_none_is_named(email: str, said: str, cast: Cast) -> None:
    with pytest.raises(CommandError, match=said):
        call("reset_second_factor", email)
