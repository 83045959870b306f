"""One's own API tokens: made and shown once, listed, revoked."""

from collections.abc import Iterable
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from collectors.access import visible_to
from collectors.admin import refusals, signed_in
from collectors.admin.base import MAX_ID_DIGITS
from collectors.admin.forms import show_refusal
from collectors.domain import limits
from collectors.domain.personal_tokens import TokenScope
from collectors.models import PersonalToken
from collectors.services import logins, personal_tokens
from collectors.services.errors import Refused

_SCOPES: Final = [
    (TokenScope.READ.value, _("See everything that I see")),
    (TokenScope.COMMAND.value, _("Start and stop collectors, collect now")),
    (TokenScope.COLLECTORS.value, _("Change and remove collectors and databases, ask agents for new keys")),
    (TokenScope.PEOPLE.value, _("Organizations and teams; take roles away")),
    (TokenScope.ANNOTATE.value, _("See statements, and write notes and tags on them")),
]


class TokenForm(forms.Form):
    """A token to be."""

    name = forms.CharField(
        label=_("Name"),
        max_length=limits.MAX_NAME_CHARACTERS,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("What it is for, so that you know later what to revoke."),
    )
    days = forms.IntegerField(
        label=_("Days that it lasts"),
        min_value=1,
        max_value=limits.MAX_TOKEN_DAYS,
        initial=limits.TOKEN_DAYS,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    scopes = forms.MultipleChoiceField(
        label=_("What it may do, as far as you may"), choices=_SCOPES, widget=forms.CheckboxSelectMultiple
    )
    password = forms.CharField(
        label=_("Your password"),
        max_length=4096,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
        help_text=_("Asked for again, so that whoever finds you signed in makes no token."),
    )


def _told(tokens: Iterable[PersonalToken]) -> list[dict[str, Any]]:
    """Return tokens with what they permit and whether they are good, in words."""
    now, words = timezone.now(), dict(_SCOPES)
    return [
        {
            "row": token,
            "scopes": [words.get(scope, scope) for scope in token.scopes],
            "is_good": token.revoked_at is None and token.expires_at > now,
        }
        for token in tokens
    ]


def tokens_page(site: Any, request: HttpRequest) -> HttpResponse:
    """List one's tokens; make one and answer with it; revoke one."""
    own = visible_to(PersonalToken.objects.all(), signed_in.principal(request))
    actor = signed_in.actor(request)
    if "revoke" in request.POST:
        wanted = request.POST["revoke"]
        known = wanted.isascii() and wanted.isdigit() and len(wanted) <= MAX_ID_DIGITS
        token = get_object_or_404(own, pk=int(wanted) if known else 0)
        if "confirmed" not in request.POST:
            title = gettext("Revoke %(token)s?") % {"token": token.name}
            asked = {**site.each_context(request), "title": title, "told": _told([token])[0]}
            return render(request, "admin/dbpower/token_revoke.html", asked)
        personal_tokens.revoke_token(token=token, actor=actor)
        messages.success(request, gettext("%(token)s is revoked.") % {"token": token.name})
        return HttpResponseRedirect(reverse("admin:tokens"))
    form = TokenForm(request.POST if request.method == "POST" else None)
    created = None
    if form.is_valid():
        chosen = form.cleaned_data
        user = signed_in.user(request)
        try:
            if not logins.check_own_password(user=user, password=chosen["password"], actor=actor):
                message = gettext("This is not your password.")
                raise Refused(message, code="invalid", errors={"password": [message]})
            created = personal_tokens.create_token(
                user=user,
                name=chosen["name"],
                scopes=[TokenScope(scope) for scope in chosen["scopes"]],
                days=chosen["days"],
                actor=actor,
            )
            form = TokenForm()
        except Refused as refusal:
            refusals.record_refused(request, refusal)
            show_refusal(form, refusal)
    context = {"title": gettext("API tokens"), "form": form, "created": created, "tokens": _told(own.order_by("-pk"))}
    return render(request, "admin/dbpower/tokens.html", {**site.each_context(request), **context})
