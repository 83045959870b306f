"""The pictures in README and docs: `make screenshots` keeps them in docs/images, any other run with the test's files."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from collectors.models import Fingerprint, Heartbeat
from tests.browser.conftest import Shoot, SignIn
from tests.browser.test_collector_page import history
from tests.browser.test_home import busy_fleet
from tests.cast import Cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_pages_that_the_documents_show_can_be_photographed(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    busy_fleet(cast)
    history(cast.collector)
    Heartbeat.objects.filter(pk=cast.collector.pk).update(
        status="OFFLINE", last_heartbeat=timezone.now() - timedelta(minutes=26), address="10.0.0.7"
    )
    dearest = Fingerprint.objects.get(text__startswith="update invoices")
    page = sign_in(cast.alice)
    for name, place, said in (
        ("home", "/admin/", "What costs most"),
        ("collectors", "/admin/collectors/collector/", "orders-primary"),
        ("collector", f"/admin/collectors/collector/{cast.collector.pk}/change/", "Why is it offline?"),
        ("queries", "/admin/queries/?period=day", "update invoices"),
        ("organization", f"/admin/collectors/organization/{cast.example.pk}/change/", "What happened lately"),
        ("audit", "/admin/collectors/auditentry/", "registered the collector"),
        ("query", f"/admin/queries/{dearest.pk}/?period=day", "Where it runs"),
    ):
        page.goto(place)
        expect(page.locator("main, #main, body").first).to_contain_text(said)
        shoot(page, name)
