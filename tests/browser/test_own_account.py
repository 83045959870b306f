"""One's own account in a browser: a second factor from the first scan to the next sign-in, and API tokens."""

import pytest
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from collectors.services import people
from tests.authenticator import Authenticator
from tests.browser.conftest import Shoot, SignIn
from tests.cast import PASSWORD, SOMEBODY, Cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_second_factor_is_set_up_and_asked_for_at_the_next_sign_in(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    page = sign_in(cast.bob)
    page.goto("/admin/second-factor/")
    page.get_by_role("button", name="Set up").click()
    page.wait_for_selector("img.dbpower-qr")
    assert page.evaluate("document.querySelector('img.dbpower-qr').naturalWidth") > 100
    shoot(page, "second-factor-scan")
    app = Authenticator(page.locator("#copy-secret").inner_text())
    page.fill("#id_code", app.code())
    page.get_by_role("button", name="Switch on").click()
    codes = page.locator("#copy-codes").inner_text().split()
    assert len(codes) == 10
    shoot(page, "second-factor-codes")
    page.get_by_role("link", name="I have kept them").click()
    page.wait_for_url("**/admin/")
    page.goto("/admin/second-factor/")
    shoot(page, "second-factor-on")

    other = page.context.browser
    assert isinstance(other, Browser)
    again = other.new_context(base_url=page.url.split("/admin")[0]).new_page()
    again.goto("/admin/collectors/team/")
    again.fill("#id_username", cast.bob.email)
    again.fill("#id_password", PASSWORD)
    again.press("#id_password", "Enter")
    again.wait_for_selector("#id_code")
    shoot(again, "second-factor-ask")
    again.fill("#id_code", app.code(1))
    again.press("#id_code", "Enter")
    again.wait_for_url("**/admin/collectors/team/")
    again.context.close()


def test_an_organization_that_asks_for_one_leads_to_setting_it_up(
    cast: Cast, chromium: Browser, live_server: LiveServer, shoot: Shoot
) -> None:
    people.change_organization(organization=cast.example, actor=SOMEBODY, second_factor_required=True)
    page = chromium.new_context(base_url=live_server.url).new_page()
    page.goto("/admin/login/")
    page.fill("#id_username", cast.bob.email)
    page.fill("#id_password", PASSWORD)
    page.press("#id_password", "Enter")
    page.get_by_role("button", name="Set up").click()
    page.wait_for_selector("img.dbpower-qr")
    shoot(page, "second-factor-required")
    page.context.close()


def test_a_token_is_made_shown_and_revoked(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    page = sign_in(cast.bob)
    page.goto("/admin/tokens/")
    page.fill("#id_name", "nightly report")
    page.get_by_label("See everything that I see").check()
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Make the token").click()
    token = page.locator("#copy-token").inner_text()
    assert token.startswith("dbp_")
    shoot(page, "tokens")
    page.goto("/admin/tokens/")
    assert token not in page.content()
    page.get_by_role("button", name="Revoke nightly report").click()
    page.get_by_text("It was never used.").wait_for()
    page.get_by_role("button", name="Revoke").click()
    page.wait_for_selector("text=is revoked")
    assert page.locator("td", has_text="revoked 20").count() == 1
