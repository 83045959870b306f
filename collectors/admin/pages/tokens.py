"""One's own API tokens: made and shown once, listed, revoked."""

from typing import Any, Final, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from collectors.access import visible_to
from collectors.admin import signed_in
from collectors.admin.forms import show_refusal
from collectors.domain import limits
from collectors.domain.personal_tokens import TokenScope
from collectors.models import PersonalToken, User
from collectors.services import personal_tokens
from collectors.services.errors import Refused

_SCOPES: Final = [
    (TokenScope.READ.value, _("See everything that I see")),
    (TokenScope.COMMAND.value, _("Start and stop collectors, collect now")),
    (TokenScope.COLLECTORS.value, _("Register, change and remove collectors and databases")),
    (TokenScope.PEOPLE.value, _("Organizations, teams and memberships")),
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


def tokens_page(site: Any, request: HttpRequest) -> HttpResponse:
    """List one's tokens; make one and answer with it; revoke one."""
    own = visible_to(PersonalToken.objects.all(), signed_in.principal(request))
    actor = signed_in.actor(request)
    if "revoke" in request.POST:
        wanted = request.POST["revoke"]
        token = get_object_or_404(own, pk=int(wanted) if wanted.isascii() and wanted.isdigit() else 0)
        personal_tokens.revoke_token(token=token, actor=actor)
        messages.success(request, gettext("%(token)s is revoked.") % {"token": token.name})
        return HttpResponseRedirect(reverse("admin:tokens"))
    form = TokenForm(request.POST if request.method == "POST" else None)
    created = None
    if form.is_valid():
        chosen = form.cleaned_data
        try:
            created = personal_tokens.create_token(
                user=cast(User, request.user),
                name=chosen["name"],
                scopes=[TokenScope(scope) for scope in chosen["scopes"]],
                days=chosen["days"],
                actor=actor,
            )
            form = TokenForm()
        except Refused as refusal:
            show_refusal(form, refusal)
    context = {"title": gettext("API tokens"), "form": form, "created": created, "tokens": own.order_by("-pk")}
    return render(request, "admin/dbpower/tokens.html", {**site.each_context(request), **context})
