"""Charts in a browser: drawn in both themes, a part of time chosen by dragging, the same numbers for who cannot see them."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from collectors.models import Bucket
from collectors.services import rollups
from tests.admin.conftest import Rows, rows_of
from tests.browser.conftest import Shoot, SignIn
from tests.cast import Cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def load(cast: Cast) -> Rows:
    """Give the cast's database a day of load."""
    rows = rows_of(cast.collector, "select o.id, o.total from orders o where o.city = ?")
    now = timezone.now()
    for number in range(3, 280):
        Bucket.objects.create(
            statement=rows.statement,
            started_at=now - timedelta(minutes=5 * number),
            organization_id=rows.database.organization_id,
            database=rows.database,
            calls=10 + number % 37,
            total_time_ns=1_000_000_000 * (3 + number % 23),
            rows=12,
        )
    rollups.mark(
        database=rows.database, level=rollups.HOURS, changed=Bucket.objects.values_list("started_at", flat=True)
    )
    return rows


def drag(page: Page, start: float, end: float) -> None:
    """Drag over the chart between two shares of its width."""
    box = page.locator("#load canvas").bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * start, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * (start + end) / 2, middle)
    page.mouse.move(box["x"] + box["width"] * end, middle)
    page.mouse.up()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_dragging_over_a_chart_shows_that_part_of_time(dark: bool, cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    load(cast)
    page = sign_in(cast.carol, dark=dark)
    page.goto("/admin/queries/?period=day&database=")
    shoot(page, f"chart-{'dark' if dark else 'light'}")
    with page.expect_navigation():
        drag(page, 0.4, 0.6)
    asked = parse_qs(urlsplit(page.url).query)
    assert 3 * 3600 < int(asked["until"][0]) - int(asked["since"][0]) < 7 * 3600
    assert "period" not in asked
    expect(page.locator(".dbpower-range-custom summary")).not_to_have_text("Custom")


def test_a_click_on_a_chart_goes_nowhere(cast: Cast, sign_in: SignIn) -> None:
    load(cast)
    page = sign_in(cast.carol)
    page.goto("/admin/queries/")
    page.click("#load canvas")
    assert page.url.endswith("/admin/queries/")


def test_the_period_is_chosen_by_keyboard(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    load(cast)
    page = sign_in(cast.carol, phone=True)
    page.goto("/admin/queries/")
    shoot(page, "chart-phone")
    page.get_by_role("link", name="7 d").focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="7 d")).to_have_attribute("aria-current", "true")
    page.locator(".dbpower-range-custom summary").focus()
    page.keyboard.press("Enter")
    page.fill("input[name=since]", "2026-01-02T03:04")
    page.fill("input[name=until]", "2026-01-03T03:04")
    with page.expect_navigation():
        page.get_by_role("group", name="Period").get_by_role("button", name="Show").press("Enter")
    expect(page.locator(".dbpower-range-custom summary")).to_contain_text("2026-01-02 03:04")
    expect(page.get_by_text("No load in this period.")).to_be_visible()


def test_the_numbers_of_a_chart_are_there_as_a_table(cast: Cast, sign_in: SignIn) -> None:
    load(cast)
    page = sign_in(cast.carol)
    page.goto("/admin/queries/?period=hour")
    page.locator("#load-table summary").click()
    expect(page.locator("#load-table tbody tr").first).to_be_visible()
