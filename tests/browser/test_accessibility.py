"""Every page of the console, as axe and the browser see it: in both themes, on a desk and on a phone.

The pages are those of the URL configuration, so that a new one is looked at without being named here.
"""

import re
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from collectors.domain.roles import Role
from collectors.models import ControlPlane, Heartbeat, Organization
from collectors.services import presence
from tests.access.admin_routes import Place, Route, place, routes
from tests.admin.test_query_counts import happened
from tests.browser import axe
from tests.browser.conftest import DESKTOP, PHONE, Shoot, SignIn
from tests.cast import PASSWORD, Cast, person

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Scenes = Callable[[Page, Cast], Iterator[str]]

# So that the work can be shared between processes.
PARTS = 6
ROUTES = [route for route in routes() if route.method == "GET" and "200" in route.answers.values()]
# One change at a time, and the rules that it bears on. A phone has the colours of the desk, but another layout.
LOOKS: tuple[tuple[Literal["light", "dark"], bool, tuple[str, ...]], ...] = (
    ("light", False, ()),
    ("dark", False, ("color-contrast",)),
    ("dark", True, ()),
)
# Rows in every list, and a row's own page for each, but nothing that moves: what is half-way has no colour of its own.
STILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"


def world(cast: Cast) -> Place:
    """Create something to be seen on every page."""
    somewhere = place(cast)
    happened(cast, 1)
    presence.record_worker()
    presence.record_beat()
    now = timezone.now()
    ControlPlane.objects.update(last_sweep_at=now)
    Heartbeat.objects.filter(pk=cast.collector.pk).update(status="ERROR", last_error="disk full", last_heartbeat=now)
    return somewhere


def is_page(client: Client, somewhere: Place, route: Route) -> bool:
    """Tell whether an address answers with a whole page. The others are parts of pages, files, or nothing to look at."""
    answer = client.get(somewhere.path(route), somewhere.query(route))
    return not answer.streaming and b"<html" in answer.content


def looked_at(page: Page, name: str, shoot: Shoot) -> list[str]:
    """Return what is wrong with the page that is shown, in every look."""
    axe.put_in(page)
    page.add_style_tag(content=STILL)
    found = axe.unseen_focus(page)
    for theme, phone, rules in LOOKS:
        page.set_viewport_size(PHONE if phone else DESKTOP)
        page.emulate_media(color_scheme=theme)
        page.evaluate("name => window.Alpine?.$data(document.documentElement).switchTheme(name)", theme)
        look = f"{'phone' if phone else 'desktop'}-{theme}"
        found += [f"{look}: {text}" for text in axe.violations(page, rules)]
        shoot(page, f"all-{name}-{look}", settle=0)
    # Scrolled sideways or not is the same in both themes.
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append("phone: the page scrolls sideways")
    page.set_viewport_size(DESKTOP)
    page.evaluate("window.Alpine?.$data(document.documentElement).switchTheme('light')")
    return [f"{name}: {text}" for text in found]


@pytest.mark.parametrize("part", range(PARTS))
def test_every_page_is_clean_in_every_look(part: int, cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    somewhere, client, found = world(cast), Client(), []
    client.force_login(cast.root)
    pages = [route for route in ROUTES[part::PARTS] if is_page(client, somewhere, route)]
    assert len(pages) > 5, "most addresses that answer are pages"
    page = sign_in(cast.root)
    for route in pages:
        answer = page.goto(somewhere.path(route))
        assert answer
        assert answer.status == 200, route
        scripts = re.search("script-src ([^;]*)", answer.headers["content-security-policy"])
        assert scripts
        assert scripts[1] == "'self' 'unsafe-eval'"
        found += looked_at(page, re.sub(r"\W+", "-", route.template).strip("-") or "home", shoot)
    assert not found, "\n".join(found)


def wizard(page: Page, cast: Cast) -> Iterator[str]:
    """Walk through the steps of registering a collector, with a refusal on the way."""
    page.goto("/admin/collectors/collector/add/")
    page.select_option("#id_team", str(cast.shop.pk))
    page.fill("#id_name", "orders-primary")
    page.get_by_role("button", name="Next").click()
    page.select_option("#id_type", "postgres")
    page.fill("#id_db_host", "one,two")
    page.locator("fieldset summary").first.click()
    yield "register-2"
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#grants")).to_contain_text("CREATE ROLE")
    yield "register-3"
    page.get_by_role("button", name="Register and show the key").click()
    expect(page.locator("#id_db_host")).to_be_visible()
    yield "register-refused"
    page.fill("#id_db_host", "db.example.org")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Register and show the key").click()
    expect(page.locator("#arrival")).to_contain_text("Waiting for")
    yield "register-4"


def lists(page: Page, cast: Cast) -> Iterator[str]:
    """Open what lies over lists, choose rows, find nothing, and rotate a key."""
    page.goto("/admin/collectors/collector/?q=nothing-of-that-name")
    yield "collectors-nothing-found"
    page.goto("/admin/collectors/collector/")
    page.locator("#filters > summary").click()
    yield "collectors-filters"
    page.check(f'input.action-select[value="{cast.collector.pk}"]')
    yield "collectors-chosen"
    page.locator("#bar").get_by_role("button", name="New key by hand").click()
    yield "rotate-key-asks"
    page.get_by_role("button", name="New key by hand").click()
    expect(page.locator("pre").first).to_be_visible()
    yield "rotate-key-shown"
    page.keyboard.press("Control+k")
    page.locator("#search-input-command").press_sequentially("mysql")
    expect(page.locator("#command-results-list")).to_contain_text("shop-mysql")
    yield "search"
    page.goto("/admin/queries/?q=nothing-of-that-text")
    yield "queries-nothing-found"


def own_account(page: Page, cast: Cast) -> Iterator[str]:
    """Set up a second factor, make a token, be refused a password."""
    page.goto("/admin/second-factor/")
    page.get_by_role("button", name="Set up").click()
    page.wait_for_selector("img.dbpower-qr")
    yield "second-factor-scan"
    page.goto("/admin/tokens/")
    page.fill("#id_name", "nightly report")
    page.get_by_label("See everything that I see").check()
    page.fill("#id_password", PASSWORD)
    page.locator("#id_password").press("Enter")
    expect(page.locator("pre").first).to_be_visible()
    yield "token-shown"
    page.goto("/admin/password_change/")
    page.fill("#id_old_password", "wrong")
    page.fill("#id_new_password1", "short")
    page.fill("#id_new_password2", "other")
    page.press("#id_new_password2", "Enter")
    expect(page.locator(".errornote, [role=alert], .errorlist").first).to_be_visible()
    yield "password-refused"


def refused(page: Page, cast: Cast) -> Iterator[str]:
    """Ask for what is not there and what is not permitted."""
    page.goto("/admin/no-such-page/")
    yield "absent"
    page.goto("/admin/queries/999999/")
    yield "absent-query"
    page.goto("/admin/collectors/auditentry/add/")
    yield "forbidden"
    page.goto("/admin/collectors/collector/999999/change/")
    yield "absent-row"
    page.goto("/admin/preferences/")
    page.context.clear_cookies(name="csrftoken")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("reload the page")).to_be_visible()
    yield "form-refused"


def signed_out(page: Page, cast: Cast) -> Iterator[str]:
    """Sign in, or fail to."""
    page.context.clear_cookies()
    page.goto("/admin/login/")
    yield "login"
    page.fill("#id_username", cast.carol.email)
    page.fill("#id_password", "wrong")
    page.press("#id_password", "Enter")
    expect(page.get_by_text("is not right")).to_be_visible()
    yield "login-refused"
    page.goto("/admin/invitation/")
    yield "invitation-without-token"


@pytest.mark.parametrize(
    "scenes", [wizard, lists, own_account, refused, signed_out], ids=lambda scenes: scenes.__name__
)
def test_what_is_done_on_a_page_leaves_it_clean(scenes: Scenes, cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    world(cast)
    page = sign_in(cast.bob)
    found = []
    for name in scenes(page, cast):
        found += looked_at(page, name, shoot)
    assert not found, "\n".join(found)


def test_pages_without_anything_to_show_are_clean(cast: Cast, sign_in: SignIn, shoot: Shoot) -> None:
    page, found = sign_in(person("new@example.com", Role.ORG_ADMIN, Organization.objects.create(name="New Ltd"))), []
    for name in ("", "queries/", "collectors/collector/", "collectors/collector/add/", "collectors/monitoreddatabase/"):
        page.goto(f"/admin/{name}")
        found += looked_at(page, f"empty-{re.sub('/', '-', name)}", shoot)
    assert not found, "\n".join(found)
