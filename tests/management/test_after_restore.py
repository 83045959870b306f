"""`manage.py after_restore`."""

import pytest
from django.core.management import CommandError

from collectors.domain.commands import CommandType
from collectors.models import Command
from collectors.services.commands import request_command
from tests.cast import SOMEBODY, Cast
from tests.management.calling import call

pytestmark = pytest.mark.django_db


def test_it_says_what_it_would_do_and_then_what_it_did(cast: Cast) -> None:
    request_command(collector=cast.collector, command=CommandType.STOP, actor=SOMEBODY)
    told = call("after_restore", "--dry-run", "--revoke-keys-of", str(cast.foreign_collector.pk))
    assert "1 commands cancelled" in told
    assert "Nothing was changed." in told
    assert Command.objects.all().open().exists()
    done = call("after_restore", "--revoke-keys-of", str(cast.foreign_collector.pk))
    assert told.splitlines()[:-1] == done.splitlines()[:-1]
    assert "1 keys revoked" in done
    assert "2 rotations asked for" in done
    assert not Command.objects.all().open().exists()


def test_a_collector_that_is_not_there_ends_it(cast: Cast) -> None:
    with pytest.raises(CommandError, match="no collector 987654"):
        call("after_restore", "--revoke-keys-of", "987654")
