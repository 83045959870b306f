"""What every request and answer passes through: trusted proxies and people's languages on the way in, a content security
policy on the way out.
"""

import ipaddress
from collections.abc import Callable
from datetime import UTC, tzinfo
from typing import Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers

from collectors.domain import time_zones

# Where the browser says in which time zone it is.
TIME_ZONE_COOKIE: Final = "dbpower_time_zone"
GetResponse = Callable[[HttpRequest], HttpResponse]

_POLICY = (
    "default-src 'self'; "
    # Alpine, which the admin's theme is built on, evaluates expressions from attributes.
    "script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


class TrustedProxies:
    """Believe X-Forwarded-For and X-Forwarded-Proto from the proxies in DBPOWER_TRUSTED_PROXIES, and drop them from anyone else."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        try:
            self.networks = [ipaddress.ip_network(text) for text in settings.DBPOWER_TRUSTED_PROXIES]
        except ValueError as error:
            raise ImproperlyConfigured(f"DBPOWER_TRUSTED_PROXIES: {error}") from error

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Set REMOTE_ADDR and the scheme to the client's, as far as the chain of proxies is trusted."""
        forwarded_for = str(request.META.pop("HTTP_X_FORWARDED_FOR", ""))
        scheme = str(request.META.pop("HTTP_X_FORWARDED_PROTO", ""))
        if self._trusted(request.META.get("REMOTE_ADDR", "")):
            if scheme.strip().lower() == "https":
                request.META["wsgi.url_scheme"] = "https"
            # The rightmost address that is not a proxy of ours: everything left of it may be invented.
            for address in reversed([part.strip() for part in forwarded_for.split(",") if part.strip()]):
                if not _is_address(address):
                    break
                request.META["REMOTE_ADDR"] = address
                if not self._trusted(address):
                    break
        return self.get_response(request)

    def _trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class ContentSecurityPolicy:
    """Send the policy with every answer. Nothing is loaded from another host, nobody frames a page."""

    def __init__(self, get_response: GetResponse) -> None:
        if settings.DEBUG:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request with the policy in its headers."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", _POLICY)
        return response


class LanguageAndZone:
    """Speak to whoever is in the console in their language, and tell times in their zone. Elsewhere it is English and UTC.

    Both are the person's own choice, else what the browser says. They belong to the thread only while the request lasts, so
    nothing else ever meets them: neither the next request nor a stream that is written afterwards.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request in the language and the zone of whoever asks."""
        if not request.path.startswith(reverse("admin:index")):
            return self.get_response(request)
        language = _language(request)
        with translation.override(language), timezone.override(_zone(request)):
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        patch_vary_headers(response, ["Accept-Language"])
        return response


def _language(request: HttpRequest) -> str:
    chosen: str = getattr(request.user, "language", "")
    return chosen if chosen in dict(settings.LANGUAGES) else translation.get_language_from_request(request)


def _zone(request: HttpRequest) -> tzinfo:
    chosen = time_zones.zone_of(getattr(request.user, "time_zone", ""))
    return chosen or time_zones.zone_of(request.COOKIES.get(TIME_ZONE_COOKIE, "")) or UTC
