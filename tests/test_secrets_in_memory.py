"""Secrets of the product while it runs: not in logs, not in what is shown of objects, not in the page of an error."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, RequestFactory
from django.urls import reverse
from django.views.debug import ExceptionReporter

from collectors.domain.heartbeats import Report
from collectors.domain.personal_tokens import TokenScope
from collectors.domain.roles import Role
from collectors.services import collectors, heartbeats, invitations, personal_tokens
from tests.api.callers import tokens
from tests.canaries import canaries_in
from tests.cast import PASSWORD, SOMEBODY, Cast, enrolment_token

pytestmark = pytest.mark.django_db
DATABASE_PASSWORD = "canary-database-password"


@pytest.mark.parametrize(
    "secret",
    [
        PASSWORD,
        DATABASE_PASSWORD,
        "canary password",
        f"collector_7_{'a' * 43}",
        f"dbp_{'b' * 43}",
        f"enroll_{'c' * 43}",
    ],
)
def test_the_check_of_every_tests_log_finds_secrets(secret: str) -> None:
    """Otherwise the silence of `tests/conftest.py` would mean nothing."""
    logger = logging.getLogger("tests.nowhere")

    def record(message: str, *arguments: object, **more: Any) -> logging.LogRecord:
        return logger.makeRecord("x", logging.INFO, "f", 1, message, arguments, more.get("exc_info"))

    assert canaries_in([record(f"said {secret}")]) == [secret]
    assert canaries_in([record("said %s", {"deep": [secret]})]) == [secret]
    try:
        raise ValueError(secret)
    except ValueError as error:
        raised = (type(error), error, error.__traceback__)
    assert canaries_in([record("failed", exc_info=raised)]) == [secret]
    assert canaries_in([record("collector 7 of Example GmbH went OFFLINE")]) == []


def test_what_is_shown_of_objects_holds_no_secret(cast: Cast) -> None:
    shown: list[object] = [
        collectors.rotate_key(collector=cast.collector, actor=SOMEBODY),
        enrolment_token(cast.shop),
        personal_tokens.create_token(user=cast.bob, name="s", scopes=[TokenScope.READ], days=1, actor=SOMEBODY),
        invitations.invite(
            email="new@example.org", organization=cast.example, team=cast.shop, role=Role.USER, actor=SOMEBODY
        ),
    ]
    secrets = [str(made[1]) for made in shown]  # type: ignore[index]
    assert all(len(secret) >= 40 for secret in secrets)
    config = {"host": "db2", "password": DATABASE_PASSWORD}
    collectors.change_collector(collector=cast.warehouse_collector, actor=SOMEBODY, config=config)
    digest = cast.warehouse_collector.api_key_hash
    answer = heartbeats.record(collector_id=cast.warehouse_collector.pk, key_digest=digest, report=Report())
    assert answer.commands[0].params["config"] == config
    text = repr([*shown, answer, cast.warehouse_collector, *shown[:1]])
    assert [secret for secret in (*secrets, DATABASE_PASSWORD) if secret in text] == []


def broken(*_: object, **__: object) -> None:
    raise RuntimeError("nobody foresaw this")


@pytest.mark.parametrize("where", ["api", "agent", "login", "console"])
def test_the_page_of_an_error_that_nobody_foresaw_holds_no_secret(
    where: str, cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(raise_request_exception=False)
    token = tokens(cast.bob)["access"]
    ask: dict[str, Callable[[], Any]] = {
        "api": lambda: client.post(
            "/api/v1/collectors/register",
            {"name": "x", "type": "mysql", "team_id": cast.shop.pk, "config": {"password": DATABASE_PASSWORD}},
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        ),
        "agent": lambda: client.post(
            f"/api/v1/collectors/{cast.collector.pk}/heartbeat",
            {},
            content_type="application/json",
            headers={"X-Collector-API-Key": cast.key},
        ),
        "login": lambda: client.post(
            "/api/v1/auth/token", {"email": "bob@example.org", "password": PASSWORD}, content_type="application/json"
        ),
        "console": lambda: client.post(reverse("admin:login"), {"username": "bob@example.org", "password": PASSWORD}),
    }
    monkeypatch.setattr(collectors, "register_collector", broken)
    monkeypatch.setattr("collectors.services.heartbeats.record", broken)
    monkeypatch.setattr("collectors.services.login_throttles.admit", broken)
    answer = ask[where]()
    assert answer.status_code == 500
    assert "nobody foresaw this" not in answer.content.decode()
    assert "nobody foresaw this" in caplog.text
    seen = answer.content.decode() + caplog.text + str(answer.headers)
    assert [secret for secret in (token, DATABASE_PASSWORD, cast.key, PASSWORD) if secret in seen] == []


def test_a_report_of_an_error_by_mail_holds_no_secret_of_the_installation() -> None:
    """Nothing sends such reports; whoever switches them on gets the settings cleaned."""
    text = ExceptionReporter(RequestFactory().get("/"), RuntimeError, RuntimeError("x"), None).get_traceback_text()
    assert [secret for secret in (settings.SECRET_KEY, *settings.DBPOWER_ENCRYPTION_KEYS) if secret in text] == []
