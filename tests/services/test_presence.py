"""What web processes record, and what follows from a gap."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from collectors.models import ControlPlane, Outage
from collectors.services import presence

pytestmark = pytest.mark.django_db


def row() -> ControlPlane:
    return ControlPlane.objects.get()


def test_the_first_record_begins_the_time_of_acceptance() -> None:
    presence.record_web()
    assert row().accepting_since == row().web_seen_at is not None


def test_a_record_without_a_gap_leaves_the_time_of_acceptance() -> None:
    presence.record_web()
    began = row().accepting_since
    presence.record_web()
    assert row().accepting_since == began


def test_a_record_after_a_gap_begins_the_time_of_acceptance_anew() -> None:
    long_ago = Now() - timedelta(minutes=10)
    ControlPlane.objects.update(web_seen_at=long_ago, accepting_since=long_ago)
    before = row().accepting_since
    presence.record_web()
    after = row().accepting_since
    assert before is not None
    assert after is not None
    assert after - before > timedelta(minutes=9)


def test_an_outage_is_written_once_and_found_in_the_periods_that_it_touches() -> None:
    presence.record_web()
    assert not Outage.objects.exists(), "the first start ends no outage"
    ControlPlane.objects.update(web_seen_at=Now() - timedelta(minutes=10))
    presence.record_web()
    presence.record_web()
    outage = Outage.objects.get()
    assert timedelta(minutes=9) < outage.ended_at - outage.began_at < timedelta(minutes=11)
    hour = timedelta(hours=1)
    times = [(outage.began_at, outage.ended_at)]
    assert presence.outages(since=outage.began_at - hour, until=outage.began_at + timedelta(minutes=1)) == times
    assert presence.outages(since=outage.ended_at, until=outage.ended_at + hour) == []


def test_a_database_that_is_away_ends_nobody(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def away() -> None:
        raise OperationalError("away")

    monkeypatch.setattr(presence, "close_old_connections", lambda: None)
    monkeypatch.setattr(presence, "record_web", away)
    presence.prove_web()
    assert "web could not record itself: away" in caplog.text
