"""Chromium, and pages that notice whatever a visitor should never see."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, ViewportSize, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from collectors.models import User
from tests.cast import PASSWORD

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
]
DESKTOP: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
SignIn = Callable[..., Page]
Shoot = Callable[..., None]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
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


@pytest.fixture
def sign_in(chromium: Browser, live_server: LiveServer) -> Iterator[SignIn]:
    """Return a function that signs somebody in through the form; whatever went wrong on the pages fails the test."""
    watches: list[Watch] = []
    contexts = []

    def signed_in(user: User, *, phone: bool = False, dark: bool = False) -> Page:
        context = chromium.new_context(
            base_url=live_server.url,
            viewport=PHONE if phone else DESKTOP,
            color_scheme="dark" if dark else "light",
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=live_server.url)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        watches.append(Watch(page, live_server.url))
        page.goto("/admin/login/")
        page.fill("#id_username", user.email)
        page.fill("#id_password", PASSWORD)
        page.press("#id_password", "Enter")
        page.wait_for_url("**/admin/")
        return page

    yield signed_in
    found = [text for watch in watches for text in watch.found]
    for context in contexts:
        context.close()
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


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Settings) -> None:
    """Hash the cast's passwords quickly."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
