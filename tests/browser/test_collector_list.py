"""The list of collectors at work: it changes by itself, and nothing that somebody is about to do is lost by it."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from collectors.domain.sources import Engine
from collectors.models import Collector, Command, ControlPlane, Heartbeat, Lease, QueryRate
from collectors.services.collectors import change_collector, register_collector
from tests.browser.conftest import Shoot, SignIn
from tests.browser.test_admin import LOOKS, no_sideways_scrolling
from tests.cast import SOMEBODY, Cast, register

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LIST = "/admin/collectors/collector/"


def row_of(page: Page, collector: Collector) -> Any:
    return page.locator(f'tr[data-row="{collector.pk}"]')


def busy_fleet(cast: Cast) -> list[Collector]:
    """Make a fleet in which everything occurs that a row can show."""
    now = timezone.now()
    ControlPlane.objects.update(accepting_since=now - timedelta(days=1))
    made = [cast.collector]
    places = ("eu-west-1", "eu-south-1", "us-east-1")
    for number in range(11):
        engine = Engine.MYSQL if number % 2 else Engine.POSTGRES
        name = f"{('orders', 'billing', 'catalogue')[number % 3]}-{'primary' if number % 2 else 'replica'}-{number}"
        made.append(register(cast.shop, name, engine)[0])
    standby = register_collector(
        team=cast.shop,
        name="shop-mysql-b",
        engine=Engine.MYSQL,
        config={},
        database=cast.collector.database,
        actor=SOMEBODY,
    ).collector
    Lease.objects.create(
        database=cast.collector.database, organization_id=cast.example.pk, holder=cast.collector, epoch=1
    )
    statuses = ("ONLINE", "ONLINE", "ONLINE", "ERROR", "OFFLINE", "STOPPED", "STARTING")
    for number, collector in enumerate([*made, standby]):
        status = statuses[number % len(statuses)]
        age = {"OFFLINE": 8_000, "STARTING": 0}.get(status, 95 if number == 1 else 4 + number)
        Heartbeat.objects.filter(pk=collector.pk).update(
            status=status,
            last_heartbeat=None if status == "STARTING" else now - timedelta(seconds=age),
            last_collection=None if status == "STARTING" else now - timedelta(seconds=age + 70),
            queries_collected=1_000_000 * number,
            errors_count=number if status == "ERROR" else 0,
            last_error="SELECT command denied to user 'dbpower'" if status == "ERROR" else "",
            version="0.1.0",
            spool={"files": 0, "data_age_seconds": 60 if number % 4 else 4_000},
            source={"readable": status != "ERROR"},
        )
        if number % 3 != 2:
            QueryRate.objects.create(
                collector=collector,
                organization_id=cast.example.pk,
                queries=1,
                collected_at=now - timedelta(minutes=2),
                since=now - timedelta(minutes=12),
                per_minute=12.5 + 9_731 * number,
            )
        change_collector(
            collector=collector,
            region=places[number % 3],
            tags=["production", "gdpr"] if number % 2 else ["staging"],
            actor=SOMEBODY,
        )
    return [*made, standby]


@pytest.mark.parametrize(("phone", "dark"), LOOKS)
def test_the_list_looks_right(phone: bool, dark: bool, cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    busy_fleet(cast)
    look = f"{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}"
    page = sign_in(cast.bob, phone=phone, dark=dark)
    page.goto(LIST)
    expect(page.locator("#live-word")).to_have_text("Live")
    shoot(page, f"collector-list-{look}")
    no_sideways_scrolling(page)
    frame = page.locator(".dbpower-table-frame")
    assert frame.evaluate("frame => frame.scrollWidth - frame.clientWidth") == 0
    row_of(page, cast.collector).get_by_role("checkbox").check()
    expect(page.locator("#bar-count")).to_have_text("1 chosen")
    shoot(page, f"collector-list-chosen-{look}")
    no_sideways_scrolling(page)
    page.locator("#filters > summary").click()
    shoot(page, f"collector-list-filters-{look}")
    no_sideways_scrolling(page)


def test_a_row_changes_by_itself_and_nothing_in_hand_is_lost(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    busy_fleet(cast)
    page = sign_in(cast.bob)
    page.goto(LIST)
    row = row_of(page, cast.collector)
    expect(row).to_contain_text("ONLINE")
    row.get_by_role("checkbox").check()
    pressed = row.get_by_role("button", name="Collect now")
    pressed.focus()
    page.evaluate("window.scrollTo(0, 120)")
    page.evaluate("document.getElementById('result_list').dataset.untouched = 'yes'")

    Heartbeat.objects.filter(pk=cast.collector.pk).update(status="ERROR", errors_count=41, last_error="gone away")

    expect(row).to_contain_text("ERROR", timeout=10_000)
    expect(row.locator('[data-cell="errors"]')).to_have_text("41")
    expect(row.locator('[data-cell="status"]')).to_have_class("dbpower-flash")
    expect(row.get_by_role("checkbox")).to_be_checked()
    expect(pressed).to_be_focused()
    assert page.evaluate("window.scrollY") == 120
    assert page.locator("#result_list").get_attribute("data-untouched") == "yes"
    # Focus stays even when the button in hand becomes another one.
    row.get_by_role("button", name="Stop").focus()
    Collector.objects.filter(pk=cast.collector.pk).update(auto_collect=False)
    expect(row.get_by_role("button", name="Start")).to_be_visible(timeout=10_000)
    assert page.evaluate("document.activeElement.closest('tr').dataset.row") == str(cast.collector.pk)


def test_a_marked_text_stays_marked_and_an_age_ticks(cast: Cast, sign_in: SignIn) -> None:
    busy_fleet(cast)
    page = sign_in(cast.bob)
    page.goto(LIST)
    row = row_of(page, cast.collector)
    age = row.locator('[data-cell="heartbeat"] time')
    before = age.inner_text()
    expect(age).not_to_have_text(before, timeout=4_000)
    row.locator(".dbpower-name").evaluate("name => window.getSelection().selectAllChildren(name)")
    Heartbeat.objects.filter(pk=cast.collector.pk).update(status="OFFLINE")
    Collector.objects.filter(pk=cast.collector.pk).update(name="renamed")
    expect(row).to_contain_text("OFFLINE", timeout=10_000)
    assert page.evaluate("window.getSelection().toString()") == "shop-mysql"


def test_rows_come_and_go_by_themselves(cast: Cast, sign_in: SignIn) -> None:
    collectors = busy_fleet(cast)
    page = sign_in(cast.bob)
    page.goto(f"{LIST}?heartbeat__status__exact=ERROR")
    expect(page.locator("#rows tr")).to_have_count(2)
    chosen, other = (c for c in collectors if Heartbeat.objects.get(pk=c.pk).status == "ERROR")
    row_of(page, chosen).get_by_role("checkbox").check()
    Heartbeat.objects.filter(status="ERROR").update(status="ONLINE")
    Heartbeat.objects.filter(pk=cast.collector.pk).update(status="ERROR")
    expect(row_of(page, cast.collector)).to_be_visible(timeout=10_000)
    expect(row_of(page, other)).to_have_count(0)
    expect(row_of(page, chosen)).to_have_class("dbpower-gone")
    expect(page.locator("#bar-count")).to_have_text("1 chosen")


def test_it_pauses_and_tells_when_the_connection_is_lost(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    page = sign_in(cast.bob, alone=True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/live/" in request.url else None)
    page.goto(LIST)
    with page.expect_response(lambda answer: "/live/" in answer.url) as first:
        pass
    assert first.value.status == 304
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#live-word")).to_have_text("Paused")
    page.wait_for_timeout(500)
    asked.clear()
    page.wait_for_timeout(6_000)
    assert asked == []
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#live-word")).to_have_text("Live")
    # Open menus are not disturbed.
    page.locator("#filters > summary").click()
    page.wait_for_timeout(1_200)
    asked.clear()
    page.wait_for_timeout(6_000)
    assert asked == []
    page.keyboard.press("Escape")
    expect(page.locator("#filters")).not_to_have_attribute("open", "")
    page.route("**/live/**", lambda route: route.abort("aborted"))
    expect(page.locator("#live-word")).to_have_text("Connection lost, trying again", timeout=10_000)
    shoot(page, "collector-list-lost")
    page.unroute("**/live/**")
    page.get_by_role("button", name="Try now").click()
    expect(page.locator("#live-word")).to_have_text("Live")
    page.context.clear_cookies()
    expect(page.locator("#live-word")).to_have_text("You are signed out", timeout=10_000)


def test_stopping_asks_first_shows_how_far_it_got_and_can_be_undone(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    busy_fleet(cast)
    page = sign_in(cast.bob)
    page.goto(LIST)
    row = row_of(page, cast.collector)
    row.get_by_role("button", name="Stop").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Stop: shop-mysql?")
    shoot(page, "collector-list-ask-desktop-light")
    dialog.get_by_role("button", name="Leave it").click()
    assert not Command.objects.exists()

    row.get_by_role("button", name="Stop").click()
    dialog.get_by_role("button", name="Stop").click()
    expect(row).to_contain_text("stop … asked")
    expect(page.locator("#said")).to_contain_text("Asked to stop: shop-mysql.")
    shoot(page, "collector-list-asked-desktop-light")
    command = Command.objects.get()
    Command.objects.update(state="delivered")
    expect(row).to_contain_text("stop → delivered", timeout=10_000)
    Command.objects.update(state="succeeded", ended_at=timezone.now())
    Heartbeat.objects.filter(pk=cast.collector.pk).update(status="STOPPED")
    expect(row).to_contain_text("stop ✓ done", timeout=10_000)
    expect(row).to_contain_text("STOPPED")
    assert page.url.endswith(LIST)

    page.get_by_role("button", name="Undo: start again").click()
    expect(row).to_contain_text("start … asked")
    assert Command.objects.exclude(pk=command.pk).get().command == "start"


def test_several_are_stopped_and_started_again_without_the_lists_script(
    cast: Cast, sign_in: SignIn, shoot: Shoot
) -> None:
    busy_fleet(cast)
    page = sign_in(cast.bob, alone=True)
    page.route("**/collectors/collectors*.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.goto(f"{LIST}?q=shop")
    row_of(page, cast.collector).get_by_role("checkbox").check()
    page.locator("#bar").get_by_role("button", name="Stop").click()
    expect(page.locator("body")).to_contain_text("A collector that stands by takes over")
    shoot(page, "collector-list-confirm-desktop-light")
    assert not Command.objects.exists()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".dbpower-undo")).to_contain_text("1 collector was asked to stop.")
    assert page.url.endswith(f"{LIST}?q=shop")
    page.get_by_role("button", name="Undo: start again").click()
    assert list(Command.objects.order_by("id").values_list("command", flat=True)) == ["stop", "start"]
    row_of(page, cast.collector).get_by_role("button", name="Collect now").click()
    assert page.url.endswith(f"{LIST}?q=shop")
    assert Command.objects.filter(command="collect").count() == 1
