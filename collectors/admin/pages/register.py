"""The form to register a collector."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from django import forms
from django.core.exceptions import PermissionDenied
from django.forms.models import ModelChoiceIterator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from collectors.access import Principal, permitted
from collectors.admin import refusals, signed_in
from collectors.admin.base import number_in
from collectors.admin.connections import CONNECTION_FIELDS, ConnectionForm
from collectors.admin.forms import show_refusal
from collectors.admin.labels import RegionField, TagsField
from collectors.admin.pages.grants import grants_context
from collectors.admin.pages.keys import registered_page
from collectors.admin.pages.wizard import wizard
from collectors.domain import limits
from collectors.domain.roles import Permission
from collectors.domain.sources import Engine
from collectors.models import MonitoredDatabase, Team
from collectors.services import collectors
from collectors.services.collectors import Registered
from collectors.services.errors import Refused

_OFTEN: Final = ("db_host", "db_port", "db_user", "db_password", "db_database")
_SELDOM: Final = tuple(name for name in CONNECTION_FIELDS if name not in _OFTEN)
_ENGINES = [(Engine.MYSQL.value, _("MySQL or MariaDB")), (Engine.POSTGRES.value, "PostgreSQL")]


class TeamChoice(forms.ModelChoiceField[Team]):
    """Teams with their organizations, for whoever belongs to several."""

    def label_from_instance(self, obj: Any) -> str:
        """Return how the team is listed."""
        return f"{obj.name} ({obj.organization.name})"


class FirstChoices(ModelChoiceIterator[Any]):
    """The first rows by name: a page with every database of a large fleet would take seconds. Any other is still a valid choice."""

    def __iter__(self) -> Iterator[Any]:
        """Return the choices that are listed."""
        return islice(super().__iter__(), limits.MAX_PAGE_SIZE + 1)


class DatabaseChoice(forms.ModelChoiceField[MonitoredDatabase]):
    """Databases with what must fit the rest of the form. The first of them are listed."""

    iterator = FirstChoices

    def label_from_instance(self, obj: Any) -> str:
        """Return how the database is listed."""
        return gettext("%(name)s (%(type)s, team %(team)s)") % {
            "name": obj.name,
            "type": obj.type,
            "team": obj.team.name,
        }


@dataclass(frozen=True)
class Section:
    """Fields that are filled in together: a step. `more` are those that are needed seldom."""

    step: int
    title: str
    text: str
    fields: list[forms.BoundField]
    more: list[forms.BoundField] = field(default_factory=list)
    more_open: bool = False

    @property
    def refused(self) -> bool:
        """Whether something in it was refused."""
        return any(one.errors for one in (*self.fields, *self.more))


class RegisterForm(ConnectionForm):
    """A collector to be."""

    team = TeamChoice(label=_("Team"), queryset=Team.objects.none(), widget=UnfoldAdminSelectWidget)
    name = forms.CharField(label=_("Name"), max_length=limits.MAX_NAME_CHARACTERS, widget=UnfoldAdminTextInputWidget)
    type = forms.ChoiceField(label=_("Type"), choices=_ENGINES, widget=UnfoldAdminSelectWidget(choices=_ENGINES))
    database = DatabaseChoice(
        label=_("Database"),
        queryset=MonitoredDatabase.objects.none(),
        required=False,
        empty_label=_("A new one, named like the collector"),
        widget=UnfoldAdminSelectWidget,
        help_text=_(
            "Choose one that is watched already to add a second collector to it. It must be of the same team and type."
        ),
    )
    region = RegionField()
    tags = TagsField()
    collection_interval_minutes = forms.IntegerField(
        label=_("Collection interval (minutes)"),
        min_value=1,
        max_value=1440,
        initial=limits.COLLECTION_INTERVAL_MINUTES,
        widget=UnfoldAdminIntegerFieldWidget,
    )

    def __init__(self, principal: Principal, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        teams = Team.objects.select_related("organization")
        # Read no further than what is listed, instead of in large chunks.
        databases = MonitoredDatabase.objects.select_related("team").order_by("name", "pk")
        self.fields["team"].queryset = permitted(teams, principal, Permission.COLLECTOR_KEY)  # type: ignore[attr-defined]
        self.fields["database"].queryset = permitted(  # type: ignore[attr-defined]
            databases, principal, Permission.COLLECTOR_MANAGE
        )

    def sections(self) -> list[Section]:
        """Return the fields in the steps in which they are shown."""
        more = [self[name] for name in _SELDOM]
        return [
            Section(0, gettext("Team and name"), "", [self[name] for name in ("team", "name", "region", "tags")]),
            Section(
                1,
                gettext("The database, and how the agent reaches it"),
                gettext("All of the connection may be left out here: the agent's own file may hold it."),
                [self[name] for name in ("type", "database", *_OFTEN, "collection_interval_minutes")],
                more=more,
                more_open=any(field.errors or field.value() for field in more),
            ),
        ]


def register_page(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Show the form; once it is right, register the collector and answer with its key."""
    if not model_admin.has_add_permission(request):
        raise PermissionDenied
    # A link of this console may name the team; one that is not offered chooses nothing.
    form = RegisterForm(
        signed_in.principal(request),
        request.POST if request.method == "POST" else None,
        initial={"team": number_in(request, "team")},
    )
    if request.method == "POST" and form.is_valid():
        try:
            return registered_page(model_admin, request, _register(request, form))
        except Refused as refusal:
            refusals.record_refused(request, refusal)
            show_refusal(form, refusal)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": gettext("Add collector"),
        "opts": model_admin.opts,
        "form": form,
        "wizard": wizard(0),
        **grants_context(request.POST),
        "no_teams": not form.fields["team"].queryset.exists(),  # type: ignore[attr-defined]
    }
    return render(request, "admin/dbpower/register.html", context)


def _register(request: HttpRequest, form: RegisterForm) -> Registered:
    chosen = form.cleaned_data
    return collectors.register_collector(
        team=chosen["team"],
        name=chosen["name"],
        engine=Engine(chosen["type"]),
        config=form.config(),
        database=chosen["database"],
        collection_interval_minutes=chosen["collection_interval_minutes"],
        region=chosen["region"],
        tags=chosen["tags"],
        actor=signed_in.actor(request),
    )
