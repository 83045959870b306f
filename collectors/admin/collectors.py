"""Collectors: the list, one collector's page, and what can be asked of them."""

from typing import Any, ClassVar, Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from collectors.admin import signed_in
from collectors.admin.actions import Outcome, scoped_action
from collectors.admin.base import ScopedModelAdmin
from collectors.admin.connections import CONNECTION_FIELDS, ConnectionForm, initial_of
from collectors.admin.display import ROLE_COLOURS, SOURCE_COLOURS, SOURCE_WORDS, STATUS_COLOURS, ago, freshness, number
from collectors.admin.filters import ChoicesDropdownFilter, ScopedRelatedFilter
from collectors.admin.forms import RefusableForm
from collectors.admin.lists import BoundedList
from collectors.admin.pages.collector import page_of
from collectors.admin.pages.keys import keys_page
from collectors.admin.pages.register import register_page
from collectors.admin.site import site
from collectors.domain.actors import Actor
from collectors.domain.commands import CommandType
from collectors.domain.roles import Permission
from collectors.models import Collector, ControlPlane, labels
from collectors.services import collector_keys, collectors, commands, configs
from collectors.services.errors import Refused

_CONNECTION: Final[Any] = (
    _("Connection to the database"),
    {"fields": list(CONNECTION_FIELDS), "classes": ["collapse"]},
)


class CollectorForm(RefusableForm, ConnectionForm):
    """What can be changed of a collector."""

    class Meta:
        model = Collector
        fields = ["name", "collection_interval_minutes"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "db_password" in self.fields:
            self.fields["db_password"].help_text = gettext("Empty: the stored one stays.")
        try:
            stored = configs.decrypt(collector_id=self.instance.pk, ciphertext=self.instance.config)
        except Refused:
            # The page says so; what is entered here takes its place.
            stored = {}
        self.initial.update(initial_of(stored))

    @property
    def connection_changed(self) -> bool:
        """Whether any member of the connection differs from the stored one, or a password was typed."""
        return not set(CONNECTION_FIELDS).isdisjoint(self.changed_data)


class CollectorList(BoundedList):
    """A page of collectors; what "online" is measured by is read once for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page and tell each row whether it is online."""
        super().get_results(request)
        now, accepting_since = timezone.now(), ControlPlane.objects.accepting_since()
        for collector in self.result_list:
            collector.listed_at = now
            collector.online = collector.is_online(now=now, accepting_since=accepting_since)


@admin.register(Collector, site=site)
class CollectorAdmin(ScopedModelAdmin):
    """Collectors of the signed-in person's teams."""

    view_permission = Permission.COLLECTOR_VIEW
    add_permission = Permission.COLLECTOR_MANAGE
    change_permission = Permission.COLLECTOR_MANAGE
    delete_permission = Permission.COLLECTOR_MANAGE
    form = CollectorForm
    change_form_template = "admin/dbpower/collector.html"
    list_display = [
        "name",
        "status",
        "online",
        "source",
        "data",
        "ha_role",
        "heartbeat_age",
        "database",
        "type",
        "team",
        "queries_collected",
        "errors_count",
    ]
    list_filter = [
        ("heartbeat__status", ChoicesDropdownFilter),
        ("type", ChoicesDropdownFilter),
        ("team", ScopedRelatedFilter),
        ("organization", ScopedRelatedFilter),
    ]
    list_select_related = ["heartbeat", "database__lease", "team"]
    list_fullwidth = True
    found_everywhere = True
    search_fields = ["name"]
    fieldsets: ClassVar[Any] = [(None, {"fields": ["name", "collection_interval_minutes"]}), _CONNECTION]
    actions = ["start", "stop", "collect", "rotate_key_by_agent", "rotate_key", "revoke_key"]

    # -- The list ------------------------------------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return the list that knows who is online."""
        return CollectorList

    @display(description=_("Status"), ordering="heartbeat__status", label=STATUS_COLOURS)  # type: ignore[arg-type] # a lazy text
    def status(self, collector: Collector) -> str:
        """Return the status as a label."""
        return collector.heartbeat.status

    @admin.display(description=_("Online"))
    def online(self, collector: Any) -> SafeString:
        """Tell whether the collector was heard within its deadline, which a STOPPED one may well be."""
        sign, word = ("●", gettext("yes")) if collector.online else ("○", gettext("no"))
        return format_html('<span class="whitespace-nowrap"><span aria-hidden="true">{}</span> {}</span>', sign, word)

    @display(description=_("Source"), label=SOURCE_COLOURS)  # type: ignore[arg-type] # a lazy text
    def source(self, collector: Collector) -> Any:
        """Tell whether the agent can read its source, as it last said."""
        return SOURCE_WORDS.get(collector.source_readable)

    @admin.display(description=_("Data"))
    def data(self, collector: Any) -> SafeString:
        """Return how new the collector's data is."""
        return freshness(collector.data_until, fresh=collector.is_data_fresh(collector.listed_at))

    @display(description=_("Role"), label=ROLE_COLOURS)  # type: ignore[arg-type] # a lazy text
    def ha_role(self, collector: Collector) -> tuple[str, str] | None:
        """Return whether it reads its database or stands by for the one that does."""
        role = collector.ha_role
        return None if role is None else (role, labels.label_of(labels.HA_ROLES, role))

    @admin.display(description=_("Last heartbeat"), ordering="heartbeat__last_heartbeat")
    def heartbeat_age(self, collector: Any) -> str:
        """Return how long ago the agent was heard."""
        return ago(collector.heartbeat.last_heartbeat, now=collector.listed_at, never=gettext("never"))

    @admin.display(description=_("Queries"), ordering="heartbeat__queries_collected")
    def queries_collected(self, collector: Collector) -> str:
        """Return the total of all the agent's runs."""
        return number(collector.heartbeat.queries_collected)

    @admin.display(description=_("Errors"), ordering="heartbeat__errors_count")
    def errors_count(self, collector: Collector) -> str:
        """Return the total of all the agent's runs."""
        return number(collector.heartbeat.errors_count)

    # -- One collector -------------------------------------------------------------------------------------------------

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:  # noqa: ARG002
        """Show the form to register a collector, and its key once."""
        return register_page(self, request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one collector with its facts and histories."""
        collector = self.get_object(request, object_id)
        extra = dict(extra_context or {})
        if collector is not None and self.has_view_permission(request, collector):
            extra |= page_of(collector, signed_in.principal(request))
        response: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return response

    def change(self, request: HttpRequest, obj: Collector, form: Any) -> None:
        """Change name, interval and connection; a new connection travels to the agent as a command."""
        chosen = form.cleaned_data
        collectors.change_collector(
            collector=obj,
            actor=signed_in.actor(request),
            name=chosen["name"],
            collection_interval_minutes=chosen["collection_interval_minutes"],
            config=form.config() if form.connection_changed else None,
        )

    def remove(self, request: HttpRequest, obj: Collector) -> None:
        """Remove it; its key ends, the database's history stays."""
        collectors.delete_collector(collector=obj, actor=signed_in.actor(request))

    # -- Actions -------------------------------------------------------------------------------------------------------

    @scoped_action(
        permission=Permission.COLLECTOR_COMMAND,
        label=_("Start"),
        icon="play_arrow",
        done=_("Asked to start: {names}."),
        offered=lambda collector: not collector.auto_collect,
    )
    def start(self, row: Any, actor: Actor) -> Any:
        """Switch automatic collection on."""
        return commands.request_command(collector=row, command=CommandType.START, actor=actor)

    @scoped_action(
        permission=Permission.COLLECTOR_COMMAND,
        label=_("Stop"),
        icon="stop",
        done=_("Asked to stop: {names}."),
        offered=lambda collector: collector.auto_collect,
    )
    def stop(self, row: Any, actor: Actor) -> Any:
        """Switch automatic collection off; the agent lives on."""
        return commands.request_command(collector=row, command=CommandType.STOP, actor=actor)

    @scoped_action(
        permission=Permission.COLLECTOR_COMMAND,
        label=_("Collect now"),
        icon="download",
        done=_("Asked to collect now: {names}."),
    )
    def collect(self, row: Any, actor: Actor) -> Any:
        """Collect once, now."""
        return commands.request_command(collector=row, command=CommandType.COLLECT, actor=actor)

    @scoped_action(
        permission=Permission.COLLECTOR_MANAGE,
        label=_("Rotate key"),
        icon="autorenew",
        done=_("Their agents make new keys with the next heartbeat: {names}."),
        offered=lambda collector: collector.api_key_hash and not collector.key_rotation_requested_at,
    )
    def rotate_key_by_agent(self, row: Any, actor: Actor) -> Any:
        """Ask the agent to make a new key, which nobody sees."""
        return collector_keys.request_rotation(collector=row, actor=actor)

    @scoped_action(
        permission=Permission.COLLECTOR_MANAGE,
        label=_("Revoke keys"),
        icon="key_off",
        variant="danger",
        done=_("Without a key now: {names}."),
        offered=lambda collector: bool(collector.api_key_hash),
    )
    def revoke_key(self, row: Any, actor: Actor) -> Any:
        """End every key at once."""
        return collector_keys.revoke(collector=row, actor=actor)

    @scoped_action(permission=Permission.COLLECTOR_MANAGE, label=_("New key by hand"), icon="key", page="show_keys")
    def rotate_key(self, row: Any, actor: Actor) -> Any:
        """Make a new key, which the page that follows shows once."""
        return collectors.rotate_key(collector=row, actor=actor)

    def show_keys(self, request: HttpRequest, outcomes: list[Outcome]) -> HttpResponse:
        """Show the new keys, this once."""
        return keys_page(self, request, [outcome.result for outcome in outcomes])
