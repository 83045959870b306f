"""Registering a collector step by step, up to the first data of a real agent, without a reload."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from collectors.domain import keys
from collectors.models import Collector, Heartbeat
from tests.agent.agents import running_agent
from tests.agent.conftest import PASSWORD, mysql_site
from tests.browser.conftest import Shoot, SignIn
from tests.browser.test_admin import LOOKS, no_sideways_scrolling
from tests.cast import Cast
from tests.servers.mariadb import MariaDB

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ADD = "/admin/collectors/collector/add/"


def step(page: Page) -> str:
    """Return the title of the step that is shown."""
    return page.locator("[aria-current=step] .dbpower-step-title").inner_text()


def fill_in(page: Page, cast: Cast, name: str, engine: str, **connection: Any) -> None:
    page.goto(ADD)
    page.select_option("#id_team", str(cast.shop.pk))
    page.fill("#id_name", name)
    page.get_by_role("button", name="Next").click()
    page.select_option("#id_type", engine)
    for member, value in connection.items():
        page.fill(f"#id_db_{member}", str(value))
    page.get_by_role("button", name="Next").click()


@pytest.mark.parametrize(("phone", "dark"), LOOKS)
def test_each_step_shows_what_it_is_about(phone: bool, dark: bool, cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    look = f"{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}"
    page = sign_in(cast.bob, phone=phone, dark=dark)
    page.goto(ADD)
    expect(page.locator("#id_name")).to_be_visible()
    expect(page.locator("#id_db_host")).not_to_be_visible()
    shoot(page, f"register-1-{look}")
    fill_in(page, cast, "orders-primary", "postgres", host="db.example.org", user="watcher")
    expect(page.locator("#grants")).to_contain_text('CREATE ROLE "watcher" LOGIN')
    expect(page.locator("#grants")).not_to_contain_text("slow_log")
    shoot(page, f"register-3-{look}")
    no_sideways_scrolling(page)
    page.get_by_role("button", name="Back").click()
    expect(page.locator("#id_db_host")).to_have_value("db.example.org")
    shoot(page, f"register-2-{look}")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Register and show the key").click()
    expect(page.locator("#arrival")).to_contain_text("Waiting for")
    shoot(page, f"register-4-{look}")
    no_sideways_scrolling(page)


def test_what_is_missing_keeps_one_in_its_step_and_nothing_typed_is_lost(cast: Cast, sign_in: SignIn) -> None:
    page = sign_in(cast.bob)
    page.goto(ADD)
    page.select_option("#id_team", str(cast.shop.pk))
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#id_name")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "id_name"
    # What only the server knows to be wrong leads back to its step.
    fill_in(page, cast, "orders", "mysql", host="one,two")
    page.get_by_role("button", name="Register and show the key").click()
    expect(page.locator("#id_db_host")).to_be_visible()
    expect(page.locator("#id_db_host")).to_have_value("one,two")
    assert not Collector.objects.filter(name="orders").exists()


def test_the_whole_way_goes_by_keyboard_alone(cast: Cast, sign_in: SignIn) -> None:
    page = sign_in(cast.bob)
    page.goto(ADD)
    page.locator("#id_team").focus()
    page.keyboard.press("ArrowDown")
    page.locator("#id_name").focus()
    page.keyboard.type("by-keyboard")
    page.keyboard.press("Enter")
    expect(page.locator("#id_db_host")).to_be_visible()
    page.locator("#id_db_host").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#grants")).to_be_visible()
    page.get_by_role("button", name="Register and show the key").press("Enter")
    expect(page.locator("#copy-key")).to_be_visible()
    assert Collector.objects.filter(name="by-keyboard").exists()


def test_the_key_is_shown_once_and_copied(cast: Cast, sign_in: SignIn) -> None:
    page = sign_in(cast.bob)
    fill_in(page, cast, "orders-primary", "postgres", host="db.example.org", password="canary-typed-password")
    page.get_by_role("button", name="Register and show the key").click()
    expect(page.locator("#copy-key")).to_be_visible()
    key = page.inner_text("#copy-key")
    collector = Collector.objects.get(name="orders-primary")
    assert keys.matches(key, collector.api_key_hash)
    config = json.loads(page.inner_text("#copy-config"))
    assert (config["api_key"], config["collector_id"]) == (key, collector.pk)
    assert "canary-typed-password" not in page.content()
    page.click('[data-copy="copy-key"]')
    expect(page.locator('[data-copy="copy-key"]')).to_have_text("content_copyCopied")
    assert page.evaluate("navigator.clipboard.readText()") == key
    page.click("text=I have copied the key")
    page.wait_for_url("**/change/")
    assert key not in page.content()


def test_the_first_data_of_a_real_agent_appears_without_a_reload(
    cast: Cast, sign_in: SignIn, shoot: Shoot, mariadb: MariaDB, tmp_path: Path
) -> None:
    site = mysql_site(mariadb)
    site.run("SELECT SLEEP(0.05), 'first data'")
    page = sign_in(cast.bob)
    fill_in(page, cast, "orders", "mysql", host="127.0.0.1", port=mariadb.port, user=site.user)
    page.get_by_role("button", name="Register and show the key").click()
    config = json.loads(page.inner_text("#copy-config"))
    config["db_config"]["password"] = PASSWORD
    path = tmp_path / "config.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({**config, "state_dir": str(tmp_path / "state")}))
    page.evaluate("window.notReloaded = true")
    with running_agent(path):
        expect(page.locator("#arrival")).to_contain_text("The agent was heard", timeout=20_000)
        expect(page.locator("#arrival time").first).to_be_visible()
        expect(page.locator("#arrival")).to_contain_text("Numbers of orders are here.", timeout=30_000)
        expect(page.locator("#wizard-steps .dbpower-step-done")).to_have_count(5)
    assert page.evaluate("window.notReloaded")
    shoot(page, "register-5-arrived")
    page.get_by_role("link", name="See what costs most").click()
    expect(page.locator("table").last).to_contain_text("select sleep(?), ?")


def test_an_agent_that_cannot_read_is_told_with_what_mends_it(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    page = sign_in(cast.bob)
    fill_in(page, cast, "orders", "mysql", host="127.0.0.1")
    page.get_by_role("button", name="Register and show the key").click()
    expect(page.locator("#arrival")).to_contain_text("Waiting for")
    collector = Collector.objects.get(name="orders")
    source = {"readable": False, "detail": "SELECT command denied.", "remedy": "GRANT SELECT ON mysql.slow_log TO x"}
    Heartbeat.objects.filter(pk=collector.pk).update(
        last_heartbeat=collector.created_at, address="10.0.0.7", source=source, status="ERROR"
    )
    expect(page.locator("#arrival")).to_contain_text("GRANT SELECT ON mysql.slow_log TO x", timeout=10_000)
    shoot(page, "register-5-unreadable")
