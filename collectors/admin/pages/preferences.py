"""One's own preferences: how one is called, what the console speaks, and in which time zone it tells times."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from collectors.admin import signed_in
from collectors.admin.forms import show_refusal
from collectors.domain import limits, time_zones
from collectors.models import User
from collectors.services import people
from collectors.services.errors import Refused


def _languages() -> list[tuple[str, str]]:
    return [("", _("As the browser asks")), *settings.LANGUAGES]


def _zones() -> list[tuple[str, Any]]:
    """Return the zones by region."""
    regions = [(region, [(name, name) for name in names]) for region, names in time_zones.by_region().items()]
    return [("", _("As the browser says")), (time_zones.UTC, time_zones.UTC), *regions]


class PreferencesForm(forms.Form):
    """What a person may choose of the console."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=limits.MAX_NAME_CHARACTERS,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "name"}),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language"), choices=_languages, required=False, widget=UnfoldAdminSelectWidget
    )
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        choices=_zones,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy("Hover over a time to see it in UTC."),
    )

    def __init__(self, user: User, data: Any = None) -> None:
        super().__init__(data, initial={"name": user.name, "language": user.language, "time_zone": user.time_zone})
        # A zone that no list offers may have been chosen by other ways, and stays.
        if user.time_zone and not self.fields["time_zone"].valid_value(user.time_zone):  # type: ignore[attr-defined]
            self.fields["time_zone"].choices = [*_zones(), (user.time_zone, user.time_zone)]  # type: ignore[attr-defined]


def preferences_page(site: Any, request: HttpRequest) -> HttpResponse:
    """Show one's preferences; change them."""
    user = signed_in.user(request)
    form = PreferencesForm(user, request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            people.change_preferences(user=user, **form.cleaned_data, actor=signed_in.actor(request))
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            # What is said now is read on the next page, which speaks the language that was just chosen.
            with translation.override(user.language or translation.get_language_from_request(request)):
                messages.success(request, _("Your preferences are saved."))
            return HttpResponseRedirect(reverse("admin:preferences"))
    context = {
        "title": _("Preferences"),
        "form": form,
        "now": timezone.now(),
        "zone": timezone.get_current_timezone_name(),
    }
    return render(request, "admin/dbpower/preferences.html", {**site.each_context(request), **context})
