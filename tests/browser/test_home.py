"""The home page in a browser: what is wrong and what costs most, in every look, without a reload."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from collectors.domain.sources import Engine
from collectors.models import Bucket, ControlPlane, Heartbeat, Lease
from collectors.services import presence, rollups
from tests.admin.conftest import Rows, rows_of
from tests.browser.conftest import Shoot, SignIn
from tests.browser.test_admin import LOOKS, fleet, no_sideways_scrolling
from tests.cast import Cast, register

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def busy_fleet(cast: Cast) -> None:
    """Give the cast collectors in every state, and several databases a day of load."""
    fleet(cast)
    now = timezone.now()
    presence.record_worker()
    presence.record_beat()
    ControlPlane.objects.update(last_sweep_at=now)
    for number, (name, text) in enumerate(
        [
            ("orders-primary", "select * from orders where customer_id = ? order by created_at desc limit ?"),
            ("billing", "update invoices set state = ? where due_on < ? and state = ?"),
            ("search", "select id, title from articles where title ilike ? order by rank desc limit ?"),
        ]
    ):
        collector, _ = register(cast.shop, name, Engine.POSTGRES)
        heard = now - timedelta(seconds=5 if number else 75)
        Heartbeat.objects.filter(pk=collector.pk).update(
            status="ONLINE", last_heartbeat=heard, spool={"data_age_seconds": 100}
        )
        Lease.objects.create(database=collector.database, organization_id=cast.example.pk, holder=collector, epoch=1)
        rows = rows_of(collector, text)
        load(rows, number)


def load(rows: Rows, number: int) -> None:
    now = timezone.now()
    Bucket.objects.bulk_create(
        Bucket(
            statement=rows.statement,
            started_at=now - timedelta(minutes=5 * slot),
            organization_id=rows.database.organization_id,
            database=rows.database,
            calls=20 * (number + 1) + slot % 17,
            total_time_ns=400_000_000 * (5 + (slot * (number + 2)) % 29),
            rows=12,
        )
        for slot in range(3, 280)
    )
    rollups.mark(
        database=rows.database, level=rollups.HOURS, changed=Bucket.objects.values_list("started_at", flat=True)
    )


@pytest.mark.parametrize(("phone", "dark"), LOOKS)
def test_home_tells_at_a_glance_what_is_wrong_and_what_costs_most(
    phone: bool, dark: bool, cast: Cast, sign_in: SignIn, shoot: Shoot
) -> None:
    busy_fleet(cast)
    page = sign_in(cast.alice, phone=phone, dark=dark)
    page.goto("/admin/")
    expect(page.locator("#tile-late .dbpower-tile-count")).to_have_text("1")
    expect(page.locator("#fleet")).to_contain_text("1 collector is OFFLINE")
    expect(page.locator(".dbpower-top tbody tr").first).to_contain_text("update invoices")
    shoot(page, f"home-{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}")
    no_sideways_scrolling(page)


def test_what_changes_in_the_fleet_appears_without_a_reload_and_focus_stays(cast: Cast, sign_in: SignIn) -> None:
    fleet(cast)
    page = sign_in(cast.bob)
    page.goto("/admin/")
    expect(page.locator("#tile-offline .dbpower-tile-count")).to_have_text("1")
    page.locator("#tile-offline").focus()
    Heartbeat.objects.filter(pk=cast.collector.pk).update(status="OFFLINE")
    page.evaluate("htmx.trigger('#fleet', 'refresh')")
    expect(page.locator("#tile-offline .dbpower-tile-count")).to_have_text("2")
    assert page.evaluate("document.activeElement.id") == "tile-offline"


def test_a_tile_leads_to_its_collectors(cast: Cast, sign_in: SignIn) -> None:
    fleet(cast)
    page = sign_in(cast.bob)
    page.goto("/admin/")
    page.locator("#tile-error").focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("#result_list")).to_contain_text("shop-mysql")
    expect(page.locator("#result_list")).not_to_contain_text("shop-online")
