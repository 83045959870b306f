"""From the click to the plan: a real agent, a real server, a browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from collectors.domain.commands import CommandType
from collectors.domain.sources import Engine
from collectors.models import Collector, Fingerprint, Plan, Team
from collectors.services.collectors import register_collector
from collectors.services.commands import request_command
from tests.agent.agents import eventually, running_agent, write_config
from tests.agent.test_plans import CANARY, Shop, open_shop
from tests.browser.conftest import Shoot, SignIn
from tests.browser.test_admin import LOOKS, no_sideways_scrolling
from tests.cast import SOMEBODY, Cast
from tests.domain.test_plans import reported
from tests.servers.postgresql import PostgreSQL
from tests.services.test_plans import ask, known_statement, report

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

QUERY = "SELECT state, count(*) FROM live WHERE total > %s GROUP BY state ORDER BY 2 DESC"


@pytest.fixture
def shop(postgresql_17: PostgreSQL, tmp_path: Path) -> Iterator[Shop]:
    opened = open_shop(postgresql_17, tmp_path)
    yield opened
    opened.as_root("DROP SCHEMA IF EXISTS dbpower CASCADE")


def collect(collector: Collector) -> None:
    command = request_command(collector=collector, command=CommandType.COLLECT, actor=SOMEBODY)

    def ended() -> Any:
        command.refresh_from_db()
        return command.ended_at

    eventually(ended, what="a collection")


def everything_stored() -> str:
    return "".join(str(list(model._base_manager.values_list())) for model in apps.get_models())


def test_a_plan_comes_with_a_click_once_the_functions_are_installed(
    cast: Cast, shop: Shop, sign_in: SignIn, shoot: Shoot, settings: Settings, live_server: LiveServer, tmp_path: Path
) -> None:
    settings.DBPOWER_HEARTBEAT_SECONDS = 1
    Team.objects.filter(pk=cast.warehouse.pk).update(plans=True)
    collector, key = register_collector(
        team=cast.warehouse,
        name="orders",
        engine=Engine.POSTGRES,
        config={"user": shop.site.role},
        actor=SOMEBODY,
    )
    known: dict[str, Any] = {"collector_id": collector.pk, "api_key": key, "heartbeat_seconds": 1}
    page = sign_in(cast.dave)
    with running_agent(write_config(tmp_path, live_server.url, "postgres", shop.site.db_config, **known)):
        collect(collector)
        shop.as_app(QUERY, [5])
        collect(collector)
        fingerprint = eventually(Fingerprint.objects.filter(text__contains="from live").first, what="the text")
        page.goto(f"/admin/queries/{fingerprint.pk}/")
        page.evaluate("window.notReloaded = true")
        page.get_by_role("button", name="Ask for the plan").press("Enter")
        expect(page.locator("#plan")).to_contain_text("not installed in this database", timeout=20_000)
        page.get_by_text("What a superuser runs").click()
        shoot(page, "plan-setup")
        shop.as_root(page.inner_text("#copy-plan-setup"))
        page.get_by_role("button", name="Ask for the plan").press("Enter")
        expect(page.locator(".dbpower-plan-step").first).to_be_visible(timeout=20_000)
    assert page.evaluate("window.notReloaded")
    expect(page.locator("#plan")).to_contain_text("on public.orders")
    shoot(page, "plan-arrived")
    plan = Plan.objects.get()
    assert "state <> ?::text" in str(plan.nodes)
    assert CANARY not in everything_stored()


def planned(cast: Cast) -> Fingerprint:
    """Keep two plans of a statement, the later without its index."""
    statement = known_statement(cast)
    known_statement(cast, "11:5:77:t", user_name="nightly report")
    scan = {"relation": "orders", "schema": "public", "alias": "o", "rows": 120_000, "width": 44, "depth": 2}
    index = {
        **scan,
        "type": "Index Scan",
        "index": "orders_state_created_at",
        "startup_cost": 0.43,
        "total_cost": 812.2,
    }
    index |= {"index_cond": "o.state = ? and o.created_at > ?", "filter": "o.total > ?::numeric"}
    hashed = {"depth": 2, "type": "Hash", "rows": 900, "width": 12, "total_cost": 31.5, "startup_cost": 31.5}
    inner = {"depth": 3, "type": "Seq Scan", "relation": "customers", "alias": "c", "rows": 900, "width": 12}
    inner |= {"total_cost": 21.5, "startup_cost": 0}
    join = {"depth": 1, "type": "Hash Join", "join": "Left", "hash_cond": "o.customer_id = c.id", "rows": 90_000}
    rest = [hashed, inner]
    report(cast, ask(statement), reported({**join, "total_cost": 1200, "width": 50}, index, *rest))
    slow = {**scan, "type": "Seq Scan", "parallel": True, "workers": 2, "startup_cost": 0, "total_cost": 88_120.75}
    slow["filter"] = "o.state = ? and o.created_at > ? and o.total > ?::numeric"
    report(cast, ask(statement), reported({**join, "total_cost": 91_030, "width": 50}, slow, *rest, omitted=2))
    return statement.fingerprint  # type: ignore[return-value]


@pytest.mark.parametrize(("phone", "dark"), LOOKS)
def test_plans_are_read_and_compared_in_both_themes_and_on_a_phone(
    phone: bool, dark: bool, cast: Cast, sign_in: SignIn, shoot: Shoot
) -> None:
    look = f"{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}"
    fingerprint = planned(cast)
    page: Page = sign_in(cast.dave, phone=phone, dark=dark)
    page.goto(f"/admin/queries/{fingerprint.pk}/")
    expect(page.get_by_text("2 more steps")).to_be_visible()
    shoot(page, f"plan-{look}")
    no_sideways_scrolling(page)
    page.locator(".dbpower-plan-kept a").press("Enter")
    expect(page.get_by_text("only here").first).to_be_visible()
    shoot(page, f"plan-compared-{look}")
    no_sideways_scrolling(page)
    closed = page.locator(".dbpower-plan-step:not([open]) > summary").first
    closed.press("Enter")
    page.select_option("#plan-statement", label="warehouse-pg · shop · nightly report")
    expect(page.locator("#plan")).to_contain_text("Nobody has asked for the plan")
