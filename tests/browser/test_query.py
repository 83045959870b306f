"""The page of one statement in a browser."""

import random
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from collectors.domain.sketches import Sketch
from collectors.models import Collector, Fingerprint, SlowQuery, Statement, StatusChange
from collectors.services import fingerprint_notes, latencies
from tests.browser.conftest import Shoot, SignIn
from tests.browser.test_queries import load
from tests.cast import SOMEBODY, Cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def fill(cast: Cast) -> Fingerprint:
    """Give the first statement slow executions, a note, tags, and its collector a bad hour."""
    load(cast)
    fingerprint = Fingerprint.objects.get(text__startswith="select o.id")
    statement = Statement.objects.get(fingerprint=fingerprint)
    chosen, now = random.Random(5), timezone.now()
    logged = Statement.objects.create(
        organization_id=cast.example.pk,
        database=statement.database,
        source="slow_log",
        key="slow",
        schema_name="shop",
        fingerprint=fingerprint,
        text_state="known",
    )
    for number in range(30):
        SlowQuery.objects.create(
            organization_id=cast.example.pk,
            database=statement.database,
            statement=logged,
            started_at=now - timedelta(minutes=7 + 40 * number),
            time_approximate=False,
            query_time_ns=chosen.randrange(2, 90) * 100_000_000,
            lock_time_ns=chosen.randrange(9) * 1_000_000,
            rows_sent=chosen.randrange(99),
            rows_examined=chosen.randrange(99_999),
            rows_affected=0,
            user_name=chosen.choice(["app", "report"]),
            host=chosen.choice(["10.0.0.7", "10.0.0.8", "app-3.example.org"]),
        )
    times = [chosen.randrange(1, 9) * 100_000_000 for _ in range(40)]
    sketches = {(logged.pk, now - timedelta(minutes=20 * slot)): Sketch(times[slot % 7 :]) for slot in range(2, 60)}
    latencies.add(database=statement.database, sketches=sketches)
    for hours, old, new in ((9, "ONLINE", "OFFLINE"), (8, "OFFLINE", "ONLINE")):
        change = StatusChange.objects.create(
            organization_id=cast.example.pk,
            collector=cast.collector,
            old_status=old,
            new_status=new,
            cause="heartbeats missed" if new == "OFFLINE" else "heartbeat",
        )
        StatusChange.objects.filter(pk=change.pk).update(changed_at=now - timedelta(hours=hours))
    fingerprint_notes.add_note(
        fingerprint=fingerprint,
        author=cast.bob,
        text="The order list of the shop's back office. An index on (city, created_at) is agreed with Carol for March.",
        actor=SOMEBODY,
    )
    fingerprint_notes.set_tags(fingerprint=fingerprint, names=["back office", "owner: shop"], actor=SOMEBODY)
    assert Collector.objects.exists()
    return fingerprint


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, False), (False, True)])
def test_the_page_is_whole_in_both_themes_and_on_a_phone(
    dark: bool, phone: bool, cast: Cast, sign_in: SignIn, shoot: Shoot
) -> None:
    fingerprint = fill(cast)
    page = sign_in(cast.alice, dark=dark, phone=phone)
    page.goto(f"/admin/queries/{fingerprint.pk}/?period=day")
    expect(page.locator("canvas").first).to_be_visible()
    shoot(page, f"query-{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    expect(page.locator(".dbpower-sql-keyword").first).to_have_text("select")


def test_a_row_of_the_list_leads_to_its_statement_and_back(cast: Cast, sign_in: SignIn) -> None:
    fill(cast)
    page = sign_in(cast.carol)
    page.goto("/admin/queries/?period=week")
    with page.expect_navigation():
        page.get_by_role("link", name="select o.id").press("Enter")
    expect(page.get_by_role("link", name="7 d")).to_have_attribute("aria-current", "true")
    page.get_by_role("button", name="Copy the statement").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.split() == Fingerprint.objects.get(text__startswith="select o.id").text.split()
    with page.expect_navigation():
        page.get_by_role("link", name="Newest").click()
    with page.expect_navigation():
        page.locator(".dbpower-lead a").click()
    assert page.url.endswith("/admin/queries/?period=week")


def test_notes_and_tags_are_written_and_removed(cast: Cast, sign_in: SignIn) -> None:
    fingerprint = fill(cast)
    page = sign_in(cast.carol)
    page.goto(f"/admin/queries/{fingerprint.pk}/?period=week")
    page.get_by_label("New note").fill("It is slow on Mondays.")
    with page.expect_navigation():
        page.get_by_role("button", name="Write it down").press("Enter")
    expect(page.get_by_text("The note is written down.")).to_be_visible()
    assert page.url.endswith("?period=week")
    expect(page.locator(".dbpower-note")).to_have_count(2)
    page.get_by_role("textbox", name="Tags").fill("monday")
    with page.expect_navigation():
        page.get_by_role("button", name="Set the tags").click()
    expect(page.locator(".dbpower-heading .dbpower-tag")).to_have_text(["monday"])
    # Only one's own note can be removed.
    with page.expect_navigation():
        page.get_by_role("button", name="Remove").click()
    expect(page.locator(".dbpower-note")).to_have_count(1)
    page.goto("/admin/queries/?tag=monday")
    expect(page.locator(".dbpower-top tbody tr")).to_have_count(1)
