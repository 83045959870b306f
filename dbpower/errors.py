"""Who answers when no view does: the console to people who look at its pages, the API to everybody else."""

from types import ModuleType

from django.http import HttpRequest, HttpResponse

from collectors.admin.pages import errors as console
from collectors.api import errors as api


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer a request that Django itself refuses, for example one for another host."""
    answer: HttpResponse = _asked(request).bad_request(request, exception)
    return answer


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer an address that does not exist."""
    answer: HttpResponse = _asked(request).not_found(request, exception)
    return answer


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer when something of ours broke; what it was is in the log."""
    answer: HttpResponse = _asked(request).server_error(request)
    return answer


def _asked(request: HttpRequest) -> ModuleType:
    return console if request.path.startswith("/admin/") else api
