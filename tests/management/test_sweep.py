"""`manage.py sweep`."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from collectors.models import ControlPlane, Heartbeat, StatusChange
from tests.cast import Cast
from tests.management.calling import call

pytestmark = pytest.mark.django_db


def test_one_pass_by_hand_says_what_it_did(cast: Cast) -> None:
    long_ago = Now() - timedelta(hours=1)
    ControlPlane.objects.update(accepting_since=long_ago)
    Heartbeat.objects.filter(pk=cast.collector.pk).update(
        status="ONLINE", last_heartbeat=long_ago, starting_since=long_ago
    )
    assert call("sweep") == "1 collectors are OFFLINE now, 0 commands expired.\n"
    assert call("sweep") == "0 collectors are OFFLINE now, 0 commands expired.\n"
    assert StatusChange.objects.filter(new_status="OFFLINE").count() == 1
