"""Inviting, taking a role away and taking that back, in a browser; and the pages of these nouns in every look."""

import pytest
from playwright.sync_api import expect

from collectors.domain.roles import Role
from collectors.models import Membership
from collectors.services import people
from collectors.services.invitations import invite
from tests.admin.conftest import rows_of
from tests.browser.conftest import Shoot, SignIn
from tests.browser.test_admin import LOOKS, no_sideways_scrolling
from tests.browser.test_home import busy_fleet
from tests.cast import SOMEBODY, Cast

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def lived_in(cast: Cast) -> None:
    """Let there be something to see in Example GmbH."""
    busy_fleet(cast)
    people.add_membership(
        organization=cast.example, team=cast.warehouse, role=Role.TEAM_LEAD, user=cast.bob, actor=SOMEBODY
    )
    people.change_organization(organization=cast.example, actor=SOMEBODY, slow_query_retention_days=7)
    invite(organization=cast.example, team=cast.shop, role=Role.USER, email="nora@example.org", actor=SOMEBODY)


@pytest.mark.parametrize(("phone", "dark"), LOOKS)
def test_the_pages_are_clean_in_every_look(phone: bool, dark: bool, cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    lived_in(cast)
    page = sign_in(cast.alice, phone=phone, dark=dark)
    look = f"{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}"
    membership = cast.bob.memberships.get(team=cast.shop)
    for name, place in {
        "organization": f"organization/{cast.example.pk}/change/",
        "team": f"team/{cast.shop.pk}/change/",
        "person": f"user/{cast.bob.pk}/change/",
        "invite": "membership/add/",
        "invitations": "invitation/",
        "take-away": f"membership/{membership.pk}/delete/",
        "audit": "auditentry/",
        "nothing": "auditentry/?q=nothing-like-it",
    }.items():
        response = page.goto(f"/admin/collectors/{place}")
        assert response
        assert response.status == 200, place
        shoot(page, f"people-{name}-{look}")
        no_sideways_scrolling(page)


def test_somebody_is_invited_by_a_link_and_accepts(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    page = sign_in(cast.alice)
    page.goto(f"/admin/collectors/team/{cast.shop.pk}/change/")
    page.get_by_role("link", name="Invite somebody").first.click()
    page.get_by_label("E-mail address").fill(cast.mallory.email)
    page.get_by_role("radio", name="TEAM_LEAD").check()
    page.get_by_role("button", name="Save", exact=True).click()
    link = page.locator(".dbpower-copyable pre").inner_text()
    page.get_by_role("button", name="Copy the link").click()
    assert page.evaluate("navigator.clipboard.readText()") == link
    shoot(page, "people-invited")
    page.get_by_role("link", name="I have copied it").click()
    expect(page.locator("#result_list")).to_contain_text("mallory@example.net")

    invited = sign_in(cast.mallory)
    invited.goto(link)
    expect(invited.get_by_text("Runs one team")).to_be_visible()
    invited.get_by_role("button", name="Accept").click()
    expect(invited.get_by_text("You are TEAM_LEAD in Shop now.")).to_be_visible()


def test_a_role_is_taken_away_and_given_again_by_one_click(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    rows_of(cast.collector, "select 1")
    page = sign_in(cast.alice)
    page.goto(f"/admin/collectors/user/{cast.bob.pk}/change/")
    page.get_by_role("link", name="Take away bob@example.org · TEAM_LEAD").click()
    expect(page.get_by_text("is not TEAM_LEAD in Shop any more")).to_be_visible()
    page.get_by_role("button", name="Take away").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    assert not Membership.objects.filter(user=cast.bob).exists()
    shoot(page, "people-undo")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("bob@example.org is TEAM_LEAD in Shop again.")).to_be_visible()
    assert Membership.objects.filter(user=cast.bob, team=cast.shop, role=Role.TEAM_LEAD).exists()
