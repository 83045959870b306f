"""What statuses a collector had, from its flips."""

from datetime import timedelta

import pytest
from django.utils import timezone

from collectors.models import StatusChange
from collectors.services import status_history
from tests.cast import Cast

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def flips(cast: Cast, *found: tuple[float, str]) -> None:
    StatusChange.objects.all().delete()
    for hours, status in found:
        StatusChange.objects.create(
            organization_id=cast.example.pk,
            collector=cast.collector,
            new_status=status,
            cause="heartbeat",
            changed_at=timezone.now() - hours * HOUR,
        )


def statuses(cast: Cast, hours: float) -> list[str]:
    now = timezone.now()
    changes = StatusChange.objects.filter(collector=cast.collector)
    return [part.status for part in status_history.stretches(changes=changes, since=now - hours * HOUR, until=now)]


def test_the_status_that_a_period_began_with_comes_from_before_it(cast: Cast) -> None:
    flips(cast, (50, "STARTING"), (40, "ONLINE"), (2, "OFFLINE"))
    assert statuses(cast, 24) == ["ONLINE", "OFFLINE"]
    assert statuses(cast, 1) == ["OFFLINE"]
    assert statuses(cast, 100) == ["STARTING", "ONLINE", "OFFLINE"]


def test_of_one_that_flips_without_end_the_newest_are_read(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_history, "_MOST", 2)
    flips(cast, (5, "ONLINE"), (4, "OFFLINE"), (3, "ONLINE"), (2, "ERROR"))
    assert statuses(cast, 10) == ["ONLINE", "ERROR"]
