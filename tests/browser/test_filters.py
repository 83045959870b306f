"""Filters of lists in a browser: what is too much to list is searched for."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from collectors.domain.sources import Engine
from collectors.models import Team
from tests.browser.conftest import Shoot, SignIn
from tests.cast import Cast, register

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LOOKS: list[Any] = [pytest.param(False, False, id="light"), pytest.param(True, True, id="phone-dark")]


@pytest.mark.parametrize(("phone", "dark"), LOOKS)
def test_a_team_of_many_is_found_by_typing_a_part_of_its_name(
    cast: Cast, sign_in: SignIn, shoot: Shoot, phone: bool, dark: bool
) -> None:
    Team.objects.bulk_create(Team(organization=cast.example, name=f"Squad {number:03}") for number in range(80))
    chosen = Team.objects.get(name="Squad 042")
    register(chosen, "squad-database", Engine.MYSQL)
    page: Page = sign_in(cast.alice, phone=phone, dark=dark)
    page.goto("/admin/collectors/monitoreddatabase/")

    page.get_by_text("filter_list").first.click()
    page.locator("#filter-form .select2-selection").first.wait_for()
    page.locator("#filter-form .select2-selection").nth(1).click()
    page.locator(".select2-search__field").fill("squad 04")
    page.get_by_role("option", name="Squad 042").wait_for()
    shoot(page, "filter")
    page.get_by_role("option", name="Squad 042").click()
    page.get_by_role("button", name=re.compile("Apply")).click()

    expect(page).to_have_url(re.compile(rf"team__id__exact={chosen.pk}"))
    expect(page.locator("#result_list")).to_contain_text("squad-database")
    expect(page.locator("#result_list")).not_to_contain_text("shop-mysql")
