"""The console in another language and another zone."""

import pytest
from playwright.sync_api import Page

from collectors.models import User
from tests.admin.conftest import rows_of
from tests.browser.conftest import Shoot, SignIn
from tests.cast import Cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (False, True), (True, False)])
def test_somebody_chooses_italian_and_rome(cast: Cast, sign_in: SignIn, shoot: Shoot, phone: bool, dark: bool) -> None:
    rows_of(cast.collector, "select id, total from orders where customer_id = ?")
    name = f"{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}"
    page = sign_in(cast.alice, phone=phone, dark=dark)
    page.goto("/admin/preferences/")
    page.get_by_label("Name").fill("Alice Rossi")
    page.get_by_label("Language").select_option("it")
    page.get_by_label("Time zone").select_option("Europe/Rome")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Le preferenze sono state salvate.").wait_for()
    assert page.get_by_text("fuso Europe/Rome").is_visible()
    assert fits(page)
    shoot(page, f"preferences-{name}")
    for place, heading in (
        ("", "Home |"),
        ("queries/", "Query più costose"),
        ("collectors/collector/", "Scegli collector"),
    ):
        page.goto(f"/admin/{place}")
        assert page.title().startswith(heading)
        shoot(page, f"italian-{place.strip('/').rpartition('/')[2] or 'home'}-{name}")
    page.goto(f"/admin/collectors/collector/{cast.collector.pk}/change/")
    shoot(page, f"italian-collector-page-{name}")
    page.goto("/admin/collectors/monitoreddatabase/")
    shown = page.locator("time").last
    assert (shown.get_attribute("title") or "").endswith(" UTC")
    shoot(page, f"italian-databases-{name}")


def test_a_browser_tells_its_zone_for_somebody_who_chose_none(cast: Cast, sign_in: SignIn) -> None:
    page = sign_in(cast.alice)
    page.context.add_cookies(
        [{"name": "dbpower_time_zone", "value": "Asia/Kolkata", "domain": "localhost", "path": "/"}]
    )
    page.goto("/admin/preferences/")
    assert page.get_by_text("the zone Asia/Kolkata").is_visible()
    # The script has told the truth meanwhile.
    told = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    assert told["dbpower_time_zone"] == page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    assert User.objects.get(pk=cast.alice.pk).time_zone == ""
