"""What an operator does in the admin, done in a browser, with the content security policy in force."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from collectors.domain import keys
from collectors.domain.roles import Role
from collectors.domain.sources import Engine
from collectors.models import Collector, Command, ControlPlane, Heartbeat, User
from collectors.services.invitations import invite
from tests.admin.conftest import Rows, rows_of
from tests.browser.conftest import Shoot, SignIn
from tests.cast import PASSWORD, SOMEBODY, Cast, register

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LOOKS: list[Any] = [
    pytest.param(False, False, id="light"),
    pytest.param(False, True, id="dark"),
    pytest.param(True, False, id="phone-light"),
    pytest.param(True, True, id="phone-dark"),
]


def fleet(cast: Cast) -> Rows:
    """Give the cast's collectors something to show."""
    now = timezone.now()
    ControlPlane.objects.update(accepting_since=now - timedelta(days=1))
    rows = rows_of(
        cast.collector, "select o.id, o.total from orders o join customers c on c.id = o.customer where c.city = ?"
    )
    Heartbeat.objects.filter(pk=cast.collector.pk).update(
        status="ERROR",
        last_heartbeat=now - timedelta(seconds=12),
        last_collection=now - timedelta(minutes=4),
        queries_collected=48_213,
        errors_count=3,
        uptime_seconds=93_000,
        version="0.1.0",
        last_error="SELECT command denied to user 'dbpower'@'10.0.0.7' for table `mysql`.`slow_log`",
        last_error_at=now - timedelta(seconds=12),
        source={
            "name": "slow_log",
            "readable": False,
            "detail": "The slow log cannot be read.",
            "remedy": "GRANT SELECT ON mysql.slow_log TO 'dbpower'@'10.0.0.7'",
        },
    )
    for number, status in enumerate(("ONLINE", "STOPPED", "OFFLINE", "STARTING")):
        collector, _ = register(cast.shop, f"shop-{status.lower()}", Engine.POSTGRES)
        age = timedelta(seconds=4 + number, hours=5 if status == "OFFLINE" else 0)
        last = None if status == "STARTING" else now - age
        Heartbeat.objects.filter(pk=collector.pk).update(
            status=status, last_heartbeat=last, queries_collected=1_000 * number
        )
    return rows


def no_sideways_scrolling(page: Page) -> None:
    """The page itself must fit the screen; tables scroll inside."""
    widths = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert widths[0] <= widths[1]


def test_the_sign_in_page_refuses_and_lets_in(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    page = sign_in(cast.carol)
    page.context.clear_cookies()
    page.goto("/admin/login/")
    page.fill("#id_username", cast.carol.email)
    page.fill("#id_password", "wrong")
    page.press("#id_password", "Enter")
    expect(page.locator("#login-form")).to_be_visible()
    assert "The e-mail address or the password is not right" in page.content()
    shoot(page, "login-refused")
    page.fill("#id_password", PASSWORD)
    page.press("#id_password", "Enter")
    page.wait_for_url("**/admin/")


def test_a_command_is_given_from_the_list(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    fleet(cast)
    page = sign_in(cast.bob)
    page.goto("/admin/collectors/collector/")
    page.check(f'input.action-select[value="{cast.collector.pk}"]')
    shoot(page, "collectors-action-desktop-light")
    page.locator("#bar").get_by_role("button", name="Collect now").click()
    expect(page.get_by_text("Asked to collect now: shop-mysql.")).to_be_visible()
    command = Command.objects.filter(requested_by=cast.bob).get()
    assert (command.collector_id, command.command) == (cast.collector.pk, "collect")


def test_a_command_is_given_and_cancelled_by_buttons(cast: Cast, sign_in: SignIn) -> None:
    page = sign_in(cast.bob, phone=True)
    page.goto(f"/admin/collectors/collector/{cast.collector.pk}/change/")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Asked to stop: shop-mysql.")).to_be_visible()
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    command = Command.objects.get()
    page.goto(f"/admin/collectors/command/{command.pk}/change/")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled: stop")).to_be_visible()
    assert Collector.objects.get(pk=cast.collector.pk).auto_collect


def test_the_keys_of_several_are_rotated_from_the_list(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    page = sign_in(cast.alice)
    page.goto("/admin/collectors/collector/")
    page.check("#action-toggle")
    page.locator("#bar").get_by_role("button", name="New key by hand").click()
    page.get_by_role("button", name="New key by hand").click()
    expect(page.locator("pre")).to_have_count(2)
    shoot(page, "keys-desktop-light")
    key = page.inner_text(f"#copy-{cast.collector.pk}")
    assert keys.matches(key, Collector.objects.get(pk=cast.collector.pk).api_key_hash)


def test_the_list_is_narrowed_by_filter_and_search(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    fleet(cast)
    page = sign_in(cast.alice)
    page.goto("/admin/collectors/collector/")
    page.locator("#filters > summary").click()
    page.select_option('select[name="heartbeat__status__exact"]', "OFFLINE")
    shoot(page, "collectors-filters-desktop-light")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(page.locator("#result_list")).to_contain_text("shop-offline")


def test_the_command_search_opens_and_finds_own_rows_alone(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    page = sign_in(cast.alice)
    page.goto("/admin/")
    page.keyboard.press("Control+k")
    page.locator("#search-input-command").press_sequentially("mysql")
    expect(page.locator("#command-results-list")).to_contain_text("shop-mysql")
    assert "foreign-mysql" not in page.content()
    shoot(page, "search-desktop-light")


def test_a_user_sees_nothing_of_collectors(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    fleet(cast)
    page = sign_in(cast.carol)
    page.goto("/admin/")
    shoot(page, "home-user-desktop-light")
    expect(page.locator("#nav-sidebar-apps")).to_contain_text("Top queries")
    assert "/admin/collectors/collector/" not in page.content()
    assert "Commands" not in page.inner_text("body")
    page.goto("/admin/queries/")
    expect(page.locator("table.dbpower-queries")).to_contain_text("select o.id")
    page.goto("/admin/collectors/monitoreddatabase/")
    expect(page.locator("#result_list")).to_contain_text("shop-mysql")


def test_the_theme_is_switched_by_hand(cast: Cast, sign_in: SignIn) -> None:
    page = sign_in(cast.alice)
    page.goto("/admin/")
    page.evaluate("localStorage.setItem('adminTheme', JSON.stringify('dark'))")
    page.reload()
    assert page.evaluate("document.documentElement.classList.contains('dark')")


def test_ones_own_password_is_changed(cast: Cast, sign_in: SignIn) -> None:
    page = sign_in(cast.carol)
    page.goto("/admin/password_change/")
    page.fill("#id_old_password", "a long enough pass phrase")
    page.fill("#id_new_password1", "quite another phrase")
    page.fill("#id_new_password2", "quite another phrase")
    page.press("#id_new_password2", "Enter")
    page.wait_for_url("**/password_change/done/")
    assert User.objects.get(pk=cast.carol.pk).check_password("quite another phrase")


def test_an_invitation_is_opened_by_what_stands_behind_the_hash_and_taken(
    cast: Cast, sign_in: SignIn, shoot: Shoot
) -> None:
    made = invite(
        organization=cast.example, team=cast.shop, role=Role.USER, email="mallory@example.net", actor=SOMEBODY
    )
    page = sign_in(cast.mallory, alone=True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(made.link("/admin/invitation/"))
    expect(page.get_by_text("Example GmbH")).to_be_visible()
    shoot(page, "invitation")
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("You are USER in Shop now.")).to_be_visible()
    assert asked
    assert not [url for url in [*asked, page.url] if made.token in url]
