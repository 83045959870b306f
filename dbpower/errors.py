"""Who answers when no view does: the console to browsers that look at its pages, the API's one error shape to programs."""

from types import ModuleType

from django.http import HttpRequest, HttpResponse
from django.views.defaults import permission_denied

from collectors.admin.pages import errors as console
from collectors.api import errors as api


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer a request that Django itself refuses, for example one for another host."""
    answer: HttpResponse = _asked(request).bad_request(request, exception)
    return answer


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer somebody whose role is too small. Views of the API have their own answer for it."""
    if _asked(request) is console:
        return console.forbidden(request, exception)
    answer: HttpResponse = permission_denied(request, exception)
    return answer


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer an address that does not exist, or not for whoever asks: nobody is told which."""
    answer: HttpResponse = _asked(request).not_found(request, exception)
    return answer


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer when something of ours broke; what it was is in the log."""
    answer: HttpResponse = _asked(request).server_error(request)
    return answer


def _asked(request: HttpRequest) -> ModuleType:
    is_page = request.path.startswith("/admin/") and "text/html" in request.headers.get("Accept", "")
    return console if is_page else api
