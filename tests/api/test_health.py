"""Health for balancers and for operators."""

import pytest
from django.db.models.functions import Now
from django.test import Client

from collectors.models import ControlPlane
from collectors.services import health
from tests.api.callers import ANYBODY, content_of, signed_in, with_key
from tests.cast import Cast

pytestmark = pytest.mark.django_db


def test_live_and_ready_answer_anybody_without_details(db: None) -> None:
    for path in ("/health/live", "/health/ready", "/health/live/"):
        answer = ANYBODY.get(path)
        assert (answer.status_code, content_of(answer)) == (200, {"status": "ok"})


def test_not_ready_is_503_without_details(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "ready", lambda: False)
    answer = ANYBODY.get("/health/ready")
    assert (answer.status_code, content_of(answer)) == (503, {"status": "unavailable"})
    assert ANYBODY.get("/health/live").status_code == 200


def test_details_are_for_whoever_is_signed_in(cast: Cast) -> None:
    for sender in (ANYBODY, with_key(cast.key)):
        answer = sender.get("/health")
        assert answer.status_code == 401
        assert "worker" not in answer.content.decode()
    assert signed_in(cast.bob).get("/health").status_code == 503
    session = Client()
    session.force_login(cast.bob)
    assert session.get("/health").status_code == 503


def test_details_name_what_is_dead(cast: Cast) -> None:
    now = Now()
    ControlPlane.objects.update(worker_seen_at=now, beat_seen_at=now, last_sweep_at=now)
    answer = signed_in(cast.bob).get("/health")
    content = content_of(answer)
    assert (answer.status_code, content["status"], content["dead"]) == (200, "ok", [])
    assert {"broker", "queue", "last_sweep_seconds", "worker_seen_seconds", "beat_seen_seconds"} <= set(content)
    ControlPlane.objects.update(beat_seen_at=None)
    answer = signed_in(cast.bob).get("/health")
    assert (answer.status_code, content_of(answer)["dead"]) == (503, ["beat"])
    assert ANYBODY.get("/health/ready").status_code == 200
