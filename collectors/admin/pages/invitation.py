"""The page that an invitation's link opens, and the page that shows the link, once."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from collectors.admin import refusals, role_words, signed_in
from collectors.admin.forms import show_refusal
from collectors.domain import limits
from collectors.models import Invitation, User
from collectors.services import invitations
from collectors.services.errors import Refused, TooManyAttempts
from collectors.services.invitations import Invited

_TEMPLATE = "admin/dbpower/invitation.html"


class AcceptanceForm(forms.Form):
    """The password of the account, or of one to be."""

    password = forms.CharField(
        label=_("Password"),
        max_length=4096,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password", "autofocus": True}),
        help_text=_(
            "Have you an account with this address? Then its password. Otherwise choose one: you get an account with it."
        ),
    )
    name = forms.CharField(
        label=_("Your name"),
        max_length=limits.MAX_NAME_CHARACTERS,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("For a new account."),
    )


class LinkForm(forms.Form):
    """The token at the end of a link. A script fills it in and sends it, so that it stands in no address that is sent."""

    token = forms.CharField(
        label=_("What stands behind the # of your link"),
        max_length=200,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )


def invitation_page(site: Any, request: HttpRequest) -> HttpResponse:
    """Take the token of a link; show what is offered; accept it. Looking at the page uses nothing up."""
    link = LinkForm(request.POST or None)
    if not link.is_valid():
        return _page(site, request, None, link=link)
    token = link.cleaned_data["token"]
    invitation = invitations.find(token)
    if invitation is None:
        refusals.record_void_invitation(request)
        response = _page(site, request, None)
        response.status_code = 404
        return response
    if _is_invited(request, invitation):
        return _accept_signed_in(site, request, token, invitation)
    form = AcceptanceForm(request.POST if "accept" in request.POST else None)
    status = 200
    if form.is_valid():
        try:
            invitations.accept(token=token, **form.cleaned_data, actor=signed_in.actor(request))
        except TooManyAttempts as refusal:
            form.add_error(None, str(refusal))
            status = 429
        except Refused as refusal:
            if refusal.code == invitations.VOID:
                refusals.record_void_invitation(request)
            show_refusal(form, refusal)
        else:
            messages.success(request, _welcome(site, request, invitation))
            return HttpResponseRedirect(reverse("admin:login"))
    response = _page(site, request, invitation, form=form, token=token)
    response.status_code = status
    return response


def _welcome(site: Any, request: HttpRequest, invitation: Invitation) -> str:
    if not site.has_permission(request):
        return gettext("Welcome. Sign in with your password.")
    words = {"email": invitation.email, "other": signed_in.user(request).email}
    return gettext("%(email)s has the role now. You are still signed in as %(other)s.") % words


def invited_page(model_admin: Any, request: HttpRequest, made: list[Invited]) -> HttpResponse:
    """Show the links of new invitations, this once."""
    page = request.build_absolute_uri(reverse("admin:invitation"))
    title = gettext("%(email)s is invited") % {"email": made[0].row.email} if len(made) == 1 else gettext("New links")
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": model_admin.opts,
        "made": [(one.row, one.link(page), role_words.of(one.row.role)) for one in made],
    }
    response = render(request, "admin/dbpower/invited.html", context)
    response["Cache-Control"] = "no-store"
    return response


def _is_invited(request: HttpRequest, invitation: Invitation) -> bool:
    user = request.user
    return isinstance(user, User) and user.email == invitation.email and signed_in.with_second_factor(request)


def _accept_signed_in(site: Any, request: HttpRequest, token: str, invitation: Invitation) -> HttpResponse:
    form = forms.Form(request.POST or None)
    if "accept" in request.POST:
        try:
            user = signed_in.user(request)
            invitations.accept_as(token=token, user=user, actor=signed_in.actor(request))
        except Refused as refusal:
            refusals.record_refused(request, refusal)
            messages.error(request, str(refusal))
        else:
            place = invitation.team or invitation.organization
            text = gettext("You are %(role)s in %(place)s now.") % {"role": invitation.role, "place": place}
            messages.success(request, text)
        return HttpResponseRedirect(reverse("admin:index"))
    return _page(site, request, invitation, form=form, token=token, signed_in=True)


def _page(site: Any, request: HttpRequest, invitation: Invitation | None, **context: Any) -> HttpResponse:
    words = role_words.of(invitation.role) if invitation is not None else ""
    own = {"title": gettext("Invitation"), "invitation": invitation, "role_words": words}
    return render(request, _TEMPLATE, {**site.each_context(request), **own, **context})
