"""`manage.py audit_ledger` where there is nothing to compare with; tests/faults/test_audit_ledger.py has live servers."""

import pytest
from django.core.management import CommandError
from django.db.models.functions import Now

from collectors.models import Command, Heartbeat
from collectors.services import leases
from tests.cast import Cast
from tests.management.calling import call

pytestmark = pytest.mark.django_db


@pytest.fixture
def reading(cast: Cast) -> Cast:
    """The cast, whose collector reads its database."""
    leases.take(collector_id=cast.collector.pk, wanted=True, readable=True)
    Heartbeat.objects.filter(pk=cast.collector.pk).update(last_heartbeat=Now(), status="ONLINE")
    return cast


def refusal(*options: str) -> tuple[str, int]:
    with pytest.raises(CommandError) as refused:
        call("audit_ledger", *options)
    return str(refused.value), refused.value.returncode


def test_a_database_that_is_not_there(cast: Cast) -> None:
    assert refusal("--database", "999999") == ("There is no such database.", 2)


def test_a_database_that_nobody_reads(cast: Cast) -> None:
    assert refusal("--database", str(cast.collector.database_id)) == ("No agent reads this database now.", 2)
    assert not Command.objects.exists()


def test_an_agent_that_does_not_answer(reading: Cast) -> None:
    why, status = refusal("--database", str(reading.collector.database_id), "--timeout", "0.3")
    assert (why, status) == ("The agent did not answer within 0 s.", 2)
    command = Command.objects.get()
    assert (command.command, command.params) == ("audit", {"log_positions": {}})
