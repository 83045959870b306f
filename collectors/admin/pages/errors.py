"""What a person sees in the place of a page: what happened, in plain words, and where to go on."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from collectors.admin import refusals
from collectors.admin.site import site


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Answer a request that Django itself refuses. Nothing of it is used, not even who sends it."""
    text = _("What was sent cannot be read. Go back, reload the page, and try once more.")
    return _plain(request, HTTPStatus.BAD_REQUEST, _("The request is not valid"), text)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Answer somebody whose role is too small."""
    text = _("Your role does not permit this. Whoever administers your organization can give you another.")
    return _shown(request, HTTPStatus.FORBIDDEN, _("You may not do this"), text)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Answer an address that leads nowhere. What belongs to another tenant reads the same."""
    text = _("Perhaps it was deleted, or the address is not complete. What you are looking for may be in a list.")
    return _shown(request, HTTPStatus.NOT_FOUND, _("There is no such page"), text)


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Answer a form without the token of its session."""
    refusals.record_form_without_token(request)
    text = _(
        "This form was open for too long, or your browser keeps no cookies. Go back, reload the page, and try again."
    )
    return _plain(request, HTTPStatus.FORBIDDEN, _("The form was not taken"), text)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer when something of ours broke. Nothing is asked of the database, which may be what is broken."""
    text = _("Something went wrong on the server, and is written into its log. Try again in a moment.")
    return _plain(request, HTTPStatus.INTERNAL_SERVER_ERROR, _("This did not work"), text)


def _shown(request: HttpRequest, status: HTTPStatus, title: str, text: str) -> HttpResponse:
    if not hasattr(request, "user") or not site.has_permission(request):
        return _plain(request, status, title, text)
    context = {**site.each_context(request), "title": title, "text": text}
    return render(request, "admin/dbpower/error.html", context, status=status)


def _plain(request: HttpRequest, status: HTTPStatus, title: str, text: str) -> HttpResponse:
    return render(request, "admin/dbpower/error_plain.html", {"title": title, "text": text}, status=status)
