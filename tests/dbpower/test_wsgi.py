"""What holds under any WSGI server: a body is taken whole or not at all, and whoever answers requests says so."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.signals import request_started
from django.db import close_old_connections
from django.test import RequestFactory

from collectors.models import ControlPlane
from collectors.services import presence
from dbpower.wsgi import application
from tests.cast import Cast

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _one_connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the test's connection, as Django's own client does."""
    monkeypatch.setattr(presence, "close_old_connections", lambda: None)
    request_started.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)


def ask(body: bytes, cast: Cast, **environ: str) -> tuple[int, Any]:
    """Send a heartbeat; return the status and what was answered."""
    path = f"/api/v1/collectors/{cast.collector.pk}/heartbeat"
    made = RequestFactory().post(path, HTTP_HOST="localhost").environ
    given = {"HTTP_X_COLLECTOR_API_KEY": cast.key, "CONTENT_TYPE": "application/json", "wsgi.input": io.BytesIO(body)}
    statuses: list[str] = []
    answer = application(
        {**made, "CONTENT_LENGTH": "", **given, **environ}, lambda status, headers: statuses.append(status)
    )
    return int(statuses[0].split()[0]), json.loads(b"".join(answer))


@pytest.mark.parametrize("length", ["2", "4"])
def test_a_whole_body_is_taken(length: str, cast: Cast) -> None:
    assert ask(b"{}  and what belongs to the next request", cast, CONTENT_LENGTH=length)[0] == 200


def test_a_body_without_a_length_is_refused(cast: Cast) -> None:
    status, answer = ask(b"2\r\n{}\r\n0\r\n\r\n", cast, HTTP_TRANSFER_ENCODING="chunked")
    assert (status, answer["code"], set(answer)) == (411, "length_required", {"detail", "code", "errors"})


@pytest.mark.parametrize("length", ["3", "500", "999999"])
def test_a_body_that_was_cut_short_is_refused(length: str, cast: Cast) -> None:
    status, answer = ask(b"{}", cast, CONTENT_LENGTH=length)
    assert (status, answer["code"]) == (400, "invalid")


def test_answering_requests_is_recorded_once_in_ten_seconds(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "_proved_at", None)
    ControlPlane.objects.update(web_seen_at=None)
    ask(b"{}", cast, CONTENT_LENGTH="2")
    seen = ControlPlane.objects.get().web_seen_at
    assert seen is not None
    ask(b"{}", cast, CONTENT_LENGTH="2")
    assert ControlPlane.objects.get().web_seen_at == seen
    monkeypatch.setattr(presence, "_proved_at", presence._proved_at - 10)  # type: ignore[operator]
    ask(b"{}", cast, CONTENT_LENGTH="2")
    assert ControlPlane.objects.get().web_seen_at != seen
