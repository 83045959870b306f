"""Flows through the list of collectors: a new agent is heard, a real one is stopped, filters are kept, roles see what they may."""

import re
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from collectors.domain.sources import Engine
from collectors.models import Collector, Command, SavedFilter
from collectors.services.collectors import change_collector, register_collector
from tests.agent.agents import running_agent, write_config
from tests.browser.conftest import Shoot, SignIn
from tests.browser.test_admin import no_sideways_scrolling
from tests.browser.test_collector_list import LIST, busy_fleet, row_of
from tests.cast import SOMEBODY, Cast
from tests.servers import MariaDB

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# How many fields of the filters cannot be used once they were sent.
DISABLED_AFTERWARDS = """async () => {
  window.addEventListener("submit", (event) => event.preventDefault(), { once: true });
  const form = document.getElementById("filter-form");
  form.requestSubmit();
  await new Promise((done) => setTimeout(done, 50));
  return [...form.elements].filter((field) => field.disabled).length;
}"""


def beat(live_server: LiveServer, collector: Collector, key: str, **stats: Any) -> None:
    """Send a heartbeat as an agent does."""
    answer = requests.post(
        f"{live_server.url}/api/v1/collectors/{collector.pk}/heartbeat",
        json={"stats": {"queries_collected": 0, "errors_count": 0, "uptime_seconds": 5, **stats}},
        headers={"X-Collector-API-Key": key},
        timeout=10,
    )
    assert answer.ok, answer.text


def test_a_new_collector_appears_and_comes_alive_without_a_reload(
    cast: Cast, sign_in: SignIn, live_server: LiveServer
) -> None:
    page = sign_in(cast.bob)
    page.goto(f"{LIST}?q=")
    page.evaluate("window.sameDocument = true")
    chosen = row_of(page, cast.collector).get_by_role("checkbox")
    chosen.check()
    made = register_collector(team=cast.shop, name="a-new-one", engine=Engine.MYSQL, config={}, actor=SOMEBODY)
    row = row_of(page, made.collector)
    expect(row).to_contain_text("STARTING", timeout=10_000)
    expect(row).to_contain_text("never")
    chosen.focus()
    beat(live_server, made.collector, made.api_key)
    expect(row).to_contain_text("ONLINE", timeout=10_000)
    expect(row.locator('[data-cell="heartbeat"]')).to_have_text(re.compile(r"^\d+ s ago$"))
    beat(live_server, made.collector, made.api_key, errors_count=7)
    expect(row.locator('[data-cell="errors"]')).to_have_text("7", timeout=10_000)
    expect(chosen).to_be_checked()
    expect(chosen).to_be_focused()
    assert page.evaluate("window.sameDocument")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_row_changes_when_a_real_agent_has_stopped(
    cast: Cast,
    sign_in: SignIn,
    shoot: Shoot,
    live_server: LiveServer,
    mariadb: MariaDB,
    settings: Settings,
    tmp_path: Path,
) -> None:
    settings.DBPOWER_HEARTBEAT_SECONDS = 1
    mariadb.execute("DROP USER IF EXISTS 'listed'@'127.0.0.1'")
    mariadb.execute("CREATE USER 'listed'@'127.0.0.1' IDENTIFIED BY 'listed-of-the-test'")
    mariadb.execute("GRANT SELECT ON mysql.slow_log TO 'listed'@'127.0.0.1'")
    config = {"host": mariadb.host, "port": mariadb.port, "user": "listed", "password": "listed-of-the-test"}
    made = register_collector(team=cast.shop, name="with-agent", engine=Engine.MYSQL, config=config, actor=SOMEBODY)
    page = sign_in(cast.bob)
    page.goto(LIST)
    page.evaluate("window.sameDocument = true")
    row = row_of(page, made.collector)
    expect(row).to_contain_text("STARTING")
    path = write_config(
        tmp_path, live_server.url, "mysql", config, collector_id=made.collector.pk, api_key=made.api_key
    )
    with running_agent(path):
        expect(row).to_contain_text("ONLINE", timeout=30_000)
        row.get_by_role("button", name="Stop").click()
        page.get_by_role("dialog").get_by_role("button", name="Stop").click()
        expect(row).to_contain_text("asked")
        expect(row).to_contain_text("STOPPED", timeout=30_000)
        expect(row).to_contain_text("done")
        shoot(page, "collector-list-stopped-desktop-light")
        assert Command.objects.get().state == "succeeded"
        page.get_by_role("button", name="Undo: start again").click()
        expect(row).to_contain_text("ONLINE", timeout=30_000)
    assert page.evaluate("window.sameDocument")


def test_filters_are_found_by_typing_removed_and_kept(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    busy_fleet(cast)
    page = sign_in(cast.bob)
    page.goto(LIST)
    page.locator("#filters > summary").click()
    page.locator("#filter-tag").press_sequentially("gd")
    expect(page.locator("#filter-tag + datalist option")).to_have_attribute("value", "gdpr")
    page.locator("#filter-tag").fill("gdpr")
    page.locator("#filter-heartbeat__status__exact").select_option("ONLINE")
    assert page.evaluate(DISABLED_AFTERWARDS) == 0, "a page that is brought back is whole"
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**tag=gdpr**")
    assert "region=" not in page.url
    expect(page.locator(".dbpower-active li")).to_have_count(3)
    narrowed = page.locator("#rows tr").count()
    assert 0 < narrowed < 13
    shoot(page, "collector-list-narrowed-desktop-light")

    page.locator("summary", has_text="Save").click()
    page.get_by_label("Name of this filter").fill("GDPR, online")
    page.get_by_label("Show it first when the list is opened").check()
    shoot(page, "collector-list-save-desktop-light")
    page.get_by_role("button", name="Save filter").click()
    expect(page.locator(".dbpower-segments [aria-current]")).to_contain_text("GDPR, online")
    assert SavedFilter.objects.get().user_id == cast.bob.pk
    page.locator(".dbpower-active a", has_text="Status").click()
    page.wait_for_url(re.compile(r"\?tag=gdpr$"))
    expect(page.locator("#rows tr").nth(narrowed)).to_be_visible()

    page.goto(LIST)
    page.wait_for_url("**tag=gdpr**")
    page.get_by_role("link", name="All", exact=True).click()
    expect(page.locator("#rows tr")).to_have_count(13)
    page.get_by_role("link", name="Manage filters").click()
    shoot(page, "collector-list-manage-desktop-light")
    page.get_by_label("Name", exact=True).fill("Renamed")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Renamed")
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("body")).to_contain_text("You have saved no filter yet.")


def test_columns_are_chosen_and_kept(cast: Cast, sign_in: SignIn) -> None:
    busy_fleet(cast)
    page = sign_in(cast.bob)
    page.goto(LIST)
    page.locator("summary", has_text="Columns").click()
    page.locator(".dbpower-columns").get_by_label("Version").uncheck()
    page.locator(".dbpower-columns").get_by_label("Database").check()
    page.get_by_role("button", name="Show these").click()
    for _ in range(2):
        expect(page.locator("#result_list thead")).to_contain_text("Database")
        expect(page.locator("#result_list thead")).not_to_contain_text("Version")
        page.goto(LIST)


def test_labels_are_completed_on_a_collectors_page(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    change_collector(collector=cast.collector, tags=["production", "gdpr"], region="eu-1", actor=SOMEBODY)
    change_collector(collector=cast.foreign_collector, tags=["production-foreign"], actor=SOMEBODY)
    page = sign_in(cast.bob)
    page.goto(f"/admin/collectors/collector/{cast.collector.pk}/change/")
    tags = page.get_by_label("Tags")
    expect(tags).to_have_value("gdpr, production")
    tags.fill("gdpr, prod")
    expect(page.locator("#id_tags + datalist option")).to_have_attribute("value", "gdpr, production")
    tags.fill("gdpr, billing")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url(re.compile(r"/admin/collectors/collector/\??"))
    expect(row_of(page, cast.collector)).to_contain_text("billing")


def test_a_lead_sees_the_own_team_and_a_user_no_collector(cast: Cast, sign_in: SignIn) -> None:
    page = sign_in(cast.bob)
    page.goto(LIST)
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(row_of(page, cast.collector).get_by_role("button")).to_have_count(3)
    Collector.objects.update(region="everywhere")
    with page.expect_response(lambda answer: "/live/" in answer.url) as caught:
        expect(page.locator("#rows")).to_contain_text("everywhere", timeout=10_000)
    answer = caught.value.text()
    assert "shop-mysql" in answer
    assert "warehouse-pg" not in answer
    assert "foreign-mysql" not in answer
    page = sign_in(cast.carol)
    assert page.request.get(LIST).status == 403
    assert page.request.get(f"{LIST}live/").status == 403


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_an_empty_list_says_what_to_do(phone: bool, cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    page = sign_in(cast.bob, phone=phone)
    page.goto(f"{LIST}?tag=nothing")
    expect(page.locator("#empty")).to_contain_text("No collector fits these filters.")
    shoot(page, f"collector-list-empty-{'phone' if phone else 'desktop'}-light")
    no_sideways_scrolling(page)
    cast.collector.delete()
    page.goto(f"{LIST}?q=")
    expect(page.locator("#empty")).to_contain_text("There is no collector yet.")
    made = register_collector(team=cast.shop, name="first", engine=Engine.MYSQL, config={}, actor=SOMEBODY)
    expect(row_of(page, made.collector)).to_be_visible(timeout=10_000)
    expect(page.locator("#empty")).to_be_hidden()
