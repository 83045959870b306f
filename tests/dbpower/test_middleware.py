"""Which proxies are believed."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from dbpower.middleware import TrustedProxies

PROXIES = ["10.0.0.0/8", "::1/128"]


def seen(settings: Settings, remote: str, **headers: str) -> HttpRequest:
    """Return the request as it comes out of the middleware."""
    settings.DBPOWER_TRUSTED_PROXIES = PROXIES
    passed: list[HttpRequest] = []

    def answer(request: HttpRequest) -> HttpResponse:
        passed.append(request)
        return HttpResponse()

    TrustedProxies(answer)(RequestFactory().get("/", REMOTE_ADDR=remote, headers=headers))
    return passed[0]


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("10.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "192.0.2.7, 10.1.1.1", "192.0.2.7"),
        # What stands left of the first address that is no proxy may be invented.
        ("10.0.0.1", "8.8.8.8, 192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "10.9.9.9", "10.9.9.9"),
        # What is no address is not believed at all.
        ("10.0.0.1", "192.0.2.7, <script>", "10.0.0.1"),
        ("10.0.0.1", "x" * 500, "10.0.0.1"),
        # A zone may be of any length and hold anything.
        ("10.0.0.1", "fe80::1%" + "x" * 100, "10.0.0.1"),
        ("10.0.0.1", "fe80::1%eth0", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", ",,", "10.0.0.1"),
        # Not from a proxy of ours.
        ("198.51.100.1", "192.0.2.7", "198.51.100.1"),
        ("not an address", "192.0.2.7", "not an address"),
    ],
)
def test_the_clients_address(settings: Settings, remote: str, forwarded: str, address: str) -> None:
    request = seen(settings, remote, **{"X-Forwarded-For": forwarded})
    assert request.META["REMOTE_ADDR"] == address
    assert "HTTP_X_FORWARDED_FOR" not in request.META


@pytest.mark.parametrize(
    ("remote", "scheme", "secure"),
    [("10.0.0.1", "https", True), ("10.0.0.1", "http", False), ("8.8.8.8", "https", False)],
)
def test_the_scheme(settings: Settings, remote: str, scheme: str, secure: bool) -> None:
    assert seen(settings, remote, **{"X-Forwarded-Proto": scheme}).is_secure() is secure


def test_a_network_that_is_none_stops_the_start(settings: Settings) -> None:
    settings.DBPOWER_TRUSTED_PROXIES = ["10.0.0.0/99"]
    with pytest.raises(ImproperlyConfigured, match="DBPOWER_TRUSTED_PROXIES"):
        TrustedProxies(lambda request: HttpResponse())
