"""One's own second factor: asked for when signing in, set up, taken away."""

from typing import Any

import segno
from django import forms
from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextInputWidget

from collectors.admin import signed_in
from collectors.models import User
from collectors.services import second_factors
from collectors.services.errors import Refused, TooManyAttempts

_OUTSIDE = "unfold/layouts/unauthenticated.html"
_INSIDE = "admin/base_site.html"


class CodeForm(forms.Form):
    """A code of the authenticator app, or a recovery code."""

    code = forms.CharField(
        label=gettext_lazy("Code"),
        max_length=40,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "autofocus": True}),
    )


def second_factor_page(site: Any, request: HttpRequest) -> HttpResponse:
    """Show what there is to do for whoever proved the password: send the code, set a second factor up, or change it."""
    user = request.user
    if not isinstance(user, User) or not user.is_active or not user.is_staff:
        return HttpResponseRedirect(reverse("admin:login"))
    if "sign_out" in request.POST:
        logout(request)
        return HttpResponseRedirect(reverse("admin:login"))
    try:
        if not second_factors.is_on(user):
            return _set_up(site, request, user)
        if not second_factors.is_satisfied(user, request.session):
            return _ask(site, request, user)
        return _manage(site, request, user)
    except TooManyAttempts as refusal:
        response = _page(site, request, "too_many", refusal=str(refusal))
        response.status_code = 429
        response["Retry-After"] = str(refusal.retry_after_seconds)
        return response


def _ask(site: Any, request: HttpRequest, user: User) -> HttpResponse:
    form = CodeForm(request.POST or None)
    if form.is_valid():
        if second_factors.check_code(user=user, code=form.cleaned_data["code"], actor=signed_in.actor(request)):
            request.session.cycle_key()
            request.session[second_factors.SESSION_KEY] = True
            return HttpResponseRedirect(_next(request))
        form.add_error("code", _("This code is not right, or was used already."))
    return _page(site, request, "ask", form=form)


def _set_up(site: Any, request: HttpRequest, user: User) -> HttpResponse:
    if "begin" in request.POST:
        second_factors.begin(user=user)
        return HttpResponseRedirect(request.get_full_path())
    secret = second_factors.unconfirmed_secret(user=user)
    if secret is None:
        return _page(site, request, "begin")
    form = CodeForm(request.POST or None)
    if form.is_valid():
        codes = second_factors.confirm(user=user, code=form.cleaned_data["code"], actor=signed_in.actor(request))
        if codes is not None:
            # All logins ended with it, but for this one.
            update_session_auth_hash(request, user)
            request.session[second_factors.SESSION_KEY] = True
            return _page(site, request, "recovery_codes", codes="\n".join(codes), onward=_next(request))
        form.add_error("code", _("This code is not right. Is the clock of your device?"))
    address = second_factors.address_of(user=user, secret=secret)
    picture = segno.make(address, error="m").svg_data_uri(scale=5, light="white")
    return _page(site, request, "confirm", form=form, picture=picture, secret=secret)


def _manage(site: Any, request: HttpRequest, user: User) -> HttpResponse:
    actor = signed_in.actor(request)
    form = CodeForm(request.POST or None)
    form.fields["code"].widget.attrs.pop("autofocus")
    if form.is_valid():
        if not second_factors.check_code(user=user, code=form.cleaned_data["code"], actor=actor):
            form.add_error("code", _("This code is not right, or was used already."))
        elif "renew" in request.POST:
            codes = second_factors.renew_recovery_codes(user=user, actor=actor)
            return _page(site, request, "recovery_codes", codes="\n".join(codes), onward=reverse("admin:index"))
        elif "disable" in request.POST:
            try:
                second_factors.disable(user=user, actor=actor)
            except Refused as refusal:
                form.add_error(None, str(refusal))
            else:
                update_session_auth_hash(request, user)
                request.session.pop(second_factors.SESSION_KEY, None)
                messages.success(request, _("The second factor is off."))
                return HttpResponseRedirect(reverse("admin:second_factor"))
    row = user.second_factor
    return _page(site, request, "manage", form=form, row=row, codes_left=len(row.recovery_hashes))


def _page(site: Any, request: HttpRequest, step: str, **context: Any) -> HttpResponse:
    user = request.user
    inside = isinstance(user, User) and second_factors.is_satisfied(user, request.session)
    own = {
        "title": _("Second factor"),
        "layout": _INSIDE if inside else _OUTSIDE,
        "inside": inside,
        "step": step,
        "required": isinstance(user, User) and second_factors.is_required(user),
    }
    return render(request, "admin/dbpower/second_factor.html", {**site.each_context(request), **own, **context})


def _next(request: HttpRequest) -> str:
    """Return where the person wanted to go, if that is here."""
    wanted = request.GET.get("next", "")
    own = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if own else reverse("admin:index")
