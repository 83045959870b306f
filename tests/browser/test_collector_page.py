"""One collector's page in a browser: it shows what changes without a reload, in every look."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from collectors.domain.sources import Source
from collectors.models import Collector, Command, Heartbeat, StatusChange
from collectors.services import collections
from tests.browser.conftest import Shoot, SignIn
from tests.browser.test_admin import LOOKS, no_sideways_scrolling
from tests.browser.test_charts import load
from tests.cast import Cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


DAY = (
    (23, "ONLINE"),
    (15, "OFFLINE"),
    (13.5, "ONLINE"),
    (9, "ERROR"),
    (8.5, "ONLINE"),
    (4, "STOPPED"),
    (3, "ONLINE"),
    (0.4, "OFFLINE"),
)


def history(collector: Collector) -> None:
    """Give a collector a day with an outage, an error and a stop, and collections with a hole."""
    StatusChange.objects.filter(collector=collector).delete()
    for hours, status in DAY:
        cause = "no heartbeat before the deadline" if status == "OFFLINE" else "heartbeat"
        StatusChange.objects.create(
            organization_id=collector.organization_id,
            collector=collector,
            new_status=status,
            cause=cause,
            detail="cannot connect to 10.0.0.9:3306: timed out" if status == "ERROR" else "",
            last_heartbeat=timezone.now() - timedelta(hours=hours, minutes=2) if status == "OFFLINE" else None,
            changed_at=timezone.now() - timedelta(hours=hours),
        )
    now = timezone.now()
    for minutes in (*range(30, 600, 5), 62):
        if not 200 < minutes < 240:
            read_at = now - timedelta(minutes=minutes)
            collections.record(
                collector=collector,
                source=Source.PERFORMANCE_SCHEMA,
                read_at=read_at,
                received_at=read_at + timedelta(seconds=minutes % 7),
                rows=300 + minutes % 13,
                calls=4_000 + 37 * (minutes % 60),
                duplicates=0,
                is_stale=minutes == 62,
                took_ms=40 + minutes % 9,
            )


@pytest.mark.parametrize(("phone", "dark"), LOOKS)
def test_the_page_tells_what_happened_and_why_it_is_offline(
    phone: bool, dark: bool, cast: Cast, sign_in: SignIn, shoot: Shoot
) -> None:
    load(cast)
    history(cast.collector)
    Heartbeat.objects.filter(pk=cast.collector.pk).update(
        status="OFFLINE",
        last_heartbeat=timezone.now() - timedelta(minutes=26),
        address="10.0.0.7",
        clock_skew_seconds=-192.4,
    )
    page = sign_in(cast.bob, phone=phone, dark=dark)
    page.goto(f"/admin/collectors/collector/{cast.collector.pk}/change/")
    expect(page.get_by_text("Why is it offline?")).to_be_visible()
    expect(page.locator(".dbpower-uptime rect")).to_have_count(8)
    expect(page.get_by_text("3 min 12 s behind the server's clock").first).to_be_visible()
    expect(page.get_by_text("no collection for 40 min (STOPPED)")).to_be_visible()
    expect(page.get_by_text("heard, with an error: cannot connect to 10.0.0.9:3306: timed out")).to_be_visible()
    page.locator("#uptime summary").first.click()
    shoot(page, f"collector-page-{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}")
    no_sideways_scrolling(page)


def test_a_command_is_followed_from_click_to_result_without_a_reload(cast: Cast, sign_in: SignIn) -> None:
    Heartbeat.objects.filter(pk=cast.collector.pk).update(status="ONLINE", last_heartbeat=timezone.now())
    page = sign_in(cast.bob, alone=True)
    page.clock.install()
    page.goto(f"/admin/collectors/collector/{cast.collector.pk}/change/")
    page.get_by_role("button", name="Collect now").click()
    expect(page.locator("#live-commands")).to_contain_text("pending")
    page.evaluate("window.notReloaded = true")
    command = Command.objects.filter(collector=cast.collector)
    command.update(state="delivered", delivered_at=timezone.now())
    expect(page.locator("#live-commands")).to_contain_text("delivered", timeout=10_000)
    command.update(state="succeeded", ended_at=timezone.now(), result={"collected": 12})
    expect(page.locator("#live-commands")).to_contain_text("succeeded", timeout=10_000)
    Heartbeat.objects.filter(pk=cast.collector.pk).update(status="ERROR", last_error="disk full")
    expect(page.locator("#live")).to_contain_text("disk full", timeout=10_000)
    # What is marked to be copied stays until it is not marked any more.
    page.locator("#live").get_by_text("disk full").last.click(click_count=3)
    Heartbeat.objects.filter(pk=cast.collector.pk).update(last_error="network away")
    page.clock.fast_forward(4_000)
    page.wait_for_timeout(300)
    assert "disk full" in page.evaluate("getSelection().toString()")
    page.evaluate("getSelection().removeAllRanges()")
    expect(page.locator("#live")).to_contain_text("network away", timeout=10_000)
    assert page.evaluate("window.notReloaded")
