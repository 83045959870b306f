"""Chromium, and pages that notice whatever a visitor should never see."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    Response,
    ViewportSize,
    sync_playwright,
)
from pytest_django.live_server_helper import LiveServer

from collectors.models import User
from tests.servers.process import find_program

# Playwright keeps an event loop in this thread, which Django would take for a reason to refuse the database.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Letters as wide as on screens of today, whichever program draws them.
    "--font-render-hinting=none",
]
DESKTOP: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
SignIn = Callable[..., Page]
Shoot = Callable[..., None]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without the windows of its own that nobody sees where that is installed: pages cost a third less."""
    program = find_program("chromium-headless-shell", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


class Watch:
    """Collects what went wrong on a page: console errors (a broken content security policy is one), requests elsewhere."""

    def __init__(self, page: Page, address: str) -> None:
        self._own = urlsplit(address).netloc
        self.found: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"error: {error}"))
        page.on("request", self._request)
        page.on("response", self._response)
        page.on("requestfailed", self._failed)

    def _failed(self, request: Request) -> None:
        # Whoever leaves a page ends what it was still loading.
        if request.failure != "net::ERR_ABORTED":
            self.found.append(f"failed: {request.url} {request.failure}")

    def _console(self, message: ConsoleMessage) -> None:
        # That an answer was a refusal is noted below, unless it is the page itself that somebody asked for.
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource: the server"):
            self.found.append(f"console: {message.text}")

    def _response(self, response: Response) -> None:
        expected = 500 if response.request.is_navigation_request() else 400
        if response.status >= expected:
            self.found.append(f"answered: {response.url} {response.status}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and parts.netloc != self._own:
            self.found.append(f"elsewhere: {request.url}")


class Pages:
    """Pages of the browser, each in a context of its own, that are used by one test after another.

    A new one for each test would cost a second of processor time before the first page of the console is there. One that
    was used keeps what it has fetched and compiled: no cookies, nothing that scripts have stored, and no document.
    """

    def __init__(self, browser: Browser, address: str) -> None:
        self._browser = browser
        self._address = address
        self._free: list[tuple[Page, Watch]] = []

    def take(self) -> tuple[Page, Watch]:
        """Return an empty page on which nobody is signed in."""
        return self._free.pop() if self._free else self.new()

    def new(self) -> tuple[Page, Watch]:
        context = self._browser.new_context(base_url=self._address, viewport=DESKTOP)
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=self._address)
        page = context.new_page()
        page.set_default_timeout(15_000)
        return page, Watch(page, self._address)

    def give_back(self, page: Page, watch: Watch) -> None:
        """Empty the page for the next test."""
        page.goto("about:blank")  # Where no script runs that could store something once more.
        page.mouse.move(0, 0)
        session = page.context.new_cdp_session(page)
        session.send("Storage.clearDataForOrigin", {"origin": self._address, "storageTypes": "all"})
        session.detach()
        page.context.clear_cookies()
        watch.found.clear()
        self._free.append((page, watch))


@pytest.fixture(scope="session")
def pages(chromium: Browser, live_server: LiveServer) -> Pages:
    return Pages(chromium, live_server.url)


@pytest.fixture
def sign_in(pages: Pages, live_server: LiveServer) -> Iterator[SignIn]:
    """Return a function that makes an empty page for somebody signed in; whatever goes wrong on it fails the test.

    The session is made as the form makes it, which has a test of its own. A test that listens to its page, or changes what it
    loads or its clock, has it `alone`: nobody uses it afterwards.
    """
    shared: list[tuple[Page, Watch]] = []
    own: list[tuple[Page, Watch]] = []

    def signed_in(user: User, *, phone: bool = False, dark: bool = False, alone: bool = False) -> Page:
        page, watch = pages.new() if alone else pages.take()
        (own if alone else shared).append((page, watch))
        visitor = Client()
        visitor.force_login(user)
        cookie = visitor.cookies[settings.SESSION_COOKIE_NAME]
        page.context.add_cookies(
            [{"name": cookie.key, "value": cookie.value, "url": live_server.url, "httpOnly": True, "sameSite": "Lax"}]
        )
        page.set_viewport_size(PHONE if phone else DESKTOP)
        page.emulate_media(color_scheme="dark" if dark else "light")
        return page

    yield signed_in
    found = [text for _, watch in (*shared, *own) for text in watch.found]
    for page, watch in shared:
        pages.give_back(page, watch)
    for page, _ in own:
        page.context.close()
    assert found == []


@pytest.fixture
def shoot(tmp_path: Path) -> Shoot:
    """Return a function that keeps a picture of a page in DBPOWER_SCREENSHOTS, or with the test's own files."""
    folder = Path(os.environ.get("DBPOWER_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def taken(page: Page, name: str, settle: int = 250) -> None:
        page.evaluate("document.fonts.ready")
        if settle:
            page.wait_for_timeout(settle)
        page.screenshot(path=folder / f"{name}.png", full_page=True)

    return taken
