"""Enrolment tokens: with one of them many hosts register themselves."""

from datetime import timedelta
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from collectors.admin import signed_in
from collectors.admin.actions import scoped_action
from collectors.admin.base import ScopedModelAdmin
from collectors.admin.display import NOTHING
from collectors.admin.filters import ChoicesDropdownFilter, ScopedRelatedFilter
from collectors.admin.forms import RefusableForm
from collectors.admin.labels import RegionField, TagsField
from collectors.admin.site import site
from collectors.domain import limits
from collectors.domain.actors import Actor
from collectors.domain.roles import Permission
from collectors.domain.sources import Engine
from collectors.models import EnrolmentToken
from collectors.services import enrolments
from collectors.services.enrolments import Created

_CREATED: Final = "_dbpower_enrolment_token"
_SHOWN: Final[list[Any]] = ["name", "team", "type", "state", "used", "region", "given_tags", "created_at", "expires_at"]


class EnrolmentTokenForm(RefusableForm):
    """A token to be."""

    hours = forms.IntegerField(
        label=_("Hours that it lasts"),
        min_value=1,
        max_value=limits.MAX_ENROLMENT_HOURS,
        initial=limits.ENROLMENT_HOURS,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    max_uses = forms.IntegerField(
        label=_("Hosts that may use it"),
        min_value=1,
        max_value=limits.MAX_ENROLMENTS,
        initial=1,
        widget=UnfoldAdminIntegerFieldWidget,
    )

    region = RegionField(help_text=_("Where the hosts stand, as in: eu-west-1. Their collectors begin with it."))
    tags = TagsField(
        help_text=_("Their collectors begin with these words, separated by commas, as in: production, billing.")
    )

    class Meta:
        model = EnrolmentToken
        fields = ["team", "name", "type"]


@admin.register(EnrolmentToken, site=site)
class EnrolmentTokenAdmin(ScopedModelAdmin):
    """Tokens of the teams in which the signed-in person may add collectors."""

    view_permission = Permission.COLLECTOR_VIEW
    add_permission = Permission.COLLECTOR_KEY
    choice_permissions: ClassVar[dict[str, Permission]] = {"team": Permission.COLLECTOR_KEY}
    form = EnrolmentTokenForm
    list_display = _SHOWN
    list_filter = [("team", ScopedRelatedFilter), ("type", ChoicesDropdownFilter)]
    list_select_related = ["team"]
    search_fields = ["name"]
    empty_text = _(
        "With an enrolment token many hosts register themselves, each with a collector of its own, until it expires."
    )
    add_words = _("New enrolment token")
    add_fieldsets: Any = ((None, {"fields": ["team", "name", "type", "max_uses", "hours", "region", "tags"]}),)
    fields = _SHOWN
    actions = ["revoke"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:  # noqa: ARG002
        """Keep a token as it was made."""
        return _SHOWN if obj else []

    def create(self, request: HttpRequest, form: Any) -> EnrolmentToken:
        """Make a token."""
        chosen = form.cleaned_data
        created = enrolments.create_token(
            team=chosen["team"],
            name=chosen["name"],
            engine=Engine(chosen["type"]),
            max_uses=chosen["max_uses"],
            lifetime=timedelta(hours=chosen["hours"]),
            region=chosen["region"],
            tags=chosen["tags"],
            actor=signed_in.actor(request),
        )
        request.__dict__[_CREATED] = created
        return created.row

    def response_add(
        self,
        request: HttpRequest,
        obj: EnrolmentToken,
        post_url_continue: str | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        """Show the token, this once, with the commands that use it."""
        created: Created = request.__dict__[_CREATED]
        context = {
            **self.admin_site.each_context(request),
            "title": obj.name,
            "opts": self.opts,
            "created": created,
            "command": "dbpower-agent enroll --config config.json --token-file token "
            f"--url {request.build_absolute_uri('/').rstrip('/')}",
        }
        response = render(request, "admin/dbpower/enrolment_token.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.display(description=_("State"))
    def state(self, token: EnrolmentToken) -> str:
        """Return whether it can be used."""
        if token.revoked_at:
            return pgettext("state of a token", "revoked")
        if token.expires_at <= timezone.now():
            return pgettext("state of a token", "expired")
        if token.uses >= token.max_uses:
            return pgettext("state of a token", "used up")
        return pgettext("state of a token", "open")

    @admin.display(description=_("Used"))
    def used(self, token: EnrolmentToken) -> str:
        """Return how often it was used."""
        return gettext("%(uses)d of %(most)d") % {"uses": token.uses, "most": token.max_uses}

    @admin.display(description=_("Tags"))
    def given_tags(self, token: EnrolmentToken) -> str:
        """Return the tags that its collectors begin with."""
        return ", ".join(token.tags) or NOTHING

    @scoped_action(
        permission=Permission.COLLECTOR_MANAGE,
        label=_("Revoke"),
        icon="block",
        done=_("Revoked: {names}."),
        offered=lambda token: token.revoked_at is None,
        asks=_(
            "No host can register with it any more. The collectors that it made stay, with their keys. "
            "This cannot be undone, but you can make another token."
        ),
    )
    def revoke(self, row: Any, actor: Actor) -> Any:
        """End a token; the collectors that it made stay."""
        return enrolments.revoke_token(token=row, actor=actor)
