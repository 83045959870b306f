"""What a browser in the console is shown where there is no page for it: plain words. Programs get the API's one error shape."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.defaults import permission_denied

from collectors.api import errors


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer somebody whose role is too small."""
    if not _is_console(request):
        answer: HttpResponse = permission_denied(request, exception)
        return answer
    title = _("Your role does not permit this")
    words = _("An administrator of your organization can give you another role. That you asked is in the audit.")
    return render(request, "admin/dbpower/error.html", {"title": title, "words": words}, status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that does not exist, or not for whoever asks: nobody is told which."""
    if not _is_console(request):
        return errors.not_found(request, exception)
    title = _("There is no such page")
    words = _("It was removed, the address is not whole, or it is not for you to see.")
    return render(request, "admin/dbpower/error.html", {"title": title, "words": words}, status=404)


def _is_console(request: HttpRequest) -> bool:
    return request.path.startswith("/admin/") and "text/html" in request.headers.get("Accept", "")
