"""How the control plane itself is."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError, connection
from django.db.models.functions import Now
from pytest_django import Settings

from collectors.models import ControlPlane
from collectors.services import broker, health, presence
from collectors.services.presence import record_beat, record_web, record_worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything was seen just now."""
    # A beat gives its connection back after each record; the test's own has a transaction open.
    monkeypatch.setattr(presence, "close_old_connections", lambda: None)
    record_web()
    record_worker()
    record_beat()
    ControlPlane.objects.update(last_sweep_at=Now())


def make_old(name: str, seconds: float = 3600) -> None:
    ControlPlane.objects.update(**{name: Now() - timedelta(seconds=seconds)})


def test_what_lives_is_shown_with_its_age(alive: None) -> None:
    detail = health.detail()
    assert detail.dead == []
    assert (detail.broker, detail.queue) == ("embedded", 0)
    ages = (detail.web_seen_seconds, detail.worker_seen_seconds, detail.beat_seen_seconds, detail.last_sweep_seconds)
    assert all(age is not None and age < 5 for age in ages)


@pytest.mark.parametrize(
    ("column", "dead"), [("worker_seen_at", "worker"), ("beat_seen_at", "beat"), ("last_sweep_at", "sweep")]
)
def test_what_is_dead_is_named(alive: None, column: str, dead: str) -> None:
    make_old(column)
    assert health.detail().dead == [dead]
    ControlPlane.objects.update(**{column: None})
    assert health.detail().dead == [dead], "what was never seen is as dead"


def test_a_late_record_is_no_death(alive: None) -> None:
    for column in ("worker_seen_at", "beat_seen_at"):
        make_old(column, 25)
    make_old("last_sweep_at", 100)
    assert health.detail().dead == []


def test_tasks_that_wait_are_counted(alive: None, settings: Settings, tmp_path: Path) -> None:
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_in": str(tmp_path)}
    (tmp_path / "1_x.celery.msg").touch()
    (tmp_path / "2_y.celery.msg").touch()
    assert broker.waiting() == 2


def test_a_broker_that_does_not_answer_is_dead(alive: None, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    detail = health.detail()
    assert (detail.broker, detail.queue, detail.dead) == ("redis", None, ["broker"])


def test_a_broker_without_its_folder_is_dead(alive: None, settings: Settings, tmp_path: Path) -> None:
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_in": str(tmp_path / "gone")}
    assert health.detail().dead == ["broker"]


def test_a_missing_row_is_a_database_that_was_not_prepared() -> None:
    ControlPlane.objects.all().delete()
    assert health.detail().dead == ["database"]


def test_the_row_comes_back_with_the_next_record() -> None:
    ControlPlane.objects.all().delete()
    record_web()
    assert ControlPlane.objects.get().accepting_since is not None


def test_ready_means_that_every_migration_is_there() -> None:
    assert health.ready()
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM django_migrations WHERE app = 'collectors' AND name = "
            "(SELECT max(name) FROM django_migrations WHERE app = 'collectors')"
        )
    assert not health.ready()


def test_a_database_that_does_not_answer_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(health, "MigrationExecutor", fail)
    assert not health.ready()
