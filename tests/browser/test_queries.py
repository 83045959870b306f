"""The page of queries in a browser: grouped, compared, sorted, narrowed, in both themes and on a phone."""

import random
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from collectors.models import Bucket, Fingerprint, Gap, MonitoredDatabase, Statement
from collectors.services import rollups
from tests.browser.conftest import Shoot, SignIn
from tests.cast import Cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TEXTS = [
    "select o.id, c.name from orders o join customers c on c.id = o.customer_id where o.city = ? order by o.created_at limit ?",
    "update stock set amount = amount - ? where item_id = ? and warehouse_id = ?",
    "insert into events (kind, payload, created_at) values (?+)",
    "select count(*) from sessions where expires_at < ?",
    "delete from carts where updated_at < ? limit ?",
    "select * from prices where item_id = ?",
    "select sum(amount) from payments group by currency",
    "commit",
]


def load(cast: Cast) -> list[Statement]:
    """Give the two databases of the shop two days of load: one statement grew, one is new, one is gone."""
    chosen = random.Random(7)
    second = MonitoredDatabase.objects.create(
        organization=cast.example, team=cast.shop, name="shop-replica", type="mysql"
    )
    databases = [cast.collector.database, second]
    now = timezone.now()
    statements = []
    buckets = []
    for number, text in enumerate(TEXTS):
        fingerprint = Fingerprint.objects.create(
            organization=cast.example, fingerprint_id=f"{number * 0x1F3A5C7D9B:016X}", text=text
        )
        for database in databases[: 1 + number % 2]:
            statement = Statement.objects.create(
                organization_id=cast.example.pk,
                database=database,
                source="performance_schema",
                key=f"{number}-{database.pk}",
                schema_name=("shop", "crm", "erp")[number % 3],
                fingerprint=fingerprint,
                text_state="known",
            )
            statements.append(statement)
            for slot in range(6, 48 * 12, 3):
                hours = slot / 12
                if (number == 3 and hours > 24) or (number == 4 and hours < 25):
                    continue
                grown = 2 if number == 1 and hours < 24 else 1
                calls = chosen.randrange(20, 60) * grown
                buckets.append(
                    Bucket(
                        statement=statement,
                        started_at=now - timedelta(minutes=5 * slot),
                        organization_id=cast.example.pk,
                        database=database,
                        calls=calls,
                        total_time_ns=calls * chosen.randrange(3, 9) * 40_000_000 // (number + 1),
                        max_time_ns=900_000_000 // (number + 1),
                        rows=calls * (number + 1),
                        rows_examined=calls * 100,
                        lock_time_ns=calls * 1000,
                    )
                )
    Bucket.objects.bulk_create(buckets)
    for database in databases:
        rollups.mark(
            database=database,
            level=rollups.HOURS,
            changed=Bucket.objects.filter(database=database).values_list("started_at", flat=True),
        )
    rollups.roll_up()
    Gap.objects.create(
        organization_id=cast.example.pk,
        database=second,
        source="performance_schema",
        kind="evictions",
        amount=12,
        covered_from=now - timedelta(hours=7),
        covered_to=now - timedelta(hours=5),
    )
    return statements


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, False), (False, True), (True, True)])
def test_the_page_is_whole_in_both_themes_and_on_a_phone(
    dark: bool, phone: bool, cast: Cast, sign_in: SignIn, shoot: Shoot
) -> None:
    load(cast)
    page = sign_in(cast.carol, dark=dark, phone=phone)
    page.goto("/admin/queries/")
    name = f"queries-{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}"
    shoot(page, name)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    expect(page.locator(".dbpower-top tbody tr")).to_have_count(7)
    page.goto("/admin/queries/?compare=previous")
    shoot(page, f"{name}-compared")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_rows_are_grouped_sorted_and_narrowed_by_keyboard(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    load(cast)
    page = sign_in(cast.alice)
    page.goto("/admin/queries/")
    form = page.get_by_role("search", name="What to show")
    form.get_by_label("Group by").select_option("database")
    with page.expect_navigation():
        form.get_by_role("button", name="Show", exact=True).press("Enter")
    expect(page.locator(".dbpower-top tbody tr")).to_have_count(2)
    assert "team=" not in page.url, "what is not chosen stays out of the address"
    page.get_by_role("link", name="Calls").focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Calls")
    with page.expect_navigation():
        page.get_by_role("link", name="shop-replica").click()
    expect(form.get_by_label("Database", exact=True)).to_have_value(page.url.split("database=")[1].split("&")[0])
    expect(page.locator(".dbpower-top tbody tr")).to_have_count(4)
    form.get_by_label("Search").fill("prices")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator(".dbpower-top tbody tr")).to_have_count(1)
    with page.expect_navigation():
        page.get_by_role("link", name="Clear filters").click()
    expect(page.locator(".dbpower-top tbody tr")).to_have_count(7)


def test_columns_are_chosen_and_kept(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    load(cast)
    page = sign_in(cast.carol)
    page.goto("/admin/queries/")
    page.locator(".dbpower-columns summary").press("Enter")
    page.get_by_label("Lock time", exact=True).check()
    page.get_by_label("Longest", exact=True).uncheck()
    shoot(page, "queries-columns")
    with page.expect_navigation():
        page.get_by_role("button", name="Show these columns").click()
    heads = page.locator(".dbpower-top thead th.num")
    expect(heads).to_have_text(["Total time▼", "Calls", "Average", "Rows", "Lock time"])
    page.get_by_role("link", name="7 d").click()
    expect(heads).to_have_count(5)


def test_a_row_says_why_its_numbers_are_not_whole(cast: Cast, sign_in: SignIn) -> None:
    load(cast)
    page = sign_in(cast.carol)
    page.goto("/admin/queries/?group=database")
    sign = page.locator(".dbpower-top .dbpower-gap summary")
    expect(sign).to_have_count(1)
    assert "the source dropped statements (12)" in (sign.get_attribute("title") or "")
    sign.press("Enter")
    expect(page.locator(".dbpower-gap li")).to_have_text(
        "shop-replica, performance_schema: the source dropped statements (12)"
    )
    expect(page.locator(".dbpower-gap li")).to_be_visible()


def test_files_are_downloaded(cast: Cast, sign_in: SignIn) -> None:
    load(cast)
    page = sign_in(cast.carol)
    page.goto("/admin/queries/?q=prices")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="CSV").click()
    assert waiting.value.suggested_filename == "dbpower-queries.csv"
    assert "select * from prices" in waiting.value.path().read_text()
